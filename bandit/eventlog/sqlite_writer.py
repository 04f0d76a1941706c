"""The writer of a spool: many threads append, one thread commits what has gathered.

While one commit waits for the disk the next one's records gather, so that throughput grows with
load while an idle log answers after a single sync. Records get their time and number in the
writer's thread, in the order of the queue.

Whatever goes wrong in a commit, those who wait for it are told and the thread goes on: an error
that nobody foresaw costs one group of records, not all that follow.

Make the writer in the process that uses it, after any fork, and do not fork from it: a forked
copy has no writer thread, and would keep the slot's lock alive.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from bandit.clock import Clock
from bandit.errors import LogDamagedError, LogError, LogUnavailableError
from bandit.eventlog.sqlite_slots import Slot
from bandit.eventlog.sqlite_spool import Row, SpoolFile
from bandit.events import Record, encode_record
from bandit.metrics import Metrics

if TYPE_CHECKING:
    from bandit.config.schema import LogConfig

_log = structlog.get_logger(__name__)


class QueuedWrite:
    """Records that were appended together, on their way to the disk."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._done = threading.Event()
        self._stored: list[bool] = []
        self._error: LogError | None = None

    def wait(self, timeout_s: float) -> list[bool]:
        """Wait until the records are durable; see :class:`bandit.eventlog.protocol.Pending`."""
        if not self._done.wait(timeout_s):
            raise LogUnavailableError(
                f"the records were not durable within {timeout_s:g} s",
                hint="they may still become so: repeat with the same ids; look at the disk's load",
            )
        if self._error is not None:
            raise LogUnavailableError(self._error.message, hint=self._error.hint)
        return self._stored

    def complete(self, stored: list[bool]) -> None:
        """Tell those who wait which records were stored."""
        self._stored = stored
        self._done.set()

    def fail(self, error: LogError) -> None:
        """Tell those who wait that nothing was stored."""
        self._error = error
        self._done.set()


class SqliteEventWriter:
    """Appends to the spool it holds, from any number of threads; see :meth:`open`."""

    def __init__(self, slot: Slot, file: SpoolFile, config: LogConfig, metrics: Metrics) -> None:
        self._slot = slot
        self._file = file
        self._config = config
        self._metrics = metrics
        self._changed = threading.Condition()
        self._queue: deque[QueuedWrite] = deque()
        self._waiting = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"{slot.name} writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls, directory: str | Path, clock: Clock, config: LogConfig, metrics: Metrics
    ) -> SqliteEventWriter:
        """Take the first spool without a writer, one that a dead process left included.

        A damaged one is left as it is, for whoever repairs it, and the next is taken.

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
                return cls(slot, SpoolFile(place, slot.name, clock), config, metrics)
            except LogDamagedError as error:
                slot.release()
                _log.error("spool passed over: another one is written", why=str(error))
                first = slot.number + 1
            except BaseException:
                slot.release()
                raise

    @property
    def spool(self) -> str:
        """The spool's name."""
        return self._slot.name

    def append(self, records: Sequence[Record]) -> QueuedWrite:
        """Queue records; see :meth:`bandit.eventlog.protocol.EventWriter.append`."""
        write = QueuedWrite([Row(record.key, encode_record(record)) for record in records])
        with self._changed:
            if self._closing:
                raise _closed(self.spool)
            if self._waiting + len(write.rows) > self._config.queue_max:
                raise LogUnavailableError(
                    f"{self._waiting} records wait for the disk already",
                    hint="try again shortly; if it stays so, the disk is too slow, or raise "
                    "[log] queue_max",
                )
            self._queue.append(write)
            self._waiting += len(write.rows)
            self._changed.notify()
        return write

    def queue_depth(self) -> int:
        """Return how many records wait, those that are just being committed included."""
        return self._waiting

    def is_alive(self) -> bool:
        """Tell whether there is a thread that commits what is appended, to where it is read."""
        return self._thread.is_alive() and not self._closing and self._file.is_in_place()

    def close(self) -> None:
        """Commit everything queued, give up the spool and stop; again, it does nothing."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._slot.release()

    def _run(self) -> None:
        try:
            self._attempt([])
            while (group := self._take()) is not None:
                self._attempt(group)
        finally:
            self._end()

    def _take(self) -> list[QueuedWrite] | None:
        """Return the next group; an empty one when idle for a heartbeat, None at the end."""
        group: list[QueuedWrite] = []
        count = 0
        with self._changed:
            if not self._queue and not self._closing:
                self._changed.wait(self._config.heartbeat_s)
            if not self._queue and self._closing:
                return None
            while self._queue and (
                not group or count + len(self._queue[0].rows) <= self._config.commit_records_max
            ):
                group.append(self._queue.popleft())
                count += len(group[-1].rows)
        return group

    def _attempt(self, group: list[QueuedWrite]) -> None:
        """Commit a group, or move the horizon where it is empty; outlive any error."""
        try:
            if group:
                self._commit(group)
            else:
                self._file.beat()
        except LogError as error:
            # The horizon stands still, as it must: readers see that nothing is promised.
            failure = error
        except Exception as error:  # noqa: BLE001 the thread must outlive whatever it is
            _log.exception("commit failed in a way nobody foresaw", spool=self.spool)
            failure = LogUnavailableError(
                f"{self.spool} could not take the records: {type(error).__name__}: {error}",
                hint="send them again; the worker's log says more",
            )
        else:
            return
        for write in group:
            write.fail(failure)

    def _commit(self, group: list[QueuedWrite]) -> None:
        rows = [row for write in group for row in write.rows]
        began = time.perf_counter()
        try:
            self._metrics.set("marquee_log_queue_records", to=self._waiting)
            stored = self._file.store(rows)
        finally:
            with self._changed:
                self._waiting -= len(rows)
            self._metrics.set("marquee_log_queue_records", to=self._waiting)
        self._metrics.observe("marquee_log_commit_seconds", value=time.perf_counter() - began)
        self._metrics.count("marquee_log_committed_records_total", by=sum(stored))
        start = 0
        for write in group:
            write.complete(stored[start : start + len(write.rows)])
            start += len(write.rows)

    def _end(self) -> None:
        with self._changed:
            self._closing = True
            left = list(self._queue)
            self._queue.clear()
            self._waiting = 0
        for write in left:
            write.fail(_closed(self.spool))
        self._file.close()


def _closed(spool: str) -> LogUnavailableError:
    return LogUnavailableError(
        f"the writer of {spool} is closed",
        hint="the process is stopping: send the request to another one",
    )
