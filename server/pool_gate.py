"""Who may enter a worker's pool of threads, who waits before it, and who is turned away.

A queue without bound turns a slow minute into a long one: every request is served, and each too
late for whoever asked. So only so many requests may wait for a thread of a worker; whoever comes
then is told at once to come again. Requests that take long to arrive, and what large ones ask for,
may hold half of the threads at most, so that short ones always find some.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, Literal, TypeVar

Way = Literal["enters", "waits", "is_refused"]
"""What becomes of a request: given to the pool, kept until a long one has left it, or refused."""

LONG_SHARE: Final = 0.5
"""How much of the threads long requests may hold at once."""

Kept = TypeVar("Kept")


class PoolGate(Generic[Kept]):
    """The gate of one pool; used by the thread that gives the pool its work.

    Args:
        threads: how many the pool has.
        waiting_max: how many requests may wait, here and in the pool's own queue.
    """

    def __init__(self, threads: int, waiting_max: int) -> None:
        self._threads = threads
        self._most = threads + waiting_max
        self._long_most = max(1, int(threads * LONG_SHARE))
        self._inside = 0
        self._long_inside = 0
        self._kept: deque[Kept] = deque()
        self.refused = 0
        """How many were refused so far."""

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return max(0, self._inside - self._threads) + len(self._kept)

    @property
    def is_busy(self) -> bool:
        """Whether one more request would have to wait for a thread."""
        return self._inside >= self._threads

    def enter(self, asked: Kept, *, is_long: bool) -> Way:
        """Say what becomes of a request; one that waits is returned by :meth:`leave` later."""
        if self._inside + len(self._kept) >= self._most:
            self.refused += 1
            return "is_refused"
        if is_long and self._long_inside >= self._long_most:
            self._kept.append(asked)
            return "waits"
        self._inside += 1
        self._long_inside += is_long
        return "enters"

    def leave(self, *, is_long: bool) -> Kept | None:
        """Note that a request has left the pool; return the long one that enters in its place."""
        if is_long and self._kept:
            return self._kept.popleft()
        self._inside -= 1
        self._long_inside -= is_long
        return None
