"""A spool's part of an erasure comes to an end, whatever enters meanwhile."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from bandit.clock import ManualClock, to_us
from bandit.eventlog.erasing import SpoolErasing
from bandit.eventlog.erasure_orders import ErasureOrders
from bandit.eventlog.erasure_search import ErasureSearch
from bandit.eventlog.journal import Row
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.eventlog.takeover import take_over
from bandit.events import DecisionRecord, FeedbackRecord, Record, encode_record

VIEWER = "viewer-of-interest"
SPOOL = "spool-000"


def test_a_repeat_under_a_key_that_names_the_viewer_is_erased_too(tmp_path: Path) -> None:
    clock = ManualClock(to_us(1000))
    decision = DecisionRecord(
        decision_id="d1",
        decided_at_us=1,
        body_digest=b"",
        catalog="c",
        policy="p",
        shares={},
        titles=[],
        viewer_id=VIEWER,
    )
    click = FeedbackRecord(event_id=f"{VIEWER}/e", decision_id="d1", type="click", title="film")
    journal, _ = take_over(tmp_path, SPOOL)
    with closing(SpoolFile(tmp_path, SPOOL, clock)) as file:
        search = ErasureSearch(tmp_path, [VIEWER])
        erasing = SpoolErasing(tmp_path, SPOOL, file, journal)
        assert file.store([_row(decision), _row(click)]) == [True, True]
        for expected in (2, 1):
            order, found = search.look(clock.now_us())
            assert found == expected
            ErasureOrders(tmp_path).give(order)
            assert erasing.carry_out(order)
            assert file.store([_row(decision)]) == [False], "its key tells nothing, and stays"
            file.store([_row(click)])
    journal.close(emptied=True)
    with closing(SqliteEventReader(tmp_path, clock)) as reader:
        assert [one.sequence for one in reader.read(SPOOL, 0, 9).records] == [4]


def _row(record: Record) -> Row:
    return Row(record.key, encode_record(record))
