"""The log's queue runs full under a real service, as its spool takes no commit.

Failure case 21. Another process holds the spool's write lock, so that commits wait while the
journal goes on; what is configured for a full queue is what happens.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bandit.clock import WallClock
from bandit.eventlog.admission import PASS_MIN
from bandit.events import DecisionRecord
from server.local import LocalServer, wait_until
from tests.faults.callers import WAIT_S, Callers, metrics
from tests.faults.torture.books import settled_records

pytestmark = pytest.mark.processes

QUEUE_MAX = 100
SETTINGS = {
    "MARQUEE__SERVER__WORKERS": "1",
    "MARQUEE__SERVER__DRAIN_S": "0",
    "MARQUEE__LOG__QUEUE_MAX": str(QUEUE_MAX),
    "MARQUEE__LIMITS__FEEDBACK_EVENTS_MAX": str(QUEUE_MAX),
    "MARQUEE__LOG__COMMIT_TIMEOUT_S": "0.1",
    "MARQUEE__LOG__RANK_COMMIT_TIMEOUT_S": "0.05",
    "MARQUEE__LOG__DISK_FREE_BYTES_MIN": "0",
}
UNLOGGED = "marquee_decisions_unlogged_total"


@contextmanager
def without_commits(log: Path) -> Iterator[None]:
    """Hold the one spool's write lock."""
    (spool,) = log.glob("spool-*.sqlite")
    with closing(sqlite3.connect(spool, isolation_level=None, timeout=WAIT_S)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


def unlogged(server: LocalServer) -> dict[str, float]:
    """Return how many pages were served and not logged, by reason."""
    told = metrics(server.url)
    return {name.split('"')[1]: count for name, count in told.items() if name.startswith(UNLOGGED)}


@pytest.mark.parametrize(
    ("queue_full", "reasons"), [("block", {"unavailable"}), ("drop", {"dropped", "full"})]
)
def test_a_full_queue_does_what_is_configured(
    tmp_path: Path, queue_full: str, reasons: set[str]
) -> None:
    settings = {**SETTINGS, "MARQUEE__LOG__QUEUE_FULL": queue_full}
    with LocalServer(tmp_path, settings=settings) as server:
        with Callers(server.url, callers=12) as callers:
            callers.wait_for("/v1/rank", 201, 50)
            with without_commits(tmp_path / "log"):
                wait_until(
                    lambda: {why for why, count in unlogged(server).items() if count} == reasons,
                    WAIT_S,
                    f"pages unlogged for {reasons}",
                )
            logged = len(callers.books.decisions) + 50
            wait_until(lambda: len(callers.books.decisions) >= logged, WAIT_S, "logging again")
        books = callers.books
        assert set(books.of("/v1/rank")) == {201}
        assert set(books.of("/v1/feedback")) <= {202, 503}
        assert books.without_retry_after == 0
        assert sum(unlogged(server).values()) == len(books.unlogged)
        records = settled_records(tmp_path / "log", WallClock())
    stored = {one.decision_id: one for one in records if isinstance(one, DecisionRecord)}
    assert books.decisions <= stored.keys()
    assert not books.unlogged & stored.keys() or queue_full == "block"
    passed = [one.pass_probability for one in stored.values()]
    assert max(passed) == 1.0
    if queue_full == "drop":
        assert PASS_MIN <= min(passed) < 1.0
    else:
        assert min(passed) == 1.0
