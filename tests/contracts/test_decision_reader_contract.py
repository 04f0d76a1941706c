"""Looking for one decision in a log, alike in each kind of log: what reading and sifting finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

from bandit.clock import ManualClock
from bandit.config.schema import LogConfig
from bandit.eventlog.memory import MemoryEventLog
from bandit.eventlog.protocol import EventReader, EventWriter
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import ActivationRecord, DecisionRecord, FeedbackRecord, Record
from bandit.joined_so_far import DecisionReader
from bandit.metrics import NoMetrics
from bandit.types import TitleChoice

START_US = 1_700_000_000_000_000
WAIT_S = 30.0
ID = "décision/1"


class Reader(EventReader, DecisionReader, Protocol):
    """What both kinds of logs read by."""


class Log(NamedTuple):
    writer: EventWriter
    reader: Reader


@pytest.fixture(params=["sqlite", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    clock = ManualClock(START_US)
    if request.param == "memory":
        memory = MemoryEventLog(clock)
        yield Log(memory.writer(), memory.reader())
        return
    writer = SqliteEventWriter.open(tmp_path, clock, LogConfig(heartbeat_s=0.005), NoMetrics())
    with closing(writer), closing(SqliteEventReader(tmp_path, clock)) as reader:
        yield Log(writer, reader)


def decision(decision_id: str, title: str = "t") -> DecisionRecord:
    return DecisionRecord(
        decision_id=decision_id,
        decided_at_us=START_US,
        body_digest=b"",
        catalog="empty",
        policy="p",
        shares={"artwork": "learned", "rows": "learned"},
        titles=[TitleChoice(title, "a", 1.0)],
    )


def feedback(number: int, decision_id: str, title: str = "t") -> FeedbackRecord:
    return FeedbackRecord(event_id=f"e{number}", decision_id=decision_id, type="click", title=title)


RECORDS: list[Record] = [
    feedback(1, ID),
    # Others that hold the id's letters, as a part of theirs or elsewhere.
    decision(f"{ID}0"),
    decision("other", title=ID),
    decision(ID),
    feedback(2, "other", title=ID),
    feedback(3, ID),
    ActivationRecord(decision_id=ID),
    feedback(4, "other"),
]


def test_only_the_records_of_the_decision_are_found(log: Log) -> None:
    log.writer.append(RECORDS).wait(WAIT_S)
    (spool,) = log.reader.spools()
    batch = log.reader.about(spool, ID, 0, 100)
    assert [(one.sequence, one.record) for one in batch.records] == [
        (place, record) for place, record in enumerate(RECORDS, start=1) if record.decision_id == ID
    ]
    assert batch.last_sequence == len(RECORDS)
    assert batch.horizon_us >= log.reader.read(spool, 0, 100).records[-1].at_us


def test_the_limit_counts_what_was_looked_at(log: Log) -> None:
    log.writer.append(RECORDS).wait(WAIT_S)
    (spool,) = log.reader.spools()
    read = log.reader.read(spool, 0, 100).records
    first = log.reader.about(spool, ID, 0, 3)
    assert [one.sequence for one in first.records] == [1]
    assert (first.last_sequence, first.horizon_us) == (3, read[2].at_us)
    then = log.reader.about(spool, ID, first.last_sequence, 3)
    assert [one.sequence for one in then.records] == [4, 6]
    assert then.last_sequence == 6
