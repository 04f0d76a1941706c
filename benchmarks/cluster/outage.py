"""A minute without Redis, under load: what pages take meanwhile, and how soon all is caught up.

Pages are asked for at a steady rate, and viewers send feedback, before, during and after. Redis is
killed and comes back without anything. At the end the learner's books are compared with what the
callers were told: each page that was answered is learned, and each event that was acknowledged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from bandit.types import Page
from benchmarks.cluster.machines import machines
from benchmarks.figures import Board, Target
from benchmarks.http_work import PAGE_WORK, standard_work
from benchmarks.load import LoadResult, Pace, run_load
from benchmarks.pages import standard_pages
from benchmarks.servers import port_of, rank_target, train, visit
from server.client import Client
from server.local import LocalServer, wait_until

Result = TypeVar("Result")

SLOWER_MS: Final = Target("<", 5.0)
NOTHING: Final = Target("<", 1.0)
CONNECTIONS: Final = 16
SETTLED_LAG_S: Final = 2.0
"""A learner that is no further behind than this has caught up: it is half of that when idle."""
SETTINGS: Final = {"MARQUEE__REWARD__WINDOW_S": "5", "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0"}


class Size(NamedTuple):
    """How much to run."""

    before_s: float
    outage_s: float
    after_s: float
    """For how long pages are asked for after Redis is back."""
    pages_per_s: float
    """Of each scorer."""
    visits_per_s: float


FULL: Final = Size(30.0, 60.0, 45.0, 200.0, 4.0)
QUICK: Final = Size(4.0, 6.0, 5.0, 50.0, 4.0)


def measure_outage(board: Board, *, quick: bool) -> None:
    """Take Redis away for a minute while two scorers serve."""
    size = QUICK if quick else FULL
    work = standard_work()
    with machines(work.document, SETTINGS) as cluster:
        scorers = [cluster.add_scorer(name) for name in ("a", "b")]
        train(scorers[0], standard_pages(work.document, 20, seed=2))
        books = _Books(scorers[0])
        with ExitStack() as stack:
            callers = stack.enter_context(ThreadPoolExecutor(2 * len(scorers)))
            seconds = size.before_s + size.outage_s + size.after_s
            pace = Pace(CONNECTIONS, seconds, size.pages_per_s)
            loads = [
                callers.submit(
                    run_load, rank_target(port_of(one), "/v1/rank", work.pages, "msgpack"), pace
                )
                for one in scorers
            ]
            viewers = [
                callers.submit(_view, one, work.pages, seconds, size.visits_per_s)
                for one in scorers
            ]
            time.sleep(size.before_s)
            board.say("Redis goes away")
            gone_s = time.monotonic()
            cluster.redis.kill()
            time.sleep(size.outage_s)
            cluster.redis.start()
            back_s = time.monotonic()
            board.say("Redis is back, empty")
            wait_until(books.has_caught_up, 10 * size.outage_s, "catching up")
            drained_s = time.monotonic() - back_s
            results = _all(loads)
            seen = _all(viewers)
        decisions = sum(one.checked().requests for one in results) + sum(v.pages for v in seen)
        events = sum(one.events for one in seen)
        wait_until(lambda: books.decisions() >= decisions, 10 * size.outage_s, "all to be learned")
        wait_until(lambda: books.events() >= events, 60.0, "all events to be joined")
        lost = decisions - books.decisions() + events - books.events()
    how = (
        f"{size.pages_per_s:g} pages a second and {size.visits_per_s:g} viewers' feedback at each "
        f"of two scorers on the same {os.cpu_count()} cores; {PAGE_WORK}; {size.outage_s:g} s "
        "without Redis, which comes back empty"
    )
    before = _p99_ms(results, lambda due_s: due_s < gone_s)
    during = _p99_ms(results, lambda due_s: (due_s >= gone_s) & (due_s < back_s))
    board.add("cluster_outage_decisions", decisions, "", f"acknowledged; {how}")
    board.add("cluster_outage_events", events, "", f"acknowledged; {how}")
    board.add("cluster_outage_lost", abs(lost), "", f"of these, or learned twice; {how}", NOTHING)
    drained = Target("<", 2 * size.outage_s)
    board.add("cluster_outage_drained_s", drained_s, "s", f"after Redis is back; {how}", drained)
    board.add("cluster_outage_p99_before_ms", before, "ms", how)
    board.add("cluster_outage_p99_ms", during, "ms", f"while Redis is away; {how}")
    slower = max(0.0, during - before)
    board.add("cluster_outage_p99_more_ms", slower, "ms", f"than before; {how}", SLOWER_MS)


class _Seen(NamedTuple):
    """What viewers did."""

    pages: int
    events: int
    """Acknowledged."""


def _view(server: LocalServer, pages: Sequence[Page], seconds: float, per_s: float) -> _Seen:
    random = np.random.default_rng(6)
    end_s = time.monotonic() + seconds
    visits = 0
    with Client(server.url, deadline_s=10.0) as client:
        while time.monotonic() < end_s:
            visit(client, pages[visits % len(pages)], random)
            visits += 1
            time.sleep(1.0 / per_s)
        if not client.flush(30.0):
            raise RuntimeError("feedback was not taken")
        counts = client.feedback_counts()
    return _Seen(visits, counts.accepted)


class _Books:
    """What the learner says it learned, as a scorer tells, from when this is made on."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        wait_until(self._is_settled, 60.0, "the end of learning")
        self._decisions, self._events = self._counts()

    def _learner(self) -> dict[str, Any]:
        with Client(self._server.url, deadline_s=10.0) as client:
            return dict(client.status()["learner"])

    def _counts(self) -> tuple[int, int]:
        learner = self._learner()
        joined = learner["join"]
        return sum(learner["outcomes"].values()), sum(
            joined.get(name, 0) for name in ("joined", "late", "orphan")
        )

    def _is_settled(self) -> bool:
        return not self._learner()["open_decisions"]

    def decisions(self) -> int:
        """Return how many decisions were learned."""
        return self._counts()[0] - self._decisions

    def events(self) -> int:
        """Return how many events were taken."""
        return self._counts()[1] - self._events

    def has_caught_up(self) -> bool:
        """Tell whether the learner is at the present."""
        learner = self._learner()
        return bool(learner["lag_s"] + learner["reported_s_ago"] < SETTLED_LAG_S)


def _all(futures: Sequence[Future[Result]]) -> list[Result]:
    return [one.result() for one in futures]


def _p99_ms(results: Sequence[LoadResult], of: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return the 99th percentile over all scorers of what was due at times that ``of`` picks."""
    picked = [one.latencies_s[of(one.due_s)] for one in results]
    return float(np.percentile(np.concatenate(picked), 99) * 1e3)
