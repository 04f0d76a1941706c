"""Deciding and logging: races between workers, batches, and a log that is slow."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bandit.catalog import CatalogStore
from bandit.clock import ManualClock
from bandit.config.schema import Config, LogConfig
from bandit.errors import DecisionConflictError
from bandit.eventlog import commit_queue
from bandit.eventlog.memory import MemoryEventLog
from bandit.eventlog.sqlite_schema import spool_path
from bandit.events import DecisionRecord
from bandit.metrics import NoMetrics
from bandit.policy import Decision, Policy
from bandit.snapshots import MemorySnapshotStore
from bandit.types import Artwork, Title
from server.local import wait_until
from server.page_ranker import PageRanker
from server.serving import ServingState
from server.tokens import TokenSigner
from server.wire import RankAnswer, RankRequest
from tests.server.real_service import CATALOG, PAGE, WAIT_S, Site, site_at, value

TITLE = Title("t", [Artwork("a"), Artwork("b"), Artwork("c")])


class Interrupted(Policy):
    """Lets something happen just before each decision."""

    def __init__(self, config: Config, happens: Callable[[], object]) -> None:
        super().__init__(config)
        self._happens = happens

    def decide(self, *args: Any, **named: Any) -> Decision:
        self._happens()
        return super().decide(*args, **named)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000_000_000)


@pytest.fixture
def ranker(tmp_path: Path, clock: ManualClock) -> Callable[[Policy], PageRanker]:
    """Make workers of one service."""
    config = Config(log=LogConfig(rank_waits_for_commit=True))
    events = MemoryEventLog(clock)
    catalogs = CatalogStore(tmp_path, config.limits)

    def make(policy: Policy) -> PageRanker:
        return PageRanker(
            {"champion": policy},
            ServingState(config, catalogs, MemorySnapshotStore(), clock, NoMetrics()),
            config.log,
            writer=events.writer(),
            reader=events.reader(),
            tokens=TokenSigner([b"0123456789abcdef"], tenant="x", age_max_s=60.0, leeway_s=1.0),
            clock=clock,
            metrics=NoMetrics(),
        )

    return make


def told(ranker: PageRanker, request: RankRequest) -> RankAnswer | Exception:
    """Ask for a page alone."""
    try:
        return ranker.rank(request)
    except DecisionConflictError as error:
        return error


@pytest.mark.parametrize("is_other_page", [False, True])
def test_of_two_workers_decisions_of_one_id_the_earlier_is_answered(
    ranker: Callable[[Policy], PageRanker], clock: ManualClock, *, is_other_page: bool
) -> None:
    quick = ranker(Policy(Config()))
    asked = RankRequest(decision_id="d1", titles=[TITLE])
    other = RankRequest(decision_id="d1", titles=[TITLE], max_rows=3)
    first: list[RankAnswer | Exception] = []

    def the_other_worker_is_quicker() -> None:
        first.append(told(quick, other if is_other_page else asked))
        clock.advance_s(1)

    slow = ranker(Interrupted(Config(), the_other_worker_is_quicker))
    answer = told(slow, asked)
    if is_other_page:
        assert isinstance(answer, DecisionConflictError)
    else:
        assert isinstance(answer, RankAnswer)
        assert [answer] == first


def test_pages_of_one_id_in_a_batch_are_one_decision(
    ranker: Callable[[Policy], PageRanker],
) -> None:
    asked = RankRequest(decision_id="d1", titles=[TITLE])
    other = RankRequest(decision_id="d1", titles=[TITLE], max_rows=3)
    first, again, conflict = ranker(Policy(Config())).rank_batch([asked, asked, other])
    assert isinstance(first, RankAnswer)
    assert first == again
    assert isinstance(conflict, DecisionConflictError)


@contextmanager
def stalled(site: Site) -> Iterator[None]:
    """Keep the one spool from committing."""
    (spool,) = site.reader.spools()
    file = spool_path(Path(site.config.log.directory), spool)
    with closing(sqlite3.connect(file, isolation_level=None, timeout=WAIT_S)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


SLOW = {
    "MARQUEE__LOG__RANK_WAITS_FOR_COMMIT": "true",
    "MARQUEE__LOG__RANK_COMMIT_TIMEOUT_S": "0.01",
    "MARQUEE__LOG__COMMIT_TIMEOUT_S": str(WAIT_S),
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path, SLOW) as site:
        yield site


def test_the_pages_of_a_batch_are_made_durable_together(tmp_path: Path) -> None:
    with site_at(tmp_path) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        pages = [{**PAGE, "viewer_id": f"v{number}"} for number in range(20)]
        answer = value(node.post("/v1/rank/batch", {"pages": [*pages, {"titles": ["lost"]}]}))
        assert [item.get("decision", {}).get("logged") for item in answer["pages"]] == [
            True
        ] * 20 + [None]
        metrics = node.http.get("/metrics").text
        assert "marquee_log_commit_seconds_count 1.0" in metrics
        assert "marquee_log_committed_records_total 20.0" in metrics
        assert sum(isinstance(each.record, DecisionRecord) for each in site.records()) == 20


def test_a_page_waits_for_a_stalled_log_by_a_limit_of_its_own(site: Site) -> None:
    node = site.node()
    node.http.put("/v1/catalog", json=CATALOG)
    with stalled(site):
        assert node.rank(decision_id="d1")["logged"] is False
        # The record is still on its way: it was not given up, the page only did not wait for it.
        gauge = "marquee_log_queue_records 1.0"
        wait_until(lambda: gauge in node.http.get("/metrics").text, WAIT_S, gauge)


QUICK = {
    "MARQUEE__LOG__RANK_WAITS_FOR_COMMIT": "false",
    "MARQUEE__LOG__COMMIT_TIMEOUT_S": str(WAIT_S),
}


def test_a_request_repeated_before_the_commit_finds_the_first_decision(tmp_path: Path) -> None:
    with site_at(tmp_path, QUICK) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        with stalled(site):
            first = node.rank(decision_id="d1")
            # Decided anew, it would carry a token of another second.
            site.pass_s(10)
            assert site.reader.find_decision("d1") is None
            assert node.rank(decision_id="d1") == first
            assert (
                node.post("/v1/rank", {**PAGE, "decision_id": "d1", "max_rows": 1}).status_code
                == 409
            )
            pages = [{**PAGE, "decision_id": "d1"}] * 2
            batch = value(node.post("/v1/rank/batch", {"pages": pages}))
            assert [item["decision"] for item in batch["pages"]] == [first, first]
        site.stop(node)
        (logged,) = site.records()
        assert isinstance(logged.record, DecisionRecord)
        assert value(site.node().post("/v1/rank", {**PAGE, "decision_id": "d1"})) == first


def test_a_worker_whose_log_is_held_up_is_not_ready_and_asks_no_page_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = {
        "MARQUEE__LOG__QUEUE_MAX": "2",
        "MARQUEE__LIMITS__FEEDBACK_EVENTS_MAX": "2",
        "MARQUEE__LIMITS__BATCH_PAGES_MAX": "2",
        "MARQUEE__LOG__RANK_COMMIT_TIMEOUT_S": "0.01",
    }
    with site_at(tmp_path, {**QUICK, **full}) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        assert node.service.ranks_at_once()
        with stalled(site):
            for number in range(3):
                node.rank(decision_id=f"d{number}")
            assert not node.service.ranks_at_once()
            assert node.http.get("/readyz").status_code == 200
            monkeypatch.setattr(commit_queue, "HELD_UP_S", 0.0)
            unready = node.http.get("/readyz")
            assert unready.status_code == 503
            (reason,) = value(unready)["reasons"]
            assert "held up: its queue has been full" in reason
        wait_until(node.service.ranks_at_once, WAIT_S, "room in the queue")
        assert node.http.get("/readyz").status_code == 200


def test_a_page_that_waits_for_its_commit_is_never_ranked_at_once(site: Site) -> None:
    assert not site.node().service.ranks_at_once()


@pytest.mark.parametrize("queue_full", ["block", "drop"])
def test_a_page_that_a_full_queue_does_not_take_is_served_unlogged_and_counted(
    tmp_path: Path, queue_full: str
) -> None:
    full = {
        "MARQUEE__LOG__QUEUE_MAX": "2",
        "MARQUEE__LIMITS__FEEDBACK_EVENTS_MAX": "2",
        "MARQUEE__LIMITS__BATCH_PAGES_MAX": "2",
        "MARQUEE__LOG__QUEUE_FULL": queue_full,
        "MARQUEE__LOG__RANK_COMMIT_TIMEOUT_S": "0.01",
    }
    with site_at(tmp_path, {**QUICK, **full}) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        with stalled(site):
            answers = [node.rank(decision_id=f"d{number}") for number in range(20)]
            unlogged = sum(not answer["logged"] for answer in answers)
            assert unlogged >= 18
            metrics = node.http.get("/metrics").text
        counted = re.findall(
            r"^marquee_decisions_unlogged_total\{.*\} (\S+)$", metrics, re.MULTILINE
        )
        assert sum(map(float, counted)) == unlogged
