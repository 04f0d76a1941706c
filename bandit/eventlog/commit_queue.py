"""What waits for a commit: taken in by many threads, taken out in groups by the one that commits.

Everything leaves in the order in which it came. Journal and queue agree on it because a decision
enters both under one lock.

**Gathering.** Nobody waits for the commit of a decision in the journal, so the committer lets such
ones gather for ``GATHER_S`` and takes them out together; whatever is waited for ends the pause at
once. A commit costs a sync, and each of its statements hands over the interpreter lock, which in a
busy worker costs other threads' time slices. Measured with records of 10.6 kB and 600 bytes, the
CPU time a record is 67 and 43 us in groups of 2, 32 and 15 us in groups of 10, 24 and 5 us in
groups of 200. The committer is woken only where it sleeps for want of work: under load the lock
is all that an append costs.

**Failing.** What is waited for is told of a failed commit and let go of, what stands behind in the
queue too. What the journal holds was promised, so it stays at the head and is tried again after
``RETRY_S``. Where an error is none that the log foresees, one of the records may be its cause:
those that stay are then tried one by one, and one that fails again by itself is given up loudly, so
that it stops no others.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from bandit.errors import LogError, LogUnavailableError
from bandit.eventlog.admission import is_let_in, pass_probability
from bandit.eventlog.journal import Frame, Row
from bandit.eventlog.protocol import Fate, HandedOver
from bandit.events import DecisionRecord, Record, decode_record, encode_record

if TYPE_CHECKING:
    from bandit.config.schema import LogConfig

GATHER_S: Final = 0.02
"""How long decisions gather before a commit. It delays what other workers and learners see."""
RETRY_S: Final = 0.1
"""How long the committer rests after a failure before it tries again what it must keep."""

_log = structlog.get_logger(__name__)


class QueuedWrite:
    """Records that were taken in together, on their way to the disk."""

    __slots__ = ("_error", "_lock", "_stored", "frame", "rows", "suspect")

    def __init__(self, rows: Sequence[Row], frame: int = 0) -> None:
        self.rows = rows
        self.frame = frame
        """The journal's frame that holds them, 0 where none does."""
        self.suspect = False
        """Whether it was there when a commit failed in a way that nobody foresaw."""
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


