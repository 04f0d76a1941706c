"""What a worker's loop is told to look at now and then: its load, and whether it is of use still.

A worker whose log takes nothing for good, because the thread that writes it is dead or its file was
taken away, serves pages that nobody learns from and refuses all feedback. It says that it is not
ready; where nobody asks, that changes nothing. So it ends in order after :data:`SPENT_S`, and one
that opens the log anew takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from bandit.metrics import Metrics

SPENT_S: Final = 5.0
"""How long a worker is to be of no use before it ends: readiness is told first."""

log = structlog.get_logger()


class Load(NamedTuple):
    """What a worker has to do."""

    connections: int
    slow: int
    """Those of them that only wait for their client to take an answer, or to hang up."""
    queued: int
    """Connections that no worker has accepted yet; negative where that cannot be told."""
    waiting: int
    """Requests that wait for a thread."""
    refused: int
    """Requests that were refused so far."""


class WorkerWatch:
    """Watches one worker.

    Args:
        metrics: where the load is told.
        is_spent: tells whether the worker is of no use any more.
    """

    def __init__(self, metrics: Metrics, is_spent: Callable[[], bool]) -> None:
        self._metrics = metrics
        self._is_spent = is_spent
        self._spent_since: float | None = None
        self._refused = 0

    def look(self, load: Load, now: float) -> bool:
        """Tell the load; return whether the worker had better end, with ``now`` monotonic."""
        self._metrics.set("marquee_connections_open", to=load.connections)
        self._metrics.set("marquee_connections_slow", to=load.slow)
        self._metrics.set("marquee_connections_queued", to=max(load.queued, 0))
        self._metrics.set("marquee_requests_waiting", to=load.waiting)
        refused, self._refused = load.refused - self._refused, load.refused
        if refused:
            self._metrics.count("marquee_requests_refused_total", "threads_busy", by=refused)
            log.warning("requests refused: all threads are busy", requests=refused)
        if not self._is_spent():
            self._spent_since = None
            return False
        if self._spent_since is None:
            self._spent_since = now
        if now - self._spent_since < SPENT_S:
            return False
        log.error("worker ends, to be replaced: its event log takes no records any more")
        return True
