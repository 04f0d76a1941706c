"""Records that wait for their commit together, and those who wait for it with them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from bandit.errors import LogError, LogUnavailableError
from bandit.eventlog.journal import Row


class QueuedWrite:
    """Records that were taken in together, on their way to the disk."""

    __slots__ = ("_error", "_lock", "_stored", "frame", "lone_failures", "rows")

    def __init__(self, rows: Sequence[Row], frame: int = 0) -> None:
        self.rows = rows
        self.frame = frame
        """The journal's frame that holds them, 0 where none does."""
        self.lone_failures = 0
        """How often it failed all by itself in a way that nobody foresaw."""
        # A bare lock, held until the outcome is known, costs a tenth of an Event.
        self._lock = threading.Lock()
        self._lock.acquire()
        self._stored: list[bool] = []
        self._error: LogError | None = None

    def wait(self, timeout_s: float) -> list[bool]:
        """Wait until the records are durable; see :class:`bandit.eventlog.protocol.Pending`."""
        if not self._lock.acquire(timeout=min(timeout_s, threading.TIMEOUT_MAX)):
            raise LogUnavailableError(
                f"the records were not durable within {timeout_s:g} s",
                hint="they may still become so: repeat with the same ids; look at the disk's load",
            )
        self._lock.release()
        if self._error is not None:
            raise LogUnavailableError(self._error.message, hint=self._error.hint)
        return self._stored

    def complete(self, stored: list[bool]) -> None:
        """Tell those who wait which records were stored."""
        self._stored = stored
        self._lock.release()

    def fail(self, error: LogError) -> None:
        """Tell those who wait that nothing was stored."""
        self._error = error
        self._lock.release()


def nothing_written() -> QueuedWrite:
    """Return a write of no records, which is done."""
    write = QueuedWrite([])
    write.complete([])
    return write
