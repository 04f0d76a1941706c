"""``marquee log`` after a crash: what the dead workers had promised to store is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bandit.clock import WallClock
from bandit.config import parse_config
from bandit.eventlog.journal import Journal, Row, journal_path
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import DecisionRecord, encode_record
from bandit.metrics import NoMetrics
from server.cli import main
from server.local import state_overrides


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a log of one spool without a writer, whose journal holds a decision."""
    for name, value in state_overrides(tmp_path).items():
        monkeypatch.setenv(name, value)
    directory = tmp_path / "log"
    config = parse_config({"log": {"directory": str(directory)}}).log
    SqliteEventWriter.open(directory, WallClock(), config, NoMetrics()).close()
    decision = DecisionRecord(
        decision_id="d1",
        decided_at_us=0,
        body_digest=b"",
        catalog="c",
        policy="p",
        shares={},
        titles=[],
    )
    journal, _ = Journal.open(directory, "spool-000")
    journal.write([Row(decision.key, encode_record(decision))])
    journal.close(emptied=False)
    return directory


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["log", *arguments], catch_exceptions=False)


def test_commands_store_what_a_dead_worker_left_and_say_so_once(directory: Path) -> None:
    first, second = run("tail"), run("tail")

    assert "d1" in first.stdout
    assert first.stderr == "1 records that a dead worker left were stored\n"
    assert (second.stdout, second.stderr) == (first.stdout, "")


def test_commands_read_on_where_that_cannot_be_done(directory: Path) -> None:
    journal_path(directory, "spool-000", 1).mkdir()
    (journal_path(directory, "spool-000", 1) / "file").touch()

    result = run("check")

    assert result.exit_code == 0
    assert result.stdout == "0 records read, 0 damaged\n"
    assert "what a dead worker left in spool-000 is still to be stored" in result.stderr