class CommitQueue:
    """The queue of one writer.

    ``journal`` takes the rows of a hand-over and returns its frame's number, or raises
    ``LogUnavailableError``. ``recovered`` are frames of an earlier process, which come first.
    """

    def __init__(
        self,
        spool: str,
        config: LogConfig,
        journal: Callable[[Sequence[Row]], int],
        recovered: Sequence[Frame] = (),
    ) -> None:
        self._spool = spool
        self._config = config
        self._journal = journal
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._queue = deque(QueuedWrite(frame.rows, frame.number) for frame in recovered)
        self._by_key = {row.key: row.payload for write in self._queue for row in write.rows}
        self.waiting = sum(len(write.rows) for write in self._queue)
        """How many records wait, those just being committed included."""
        self._enough = min(config.commit_records_max, (config.queue_max + 1) // 2)
        """How many are worth a commit at once: a whole group, or half of the room there is."""
        self.closing = False
        self._idle = False
        self._urgent = 0
        """How many writes in the queue are waited for."""
        self._one_by_one = 0
        """How many writes at the head are to be tried each by itself."""

    def append(self, rows: Sequence[Row]) -> QueuedWrite:
        """Take in rows that are waited for.

        Raises:
            LogUnavailableError: the queue is full or closed.
        """
        write = QueuedWrite(rows)
        with self._work:
            self._check_open()
            if self.waiting + len(rows) > self._config.queue_max:
                raise self._full()
            self._enter(write)
        return write

    def hand_over(self, decisions: Sequence[DecisionRecord]) -> HandedOver:
        """Take decisions over; see :meth:`bandit.eventlog.protocol.EventWriter.hand_over`."""
        with self._work:
            self._check_open()
            if self._config.queue_full == "block":
                self._wait_for_room(len(decisions))
                fates: list[Fate] = ["logged"] * len(decisions)
                rows = [_row(decision) for decision in decisions]
            else:
                fates, rows = self._let_in(decisions)
            waits = self._config.rank_waits_for_commit or not rows
            write = QueuedWrite(rows, 0 if waits else self._journal(rows))
            if rows:
                self._enter(write)
            else:
                write.complete([])
        return HandedOver(fates, write)

    def find(self, key: str) -> Record | None:
        """Return the record that waits under a key, the first of several."""
        payload = self._by_key.get(key)
        return None if payload is None else decode_record(payload)

    def take(self) -> list[QueuedWrite] | None:
        """Return the next group; an empty one when idle for a heartbeat, None at the end."""
        with self._work:
            if not self._queue:
                self._sleep(self._config.heartbeat_s, lambda: bool(self._queue))
            if self._queue and not self._urgent:
                self._sleep(GATHER_S, lambda: self._urgent > 0 or self.waiting >= self._enough)
            if not self._queue and self.closing:
                return None
            return self._next_group()

    def rest(self) -> None:
        """Let some time pass after a failure, unless the end has come."""
        with self._work:
            self._sleep(RETRY_S, lambda: False)

    def settle(self, group: Sequence[QueuedWrite], stored: Sequence[bool]) -> None:
        """Let go of a group that is committed, and tell those who wait which were stored."""
        self._let_go(group)
        start = 0
        for write in group:
            write.complete(list(stored[start : start + len(write.rows)]))
            start += len(write.rows)

    def fail(self, group: Sequence[QueuedWrite], error: LogError, *, foreseen: bool) -> bool:
        """Take back what must be kept of a group that failed; tell those who wait for the rest.

        Returns:
            Whether there is something to try again.
        """
        kept: list[QueuedWrite] = []
        lost: list[QueuedWrite] = []
        for write in group:
            given_up = not foreseen and write.suspect and len(group) == 1
            (kept if write.frame and not given_up else lost).append(write)
            if write.frame and given_up:
                _log.error("records given up", spool=self._spool, keys=_keys(write))
            write.suspect |= not foreseen
        with self._work:
            if kept and foreseen:
                lost += self._without_promise()
            self._queue.extendleft(reversed(kept))
            if not foreseen:
                self._one_by_one = len(kept)
        self._let_go(lost)
        for write in lost:
            write.fail(error)
        return bool(kept)

    def close(self) -> None:
        """Take in nothing more."""
        with self._work:
            self.closing = True
            self._work.notify_all()
            self._room.notify_all()

    def end(self) -> bool:
        """Fail all that is left; return whether the journal still holds some of it."""
        self.close()
        with self._work:
            left = list(self._queue)
            self._queue.clear()
            self._by_key.clear()
            self.waiting = 0
        for write in left:
            write.fail(_closed(self._spool))
        return any(write.frame for write in left)

    def _enter(self, write: QueuedWrite) -> None:
        for key, payload in write.rows:
            self._by_key.setdefault(key, payload)
        self._queue.append(write)
        self.waiting += len(write.rows)
        if not write.frame:
            self._urgent += 1
        if self._idle or not write.frame or self.waiting >= self._enough:
            self._idle = False
            self._work.notify()

    def _let_in(self, decisions: Sequence[DecisionRecord]) -> tuple[list[Fate], list[Row]]:
        fates: list[Fate] = []
        rows: list[Row] = []
        for decision in decisions:
            chance = pass_probability(self.waiting + len(rows), self._config.queue_max)
            if not chance:
                fates.append("full")
            elif is_let_in(decision.key, chance):
                fates.append("logged")
                rows.append(_row(_with_chance(decision, chance)))
            else:
                fates.append("dropped")
        return fates, rows

    def _wait_for_room(self, count: int) -> None:
        most = self._config.queue_max - count
        if self.waiting <= most:
            return
        if most < 0 or not self._room.wait_for(
            lambda: self.closing or self.waiting <= most, self._config.rank_commit_timeout_s
        ):
            raise self._full()
        self._check_open()

    def _sleep(self, longest_s: float, is_over: Callable[[], bool]) -> None:
        until = time.monotonic() + longest_s
        while not (self.closing or is_over()) and (left := until - time.monotonic()) > 0:
            self._idle = not self._queue
            self._work.wait(left)
        self._idle = False

    def _next_group(self) -> list[QueuedWrite]:
        group: list[QueuedWrite] = []
        count = 0
        while self._queue and (
            not group or count + len(self._queue[0].rows) <= self._config.commit_records_max
        ):
            write = self._queue.popleft()
            self._urgent -= not write.frame
            group.append(write)
            count += len(write.rows)
            if self._one_by_one:
                self._one_by_one -= 1
                break
        return group

    def _without_promise(self) -> list[QueuedWrite]:
        """Take out what is waited for: behind what must be kept it would wait in vain."""
        waited_for = [write for write in self._queue if not write.frame]
        self._queue = deque(write for write in self._queue if write.frame)
        self._urgent = 0
        return waited_for

    def _let_go(self, group: Sequence[QueuedWrite]) -> None:
        with self._work:
            for write in group:
                self.waiting -= len(write.rows)
                for key, payload in write.rows:
                    if self._by_key.get(key) is payload:
                        del self._by_key[key]
            self._room.notify_all()

    def _check_open(self) -> None:
        if self.closing:
            raise _closed(self._spool)

    def _full(self) -> LogUnavailableError:
        return LogUnavailableError(
            f"{self.waiting} records wait for the disk already",
            hint="try again shortly; if it stays so, the disk is too slow, or raise "
            "[log] queue_max",
        )


def _row(record: DecisionRecord) -> Row:
    return Row(record.key, encode_record(record))


def _keys(write: QueuedWrite) -> list[str]:
    return [row.key for row in write.rows]


def _with_chance(decision: DecisionRecord, chance: float) -> DecisionRecord:
    return decision if chance == 1.0 else replace(decision, pass_probability=chance)


def _closed(spool: str) -> LogUnavailableError:
    return LogUnavailableError(
        f"the writer of {spool} is closed",
        hint="the process is stopping: send the request to another one",
    )
