from __future__ import annotations

from bandit.clock import ManualClock
from bandit.eventlog.memory import MemoryEventLog, MemoryEventReader
from bandit.eventlog.protocol import SpoolBatch
from bandit.events import ActivationRecord
from bandit.merge import LogMerge, replay


def _record(name: str) -> ActivationRecord:
    return ActivationRecord(decision_id=name)


class Opening(MemoryEventReader):
    """A reader during whose first listing a further spool is opened and written to."""

    log: MemoryEventLog
    opened = False

    def spools(self) -> list[str]:
        names = super().spools()
        if not self.opened:
            self.opened = True
            self.log.writer("b").append([_record("second")])
        return names


class Lagging(MemoryEventReader):
    """A reader that sees nothing of spool ``a`` after an instant."""

    until_us = 0
    asked: list[int]

    def read(self, spool: str, after: int, limit: int) -> SpoolBatch:
        batch = super().read(spool, after, limit)
        if spool != "a":
            self.asked.append(limit)
            return batch
        records = [logged for logged in batch.records if logged.at_us <= self.until_us]
        last = records[-1].sequence if records else after
        return SpoolBatch(records, min(batch.horizon_us, self.until_us), [], last)


def _names(merge: LogMerge) -> list[str]:
    return [item.logged.record.decision_id for item in merge.poll()[0]]


def _log() -> tuple[ManualClock, MemoryEventLog]:
    clock = ManualClock(100)
    return clock, MemoryEventLog(clock)


def test_spools_are_merged_by_time() -> None:
    clock, log = _log()
    writers = {name: log.writer(name) for name in "ab"}
    for name, at_us in (("b", 101), ("a", 102), ("b", 103), ("a", 103)):
        clock.advance_s((at_us - clock.now_us()) * 1e-6)
        writers[name].append([_record(f"{name}{at_us}")])
    merge = LogMerge(log.reader(), 100)
    assert _names(merge) == ["b101", "a102", "a103", "b103"]
    assert merge.clock_us == 103
    assert merge.position(None).sequences == {"a": 2, "b": 2}


def test_what_lies_beyond_the_least_horizon_waits_and_does_not_count() -> None:
    clock, log = _log()
    one, other = log.writer("a"), log.writer("b")
    one.append([_record("early")])
    clock.advance_s(50e-6)
    other.append([_record("mid")])
    clock.advance_s(50e-6)
    one.append([_record("end")])
    reader = Lagging(log._spools, clock, log._lock)
    reader.asked = []
    reader.until_us = 120
    merge = LogMerge(reader, 100)
    assert _names(merge) == ["early"]
    assert merge.clock_us == 120
    assert merge.position(None).sequences == {"a": 1, "b": 0}
    reader.until_us = 1000
    assert _names(merge) == ["mid", "end"]


def test_a_spool_opened_while_reading_is_read_before_the_clock_moves() -> None:
    clock, log = _log()
    log.writer("a").append([_record("first")])
    clock.advance_s(10e-6)
    reader = Opening(log._spools, clock, log._lock)
    reader.log = log
    merge = LogMerge(reader, 100)
    items, _, _ = merge.poll()
    assert [item.logged.record.decision_id for item in items] == ["first", "second"]
    assert not any(item.late for item in items)


def test_a_spool_that_is_ahead_is_not_read_without_bound() -> None:
    clock, log = _log()
    log.writer("a")
    writer = log.writer("b")
    for number in range(50):
        clock.advance_s(1e-6)
        writer.append([_record(f"d{number}")])
    reader = Lagging(log._spools, clock, log._lock)
    reader.asked = []
    merge = LogMerge(reader, 7)
    for _ in range(5):
        assert _names(merge) == []
    assert reader.asked == [7]
    reader.until_us = 1000
    names = [name for _ in range(20) for name in _names(merge)]
    assert names == [f"d{number}" for number in range(50)]


def test_a_record_behind_the_clock_is_taken_at_the_clock_and_replayed_there() -> None:
    clock, log = _log()
    log.writer("a").append([_record("first")])
    clock.advance_s(100e-6)
    reader = log.reader()
    merge = LogMerge(reader, 100)
    assert _names(merge) == ["first"]
    spool = log.writer("b")
    log._spools["b"].horizon_us = 0
    clock.advance_s(-50e-6)
    spool.append([_record("behind")])
    (item,) = merge.poll()[0]
    assert (item.logged.at_us, item.at_us, item.late) == (150, 200, True)
    clock.advance_s(100e-6)
    spool.append([_record("after")])
    assert _names(merge) == ["after"]
    again = list(replay(reader, merge.position(100), 100, 100))
    assert [one.logged.record.decision_id for one in again] == ["first", "behind", "after"]
    assert again[1] == item
    assert [one.at_us for one in replay(reader, merge.position(180), 180, 100)] == [200, 250]


def test_damage_is_reported_once_even_if_another_spool_fails() -> None:
    clock, log = _log()
    log.writer("a").append([_record("first")])

    class Damaged(MemoryEventReader):
        def read(self, spool: str, after: int, limit: int) -> SpoolBatch:
            batch = super().read(spool, after, limit)
            damaged = [(one.sequence, "torn") for one in batch.records]
            return batch._replace(records=[], damaged=damaged)

    merge = LogMerge(Damaged(log._spools, clock, log._lock), 100)
    assert merge.poll() == ([], [("a", 1, "torn")], [])
    assert merge.poll() == ([], [], [])
