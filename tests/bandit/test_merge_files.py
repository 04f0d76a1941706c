"""Spools whose files were damaged, taken away, replaced or put back while a learner knew them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bandit.clock import ManualClock
from bandit.config.schema import LogConfig
from bandit.errors import LogUnavailableError
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import ActivationRecord
from bandit.merge import LogMerge, replay
from bandit.metrics import NoMetrics

WAIT_S = 30.0
START_US = 1_000_000


class Directory:
    """A log's directory, whose writers come and go."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock(START_US)

    def write(self, *names: str, spools: int = 1) -> None:
        """Write each name into each of so many spools, at instants of their own."""
        writers = [
            SqliteEventWriter.open(self.path, self.clock, LogConfig(), NoMetrics())
            for _ in range(spools)
        ]
        for name in names:
            for writer in writers:
                self.clock.advance_s(1e-3)
                prefix = f"{writer.spool[-1]}." if spools > 1 else ""
                writer.append([ActivationRecord(decision_id=prefix + name)]).wait(WAIT_S)
        for writer in writers:
            writer.close()
        self.clock.advance_s(1.0)

    def empty(self) -> None:
        shutil.rmtree(self.path)


@pytest.fixture
def log(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "log")


@pytest.fixture
def reader(log: Directory) -> Iterator[SqliteEventReader]:
    with closing(SqliteEventReader(log.path, log.clock)) as opened:
        yield opened


def _names(merge: LogMerge) -> list[str]:
    return [item.logged.record.decision_id for item in merge.poll().records]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_log_that_was_replaced_is_read_from_its_start(
    log: Directory, reader: SqliteEventReader, restarted: bool
) -> None:
    log.write("a", "b", "c")
    merge = LogMerge(reader, 100)
    assert _names(merge) == ["a", "b", "c"]
    if restarted:
        merge = LogMerge(reader, 100, merge.position(None))
    log.empty()
    log.write("d", "e", "f", "g")

    records, _, notices = merge.poll()

    assert [item.logged.record.decision_id for item in records] == ["d", "e", "f", "g"]
    assert [notice.spool for notice in notices] == ["spool-000"]
    assert "another file" in notices[0].what
    assert merge.poll() == ([], [], [])
    assert merge.position(None).sequences == {"spool-000": 4}


def test_a_log_that_is_gone_is_told_and_does_not_stop_a_start(
    log: Directory, reader: SqliteEventReader
) -> None:
    log.write("a", "b")
    merge = LogMerge(reader, 100)
    merge.poll()
    position = merge.position(START_US)
    log.empty()

    for one in (merge, LogMerge(reader, 100, position)):
        assert "gone" in one.poll().notices[0].what
        assert "gone" in one.unreadable["spool-000"]
        assert one.poll().notices == []
    assert list(replay(reader, position, START_US, 100)) == []


def test_records_of_another_file_are_not_replayed_as_those_that_were_taken(
    log: Directory, reader: SqliteEventReader
) -> None:
    log.write("a", "b")
    merge = LogMerge(reader, 100)
    merge.poll()
    position = merge.position(START_US)
    assert len(list(replay(reader, position, START_US, 100))) == 2
    log.empty()
    log.clock.advance_s(-1.0)
    log.write("c", "d")

    assert list(replay(reader, position, START_US, 100)) == []


def test_a_log_put_back_to_an_earlier_state_goes_on_after_what_was_taken(
    log: Directory, reader: SqliteEventReader, tmp_path: Path
) -> None:
    log.write("a", "b")
    shutil.copytree(log.path, tmp_path / "backup")
    log.write("c", "d", "e")
    merge = LogMerge(reader, 100)
    assert _names(merge) == ["a", "b", "c", "d", "e"]
    log.empty()
    shutil.copytree(tmp_path / "backup", log.path)
    log.write("f")

    records, _, notices = merge.poll()

    assert [item.logged.record.decision_id for item in records] == ["f"]
    assert "earlier state" in notices[0].what
    again = replay(reader, merge.position(START_US), START_US, 100)
    assert [item.logged.record.decision_id for item in again] == ["a", "b", "f"]


def test_a_damaged_spool_is_passed_over_and_the_others_go_on(
    log: Directory, reader: SqliteEventReader
) -> None:
    log.write("a", "b", spools=2)
    merge = LogMerge(reader, 100)
    assert _names(merge) == ["0.a", "1.a", "0.b", "1.b"]
    position = merge.position(START_US)
    damaged = log.path / "spool-000.sqlite"
    whole = damaged.read_bytes()
    beside = damaged.with_name("beside")
    beside.write_bytes(b"no database" * 1000)
    beside.replace(damaged)
    log.write("c", spools=1)

    for one in (merge, LogMerge(reader, 100, position)):
        records, _, notices = one.poll()
        assert [item.logged.record.decision_id for item in records] == ["c"]
        assert [notice.spool for notice in notices] == ["spool-000"]
        assert one.unreadable.keys() == {"spool-000"}
        assert one.poll() == ([], [], [])
    again = replay(reader, position, START_US, 100)
    assert [item.logged.record.decision_id for item in again] == ["1.a", "1.b"]

    beside.write_bytes(whole)
    beside.replace(damaged)
    log.write("d", spools=1)
    assert _names(merge) == ["d"]
    assert merge.unreadable == {}


def test_a_writer_whose_file_was_taken_away_refuses(log: Directory) -> None:
    config = LogConfig(heartbeat_s=3600)
    with closing(SqliteEventWriter.open(log.path, log.clock, config, NoMetrics())) as writer:
        writer.append([ActivationRecord(decision_id="a")]).wait(WAIT_S)
        assert writer.is_alive()
        log.empty()

        with pytest.raises(LogUnavailableError, match="removed or replaced"):
            writer.append([ActivationRecord(decision_id="b")]).wait(WAIT_S)
        assert not writer.is_alive()
