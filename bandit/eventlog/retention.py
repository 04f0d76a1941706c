"""Removing what is old and learned: a little at a time, in the thread that writes the spool.

Every ``BEAT_S`` each writer looks at the front of its spool, and removes up to ``BATCH_RECORDS``
that are older than ``retention_s`` and that the learner has released (:mod:`bandit.releasing`).
While more is due it comes back after ``BEHIND_S``. What was never learned is never removed,
however old: a learner that is away costs room, not knowledge.

Spools that nobody writes, such as those of workers before a restart, are tended by all writers in
turn, under the gate of the slots, where
whoever comes first holds their locks: a spool has one writing connection at any time. What their
journals still hold is stored before, whether or not anything is ever removed: a worker whose
gunicorn was killed may outlive the start of its successors, and die after the last of them looked.

**Journals.** A frame of the journal is known to be committed only by a later frame. Were its record
removed from the spool meanwhile, the next writer would store it again. So nothing is removed while
the journal holds a last frame that no later one followed within a beat: it is let go of first.

**Cost** beside commits, measured for records of 10 kB: see ``docs/privacy.md``.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from bandit.clock import Clock, to_us
from bandit.errors import LogError
from bandit.eventlog.journal import Journal, journal_spools
from bandit.eventlog.learned import LearnedFile
from bandit.eventlog.protocol import Learned
from bandit.eventlog.removal import (
    can_give_back,
    first_at_us,
    give_back,
    removable,
    remove,
)
from bandit.eventlog.sqlite_schema import Position, connect, position_of, spool_path
from bandit.eventlog.sqlite_slots import spool_names, unclaimed
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.eventlog.takeover import recover_unclaimed
from bandit.metrics import Metrics

if TYPE_CHECKING:
    from bandit.config.schema import LogConfig

BEAT_S: Final = 1.0
BEHIND_S: Final = 0.05
BATCH_RECORDS: Final = 200
OTHERS_S: Final = 15.0
"""How often a writer looks after spools that nobody writes, where there was nothing to do."""

_log = structlog.get_logger(__name__)


class Retention:
    """What a writer does for its spool's age, and for others'; its thread calls :meth:`tend`."""

    def __init__(
        self,
        directory: Path,
        file: SpoolFile,
        journal: Journal,
        config: LogConfig,
        clock: Clock,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._file = file
        self._journal = journal
        self._retention_us = None if config.retention_s is None else to_us(config.retention_s)
        self._clock = clock
        self._metrics = metrics
        self._monotonic = monotonic
        self._learned = LearnedFile(directory)
        self._due_s = monotonic() + BEAT_S
        self._others_due_s = self._due_s
        self._last_frame = journal.last
        """The journal's last frame at the last beat."""

    def tend(self, spool: str) -> None:
        """Remove what is due where the time for it has come.

        Raises:
            LogError, OSError: it could not be done now; it is tried again.
        """
        now_s = self._monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + BEAT_S
        looks_after_others = now_s >= self._others_due_s
        if looks_after_others:
            self._others_due_s = now_s + OTHERS_S
            recover_unclaimed(self._directory, self._clock).tell()
        if self._retention_us is not None:
            old_us = self._clock.now_us() - self._retention_us
            learned = self._learned.read()
            if self._remove_own(old_us, learned.get(spool)) or self._file.tend(_give_back):
                self._due_s = now_s + BEHIND_S
            others = {name: one for name, one in learned.items() if name != spool}
            if looks_after_others and self._tend_others(old_us, others):
                self._others_due_s = now_s + BEAT_S
        self._tell(spool)

    def _remove_own(self, old_us: int, learned: Learned | None) -> bool:
        """Remove a batch; return whether it was a full one."""
        through = self._file.tend(
            lambda connection, _position: removable(connection, learned, old_us)
        )
        moves = self._last_frame != self._journal.last
        self._last_frame = self._journal.last
        if not through or not (moves or self._journal.forget(self._journal.last)):
            return False

        def go(connection: sqlite3.Connection, position: Position) -> int:
            return remove(connection, position, through, BATCH_RECORDS)

        gone = self._file.tend(go)
        self._metrics.count("marquee_log_removed_records_total", by=gone)
        return gone == BATCH_RECORDS

    def _tend_others(self, old_us: int, learned: dict[str, Learned]) -> bool:
        """Remove a batch from each spool that has no writer; return whether there was any to."""
        names = [name for name in spool_names(self._directory) if name in learned]
        due = [name for name in names if self._is_due(name, old_us, learned)]
        if not due:
            return False
        with unclaimed(self._directory, due) as idle:
            held_up = journal_spools(self._directory)
            free = [name for name in idle if name not in held_up]
            return sum(self._remove_from(name, old_us, learned.get(name)) for name in free) > 0

    def _is_due(self, name: str, old_us: int, learned: dict[str, Learned]) -> bool:
        try:
            with closing(connect(spool_path(self._directory, name), "ro")) as connection:
                if can_give_back(connection):
                    return True
                first_us = first_at_us(connection)
                return bool(
                    first_us is not None and removable(connection, learned.get(name), old_us)
                )
        except (sqlite3.Error, LogError):
            return False

    def _remove_from(self, name: str, old_us: int, learned: Learned | None) -> bool:
        """Remove a batch from a spool whose slot is held; return whether anything changed."""
        try:
            with closing(connect(spool_path(self._directory, name), "rw")) as connection:
                through = removable(connection, learned, old_us)
                position = position_of(connection)
                gone = remove(connection, position, through, BATCH_RECORDS) if through else 0
                became_smaller = give_back(connection)
        except (sqlite3.Error, LogError) as error:
            _log.warning("old records stay", spool=name, why=str(error))
            return False
        self._metrics.count("marquee_log_removed_records_total", by=gone)
        return bool(gone) or became_smaller

    def _tell(self, spool: str) -> None:
        first_us = self._file.tend(lambda connection, _position: first_at_us(connection))
        age_s = 0.0 if first_us is None else max(0, self._clock.now_us() - first_us) / to_us(1)
        self._metrics.set("marquee_log_oldest_record_seconds", to=age_s)
        path = spool_path(self._directory, spool)
        size = path.stat().st_size + self._journal.size()
        self._metrics.set("marquee_log_spool_bytes", to=size)


def _give_back(connection: sqlite3.Connection, _position: Position) -> bool:
    return give_back(connection)
