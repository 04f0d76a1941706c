"""``marquee log export``, as a shell runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bandit.clock import ManualClock
from bandit.config import load_config
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.metrics import NoMetrics
from bandit.outcome_files import OutcomeFiles
from server.cli import main
from server.local import state_overrides
from tests import learning_world as world


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    overrides = state_overrides(tmp_path)
    for name, value in overrides.items():
        monkeypatch.setenv(name, value)
    config = load_config(None, overrides)
    _, version = world.store_catalog(Path(config.catalog.directory).parent)
    clock = ManualClock(1_700_000_000_000_000)
    writer = SqliteEventWriter.open(config.log.directory, clock, config.log, NoMetrics())
    world.write([writer], clock, world.chunks(20, version))
    writer.close()
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["log", "export", *arguments], catch_exceptions=False)


def test_it_writes_outcomes_and_tells_what_it_wrote(state: Path) -> None:
    out = state / "exported"
    result = run("--out", str(out))
    assert result.exit_code == 0
    written, still_open = result.stdout.splitlines()
    assert written.startswith("20 decisions with their feedback in 1 files, ")
    assert written.endswith(f"and 1 catalog versions: {out}")
    assert still_open.startswith("0 are still open")
    files = OutcomeFiles(out)
    assert sum(len(batch) for batch in files.outcomes()) == files.manifest.outcomes == 20


def test_a_directory_of_something_else_is_refused_with_a_hint(state: Path) -> None:
    (state / "exported").mkdir()
    (state / "exported" / "mine").write_text("")
    result = run("--out", str(state / "exported"))
    assert result.exit_code == 2
    error, hint = result.stderr.splitlines()
    assert "is no export" in error
    assert hint.startswith("hint: ")


def test_a_lost_catalog_is_told_on_standard_error(state: Path) -> None:
    config = load_config(None, state_overrides(state))
    for path in Path(config.catalog.directory).glob("*.msgpack"):
        path.unlink()
    result = run("--out", str(state / "exported"))
    assert result.exit_code == 0
    assert "is lost" in result.stderr
