"""The writer of a spool: many threads append, one thread commits what has gathered.

While one commit waits for the disk the next one's records gather, so that throughput grows with
load while an idle log answers what is waited for after a single sync. Records get their time and
number in the writer's thread, in the order of the queue.

Feedback is waited for, and durable by its commit: it does not pass through the journal, which would
only write it twice. Decisions are not waited for: the journal holds them until their commit.

Measured on a busy machine: at 330 decisions of 8.8 kB a second the committing thread takes 75 us of
CPU time each, at 1,000 a second 45, at 2,000 of 750 bytes 18. Where each was committed as it came
that was 180 to 250, 145, and 75 to 95. A hand-over takes 25 us (10 us for 750 bytes), 6 of them to
encode and 7 for the journal; the rest is shared locks and cold caches.

Taking a spool over after a death is no step of its own: what the journal still holds enters the
queue first, under the rules for all that was promised. A disk that is full at that moment delays
it and does not keep the worker from serving.

Whatever goes wrong in a commit, those who wait for it are told and the thread goes on. What was
promised is kept and tried again for as long as the error lasts. Only a record that fails by itself
``LONE_FAILURES_MAX`` times, in a way that neither the disk nor want of memory explains, is set
aside while the log works otherwise: see :mod:`bandit.eventlog.refusal`. Metrics that cannot be
written cost no record.

Once the disk has less room than ``disk_free_bytes_min``, nothing more is taken in, while what was
taken in before is committed into the room that is left: see :mod:`bandit.disk_room`. The writing
thread looks, before each commit and each heartbeat.

Make the writer in the process that uses it, after any fork, and do not fork from it: a forked
copy has no writer thread, and would keep the slot's lock alive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from bandit.clock import Clock
from bandit.disk_room import DiskRoom
from bandit.errors import LogDamagedError, LogError, LogUnavailableError
from bandit.eventlog.commit_queue import CommitQueue
from bandit.eventlog.erasing import SpoolErasing
from bandit.eventlog.journal import Frame, Journal, Row
from bandit.eventlog.protocol import HandedOver
from bandit.eventlog.queued_write import QueuedWrite, nothing_written
from bandit.eventlog.refusal import TRANSIENT, refused_path, store_or_refuse
from bandit.eventlog.retention import Retention
from bandit.eventlog.sqlite_slots import Slot
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.eventlog.takeover import recover_unclaimed, take_over
from bandit.events import DecisionRecord, Record, encode_record
from bandit.metrics import Metrics

if TYPE_CHECKING:
    from bandit.config.schema import LogConfig

LONE_FAILURES_MAX: Final = 5

_log = structlog.get_logger(__name__)


class SqliteEventWriter:
    """Appends to the spool it holds, from any number of threads; see :meth:`open`."""

    def __init__(
        self,
        directory: Path,
        slot: Slot,
        file: SpoolFile,
        journal: Journal,
        recovered: Sequence[Frame],
        config: LogConfig,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._slot = slot
        self._file = file
        self._journal = journal
        self._refused = refused_path(directory, slot.name)
        self._metrics = metrics
        self._queue = CommitQueue(slot.name, config, journal.write, recovered)
        self._room = DiskRoom(directory, config.disk_free_bytes_min)
        self._room.look()
        self._retention = Retention(directory, file, journal, config, clock, metrics)
        self._erasing = SpoolErasing(directory, slot.name, file, journal)
        self._is_failing = self._is_uncared_for = False
        self._thread = threading.Thread(target=self._run, name=f"{slot.name} writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls, directory: str | Path, clock: Clock, config: LogConfig, metrics: Metrics
    ) -> SqliteEventWriter:
        """Take the first spool without a writer, one that a dead process left included.

        A damaged one is left as it is, for whoever repairs it, and the next is taken. What dead
        writers left in journals of spools that nobody takes is stored as well.

        Raises:
            LogUnavailableError: the directory or the spool's file cannot be written.
        """
        place = Path(directory)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogUnavailableError(
                f"the log's directory {place} cannot be made: {error.strerror}",
                hint="set [log] directory to a place this process may write to",
            ) from error
        first = 0
        while True:
            slot = Slot.claim(place, first)
            try:
                journal, recovered = take_over(place, slot.name)
                file = SpoolFile(place, slot.name, clock)
                writer = cls(place, slot, file, journal, recovered, config, clock, metrics)
            except LogDamagedError as error:
                slot.release()
                _log.error("spool passed over: another one is written", why=str(error))
                first = slot.number + 1
            except BaseException:
                slot.release()
                raise
            else:
                recover_unclaimed(place, clock).tell()
                return writer

    @property
    def spool(self) -> str:
        """The spool's name."""
        return self._slot.name

    def append(self, records: Sequence[Record]) -> QueuedWrite:
        """Queue records; see :meth:`bandit.eventlog.protocol.EventWriter.append`."""
        if (why := self._room.why()) is not None:
            raise LogUnavailableError(why, hint="send them again once the disk has room")
        return self._queue.append([Row(record.key, encode_record(record)) for record in records])

    def hand_over(self, decisions: Sequence[DecisionRecord]) -> HandedOver:
        """Take decisions over; see :meth:`bandit.eventlog.protocol.EventWriter.hand_over`."""
        if self._room.is_low:
            return HandedOver(["disk_low"] * len(decisions), nothing_written())
        return self._queue.hand_over(decisions)

    def takes_at_once(self) -> bool:
        """Tell whether a page's decision can be handed over now without waiting."""
        return self._queue.takes_at_once()

    def short_of_room(self) -> str | None:
        """Return why nothing more is logged until the disk has room again, None where it has."""
        return self._room.why()

    def held_up(self) -> str | None:
        """Return what keeps it from taking records for some seconds already, None if nothing."""
        return self._queue.held_up()

    def uncommitted(self, key: str) -> Record | None:
        """Return the record that was taken in under this key and is not committed yet."""
        return self._queue.find(key)

    def queue_depth(self) -> int:
        """Return how many records wait, those that are just being committed included."""
        return self._queue.waiting

    def is_alive(self) -> bool:
        """Tell whether there is a thread that commits what is appended, to where it is read."""
        return self._thread.is_alive() and not self._queue.closing and self._file.is_in_place()

    def close(self) -> None:
        """Commit everything queued, give up the spool and stop; again, it does nothing."""
        self._queue.close()
        self._thread.join()
        self._slot.release()

    def _run(self) -> None:
        try:
            if not self._queue.waiting:
                self._attempt([])
            while (group := self._queue.take()) is not None:
                if self._attempt(group):
                    continue
                if self._queue.closing:
                    break
                self._queue.rest()
        finally:
            self._end()

    def _attempt(self, group: list[QueuedWrite]) -> bool:
        """Commit a group, or move the horizon where it is empty; outlive any error.

        Returns:
            False where something of the group is to be tried again.
        """
        self._room.look()
        self._tell([], 0.0)
        began = time.perf_counter()
        try:
            stored = self._commit(group)
        except TRANSIENT as error:
            # The horizon stands still, as it must: readers see that nothing is promised.
            if not self._is_failing:
                self._is_failing = True
                _log.warning("commits fail; tried again", spool=self.spool, why=repr(error))
            return not self._queue.fail(group, self._failure(error), foreseen=True)
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever it is
            _log.exception("commit failed in a way nobody foresaw", spool=self.spool)
            failure = self._failure(error)
            return not self._queue.fail(group, failure, foreseen=False)
        if self._is_failing:
            self._is_failing = False
            _log.info("commits go on", spool=self.spool)
        self._tell(stored, time.perf_counter() - began)
        self._tend()
        return True

    def _tend(self) -> None:
        """Look after what the spool holds; its failing keeps no record from being committed."""
        failed: Exception | None = None
        for tend in (self._erasing.tend, partial(self._retention.tend, self.spool)):
            try:
                tend()
            except Exception as error:  # noqa: BLE001 - the thread must outlive whatever it is
                failed = error
        if failed is not None and not self._is_uncared_for:
            _log.warning("removing records failed; tried again", spool=self.spool, why=repr(failed))
        self._is_uncared_for = failed is not None

    def _commit(self, group: list[QueuedWrite]) -> list[bool]:
        """Commit a group, in whole or but for what is set aside; return which rows were stored."""
        if not group:
            self._file.beat()
            return []
        rows = [row for write in group for row in write.rows]
        if group[0].lone_failures < LONE_FAILURES_MAX:
            stored = self._file.store(rows)
        else:
            stored = store_or_refuse(self._file, self._refused, rows)
        frame = max(write.frame for write in group)
        if frame:
            self._journal.committed(frame)
        self._queue.settle(group, stored)
        return stored

    def _failure(self, error: Exception) -> LogError:
        if isinstance(error, LogError):
            return error
        return LogUnavailableError(
            f"{self.spool} could not take the records: {type(error).__name__}: {error}",
            hint="send them again; the worker's log says more",
        )

    def _tell(self, stored: list[bool], took_s: float) -> None:
        """Write metrics; what keeps them from being written is no matter of the records'."""
        try:
            self._metrics.set("marquee_log_queue_records", to=self._queue.waiting)
            self._metrics.set("marquee_log_disk_free_bytes", to=self._room.free_bytes)
            self._metrics.set("marquee_log_disk_low", to=self._room.is_low)
            if stored:
                self._metrics.observe("marquee_log_commit_seconds", value=took_s)
                self._metrics.count("marquee_log_committed_records_total", by=sum(stored))
        except Exception:  # noqa: BLE001 - whatever an exporter raises
            _log.exception("metrics of the log cannot be written", spool=self.spool)

    def _end(self) -> None:
        left_in_journal = self._queue.end()
        self._file.close()
        self._journal.close(emptied=not left_in_journal)
