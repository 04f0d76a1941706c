"""``marquee explain``, as a shell runs it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from server.cli import main
from server.explain_wire import ExplainAnswer
from server.local import state_overrides
from tests.server.real_service import EVERYBODY_LEARNED, SETTINGS, Node, Site, event, value


@pytest.fixture
def decided(
    site: Site, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Node, str]:
    """A learned decision with feedback, of a service that goes on running."""
    for name, setting in {**state_overrides(tmp_path), **SETTINGS, **EVERYBODY_LEARNED}.items():
        monkeypatch.setenv(name, setting)
    for number in range(4):
        page = node.rank(viewer_id=f"v{number}")
        node.report(event(f"p{number}", page, "play", "t0", row="r0", seconds=600.0))
    site.close_windows()
    site.learn()
    node.service._serving.refresh()
    page = node.rank(viewer_id="watcher")
    node.report(event("seen", page, "impression", "t1", row="r0"))
    return node, page["decision_id"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_it_tells_what_the_service_tells(decided: tuple[Node, str]) -> None:
    node, decision_id = decided
    result = run("explain", decision_id, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    msgspec.json.decode(result.stdout, type=ExplainAnswer)
    answer = value(node.http.get(f"/v1/decisions/{decision_id}/explain"))
    assert msgspec.json.decode(result.stdout) == answer


def test_it_is_readable(decided: tuple[Node, str]) -> None:
    _, decision_id = decided
    output = run("explain", decision_id).stdout
    assert "recomputed" in output
    assert "exactly" in output
    assert "seen, nothing done: default reward 0" in output
    assert "× artwork.mood=m" in output
    lines = run("explain", decision_id, "--title", "t0").stdout.splitlines()
    assert [line.split()[0] for line in lines if line[:1] == "a"] == [
        "artwork", "a0", "a1", "a2", "a3"
    ]  # fmt: skip
    assert sum("all others" in line for line in lines) == 4


def test_what_is_not_there_is_told_with_a_hint(decided: tuple[Node, str]) -> None:
    _, decision_id = decided
    for arguments in (["explain", "never"], ["explain", decision_id, "--title", "never"]):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "never" in result.stderr
        assert "hint:" in result.stderr


def test_an_erased_decision_is_not_there(site: Site, decided: tuple[Node, str]) -> None:
    node, decision_id = decided
    site.stop(node)
    assert run("explain", decision_id).exit_code == 0
    erased = run("privacy", "erase", "--viewer", "watcher")
    assert erased.exit_code == 0, erased.output
    result = run("explain", decision_id)
    assert result.exit_code == 2
    assert "the log holds no decision" in result.stderr
