"""What a storm leaves at the ends of log and journal: writes that were begun, and never whole ones.

Nothing of such a write may be read, wherever it was cut; were it not cut, it would be.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bandit.clock import ManualClock
from bandit.config import Config
from bandit.config.schema import LogConfig
from bandit.eventlog.journal import Journal, Row, journal_path
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_schema import spool_path
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.events import FeedbackRecord, encode_record, feedback_key
from tests.faults.torture import damage
from tests.faults.torture.damage import Damage, do_damage

CLOCK = ManualClock(1_700_000_000_000_000)
SPOOL = "spool-000"


def row(event_id: str) -> Row:
    record = FeedbackRecord(event_id=event_id, decision_id="d", type="click", title="t")
    return Row(feedback_key(event_id), encode_record(record))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A log as a killed worker leaves it: a write-ahead log and a journal that are not empty."""
    log = tmp_path / "log"
    log.mkdir()
    spool = SpoolFile(log, SPOOL, CLOCK)
    spool.store([row("e1"), row("e2")])
    journal, _ = Journal.open(log, SPOOL)
    journal.write([row("j1")])
    journal.close(emptied=False)
    ahead = log / f"{SPOOL}.sqlite-wal"
    left = spool_path(log, SPOOL).read_bytes(), ahead.read_bytes()
    spool.close()
    for path in log.glob("*-shm"):
        path.unlink()
    spool_path(log, SPOOL).write_bytes(left[0])
    ahead.write_bytes(left[1])
    return tmp_path


def events(state: Path) -> list[str]:
    with closing(SqliteEventReader(state / "log", CLOCK)) as reader:
        records = [logged.record for logged in reader.read(SPOOL, 0, 100).records]
    return [record.event_id for record in records if isinstance(record, FeedbackRecord)]


def journaled(state: Path) -> list[str]:
    journal, frames = Journal.open(state / "log", SPOOL)
    journal.close(emptied=False)
    return [row.key for frame in frames for row in frame.rows]


def tear(state: Path, how: Damage, seed: int) -> bool:
    return do_damage(how, Config(log=LogConfig(directory=str(state / "log"))), CLOCK, seed)


@pytest.mark.parametrize("seed", range(12))
def test_a_torn_commit_is_there_and_is_not_read(state: Path, seed: int) -> None:
    ahead = state / "log" / f"{SPOOL}.sqlite-wal"
    before = ahead.read_bytes()
    assert tear(state, "torn log", seed)
    assert ahead.read_bytes() != before
    assert ahead.read_bytes().startswith(before)
    assert events(state) == ["e1", "e2"]


@pytest.mark.parametrize("seed", range(12))
def test_a_torn_frame_is_there_and_is_not_read(state: Path, seed: int) -> None:
    journal = journal_path(state / "log", SPOOL, 0)
    before = journal.read_bytes()
    assert tear(state, "torn journal", seed)
    assert journal.read_bytes() != before
    assert journal.read_bytes().startswith(before)
    assert journaled(state) == ["f:j1"]


def test_a_write_that_is_whole_would_be_read(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_whole(path: Path, after: bytes, _random: object) -> bool:
        path.write_bytes(after)
        return True

    monkeypatch.setattr(damage, "_begin", write_whole)
    assert tear(state, "torn log", 0)
    assert tear(state, "torn journal", 0)
    assert events(state) == ["e1", "e2", "torn"]
    assert journaled(state) == ["f:j1", "f:torn"]


@pytest.mark.parametrize("how", ["torn log", "torn journal", "torn checkpoint", "flipped snapshot"])
def test_where_there_is_nothing_nothing_is_damaged(tmp_path: Path, how: Damage) -> None:
    config = Config(log=LogConfig(directory=str(tmp_path / "log")))
    assert not do_damage(how, config, CLOCK, 1)
