"""The README's blocks work as they stand, but for the port, against the example's service."""

from __future__ import annotations

import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from server.local import LocalServer
from server.wire import FeedbackAnswer, RankAnswer
from tests.docs.markdown import ROOT, blocks

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("readme")]

README = ROOT / "README.md"
ADDRESS = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = {
        "MARQUEE__CATALOG__SOURCE": str(ROOT / "examples" / "catalog.jsonl"),
        "MARQUEE__SERVER__WORKERS": "1",
    }
    config = ROOT / "examples" / "marquee.toml"
    with LocalServer(tmp_path_factory.mktemp("readme"), config=config, settings=settings) as server:
        yield server.url


def test_rank_and_feedback_by_curl(url: str, tmp_path: Path) -> None:
    script = "set -euo pipefail\n" + "echo\n".join(blocks(README, "bash"))
    assert script.count(f"curl -sS {ADDRESS}") == 2
    done = subprocess.run(
        ["bash", "-c", script.replace(ADDRESS, url)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    page, feedback = (line for line in done.stdout.splitlines() if line)
    answer = msgspec.json.decode(page, type=RankAnswer)
    assert {row.id for row in answer.rows} == {"silent-comedy", "science-fiction"}
    assert answer.omitted == []
    assert answer.logged
    assert msgspec.json.decode(feedback, type=FeedbackAnswer) == FeedbackAnswer(1, 0, [])
    assert f"`{feedback}`" in README.read_text()


def test_the_python_client(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks(README, "python")
    assert ADDRESS in block
    # A first request may take longer on a busy machine than viewers would wait.
    patient = block.replace(ADDRESS, url).replace("deadline_s=0.5", "deadline_s=30.0")
    assert patient.count("deadline_s=30.0") == 1
    script = tmp_path / "readme_client.py"
    script.write_text(patient)
    after = runpy.run_path(str(script))
    assert after["page"].source == "server"
    shown = capsys.readouterr().out.split()
    assert shown[0::3] == ["detour-1945", "scarlet-street-1945"]
    assert [artwork.partition(".")[0] for artwork in shown[1::3]] == shown[0::3]
    assert after["client"].feedback_counts() == (3, 0, 0, 0, 0)
    default = after["editorial"](after["request"])
    assert isinstance(default, RankAnswer)
