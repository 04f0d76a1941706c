"""A reader for learners that do not decide what may be removed from the log."""

from __future__ import annotations

from bandit.eventlog.protocol import Learned
from bandit.eventlog.sqlite_reader import SqliteEventReader


class OnlyReading(SqliteEventReader):
    """Reads the log as the service's learner does, and releases nothing of it."""

    def release(self, learned: dict[str, Learned]) -> None:
        """Release nothing: the service's own learner does."""
