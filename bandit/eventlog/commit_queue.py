"""What waits for a commit: taken in by many threads, taken out in groups by the one that commits.

Everything leaves in the order in which it came. Journal and queue agree on the decisions' order
because each enters both within one turn.

**Two locks.** A *turn* is held while a decision is written to the journal, which may hang with the
disk; whoever waits for one gives up after ``rank_commit_timeout_s``, and only a few may wait, so
that those who wait for a commit find threads to do so in. The queue's own lock is never
held across anything that can wait, so feedback and commits go on meanwhile. Room is kept before the
turn is waited for. Whoever must not wait at all asks ``takes_at_once`` first.

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
those that stay are then tried one by one, and what fails by itself again and again is for the
writer to set aside, so that it stops no others.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from bandit.errors import LogError, LogUnavailableError
from bandit.eventlog.admission import is_let_in, pass_probability
from bandit.eventlog.journal import Frame, Row
from bandit.eventlog.protocol import Fate, HandedOver
from bandit.eventlog.queued_write import QueuedWrite, nothing_written
from bandit.events import DecisionRecord, Record, decode_record, encode_record

if TYPE_CHECKING:
    from bandit.config.schema import LogConfig

GATHER_S: Final = 0.02
"""How long decisions gather before a commit. It delays what other workers and learners see."""
RETRY_S: Final = 0.1
"""How long the committer rests after a failure before it tries again what it must keep."""
HUNG_S: Final = 0.05
"""A journal write under way for so long is no matter of load: the next one is to wait elsewhere."""
HELD_UP_S: Final = 2.0
"""A log that takes nothing for so long is told of."""
ROOM_KEPT: Final = 64
"""Records for which there must be room where nobody may wait: as many threads may ask at once."""
PATIENT_MAX: Final = 4
"""Threads that may wait for room or for the journal at once; further pages go unlogged."""


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
        self._turn = threading.Lock()
        self._patient = threading.Semaphore(PATIENT_MAX)
        self._writing_since = 0.0
        """When the journal write that is under way began, 0 where none is."""
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._queue = deque(QueuedWrite(frame.rows, frame.number) for frame in recovered)
        self._by_key = {row.key: row.payload for write in self._queue for row in write.rows}
        self._taken: list[QueuedWrite] = []
        """What is just being committed."""
        self._room_until = config.queue_max - max(1, min(ROOM_KEPT, config.queue_max // 10))
        self._full_since = 0.0
        """Since when there is next to no room, 0 where there is."""
        self.waiting = 0
        """How many records wait, those just being committed or journaled included."""
        self._add_waiting(sum(len(write.rows) for write in self._queue))
        self._enough = min(config.commit_records_max, (config.queue_max + 1) // 2)
        """How many are worth a commit at once: a whole group, or half of the room there is."""
        self.closing = False
        self._ended = False
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
            self._add_waiting(len(rows))
            self._enter(write)
        return write

    def hand_over(self, decisions: Sequence[DecisionRecord]) -> HandedOver:
        """Take decisions over; see :meth:`bandit.eventlog.protocol.EventWriter.hand_over`."""
        if self.takes_at_once():
            return self._hand_over(decisions)
        if not self._patient.acquire(blocking=False):
            raise self._full()
        try:
            return self._hand_over(decisions)
        finally:
            self._patient.release()

    def _hand_over(self, decisions: Sequence[DecisionRecord]) -> HandedOver:
        until = time.monotonic() + self._config.rank_commit_timeout_s
        with self._work:
            self._check_open()
            if self._config.queue_full == "block":
                self._wait_for_room(len(decisions), until)
                fates: list[Fate] = ["logged"] * len(decisions)
                let_in = decisions
            else:
                fates, let_in = self._let_in(decisions)
            self._add_waiting(len(let_in))
        try:
            rows = [_row(decision) for decision in let_in]
            write = self._take_over(rows, until)
        except BaseException:
            with self._work:
                self._add_waiting(-len(let_in))
                self._room.notify_all()
            raise
        return HandedOver(fates, write)

    def takes_at_once(self) -> bool:
        """Tell whether a page's decision can be handed over without waiting."""
        if self.waiting > self._room_until and self._config.queue_full == "block":
            return False
        since = self._writing_since
        return not since or time.monotonic() - since < HUNG_S

    def held_up(self) -> str | None:
        """Return what keeps it from taking records for a while already, None if nothing does."""
        now = time.monotonic()
        if (since := self._writing_since) and now - since > HELD_UP_S:
            return f"a write to its journal has been hanging for {now - since:.0f} s"
        if (since := self._full_since) and now - since > HELD_UP_S:
            return f"its queue has been full for {now - since:.0f} s"
        return None

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
        self._taken = []
        start = 0
        for write in group:
            write.complete(list(stored[start : start + len(write.rows)]))
            start += len(write.rows)

    def fail(self, group: Sequence[QueuedWrite], error: LogError, *, foreseen: bool) -> bool:
        """Take back what must be kept of a group that failed; tell those who wait for the rest.

        Returns:
            Whether there is something to try again.
        """
        kept = [write for write in group if write.frame]
        lost = [write for write in group if not write.frame]
        if not foreseen and len(group) == 1:
            group[0].lone_failures += 1
        with self._work:
            if kept and foreseen:
                lost += self._without_promise()
            self._queue.extendleft(reversed(kept))
            if not foreseen or self._one_by_one:
                self._one_by_one += len(kept)
            self._taken = []
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
        # Who is at the journal now may be acknowledged: what it wrote must be in the queue.
        is_quiet = self._turn.acquire(timeout=_as_timeout(self._config.rank_commit_timeout_s))
        with self._work:
            self._ended = True
            left = [*self._taken, *self._queue]
            self._queue.clear()
            self._by_key.clear()
            self.waiting = 0
        if is_quiet:
            self._turn.release()
        for write in left:
            write.fail(_closed(self._spool))
        return not is_quiet or any(write.frame for write in left)

    def _take_over(self, rows: list[Row], until: float) -> QueuedWrite:
        """Put rows for which room is kept into journal and queue."""
        if not rows:
            return nothing_written()
        if self._config.rank_waits_for_commit:
            write = QueuedWrite(rows)
            with self._work:
                self._enter(write)
            return write
        if not self._turn.acquire(timeout=_as_timeout(until - time.monotonic())):
            raise LogUnavailableError(
                f"the journal of {self._spool} did not take the records in time",
                hint="look at the disk: an earlier write to it is still under way",
            )
        try:
            self._writing_since = time.monotonic()
            write = QueuedWrite(rows, self._journal(rows))
            with self._work:
                self._enter(write)
        finally:
            self._writing_since = 0.0
            self._turn.release()
        return write

    def _enter(self, write: QueuedWrite) -> None:
        if self._ended:
            raise _closed(self._spool)
        for key, payload in write.rows:
            self._by_key.setdefault(key, payload)
        self._queue.append(write)
        if not write.frame:
            self._urgent += 1
        if self._idle or not write.frame or self.waiting >= self._enough:
            self._idle = False
            self._work.notify()

    def _add_waiting(self, count: int) -> None:
        self.waiting += count
        if self.waiting <= self._room_until:
            self._full_since = 0.0
        elif not self._full_since:
            self._full_since = time.monotonic()

    def _let_in(
        self, decisions: Sequence[DecisionRecord]
    ) -> tuple[list[Fate], list[DecisionRecord]]:
        fates: list[Fate] = []
        let_in: list[DecisionRecord] = []
        for decision in decisions:
            chance = pass_probability(self.waiting + len(let_in), self._config.queue_max)
            if not chance:
                fates.append("full")
            elif is_let_in(decision.key, chance):
                fates.append("logged")
                let_in.append(_with_chance(decision, chance))
            else:
                fates.append("dropped")
        return fates, let_in

    def _wait_for_room(self, count: int, until: float) -> None:
        most = self._config.queue_max - count
        if self.waiting <= most:
            return
        if most < 0 or not self._room.wait_for(
            lambda: self.closing or self.waiting <= most, _as_timeout(until - time.monotonic())
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
        self._taken = group
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
                self._add_waiting(-len(write.rows))
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


def _row(decision: DecisionRecord) -> Row:
    return Row(decision.key, encode_record(decision))


def _as_timeout(seconds: float) -> float:
    return min(max(seconds, 0.0), threading.TIMEOUT_MAX)


def _with_chance(decision: DecisionRecord, chance: float) -> DecisionRecord:
    return decision if chance == 1.0 else replace(decision, pass_probability=chance)


def _closed(spool: str) -> LogUnavailableError:
    return LogUnavailableError(
        f"the writer of {spool} is closed",
        hint="the process is stopping: send the request to another one",
    )
