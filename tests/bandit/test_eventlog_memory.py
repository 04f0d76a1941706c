"""What the log in memory offers beyond the contract: letting go of what was read."""

from __future__ import annotations

import pytest

from bandit.clock import ManualClock
from bandit.errors import LogUnavailableError
from bandit.eventlog.memory import MemoryEventLog
from bandit.events import FeedbackRecord


def event(number: int) -> FeedbackRecord:
    return FeedbackRecord(event_id=f"e{number}", decision_id="d", type="click", title="t")


def test_what_is_forgotten_is_gone_and_sequences_go_on() -> None:
    log = MemoryEventLog(ManualClock(100))
    writer, reader = log.writer(), log.reader()
    writer.append([event(1), event(2)])
    log.forget()
    assert reader.last_sequence(writer.spool) == 2
    assert reader.known_keys([event(1).key]) == set()
    writer.append([event(3), event(1)])
    batch = reader.read(writer.spool, 2, 10)
    assert [logged.sequence for logged in batch.records] == [3, 4]
    assert [logged.at_us for logged in batch.records] == [102, 103]
    assert reader.sequence_before(writer.spool, 103) == 3
    assert reader.read(writer.spool, 4, 10).last_sequence == 4
    with pytest.raises(LogUnavailableError, match="forgotten up to record 2"):
        reader.read(writer.spool, 1, 10)
