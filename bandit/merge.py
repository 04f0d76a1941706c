"""Many spools read as one log, in an order that depends on the log alone.

Records are merged by (time, spool, sequence), and only up to the *log clock*: the least horizon
over all spools, up to which none of them will ever grow again. What lies beyond waits in memory
and does not count as taken. Spools are listed anew after they were read, and read again until the
listing holds no new one: a spool that is still unseen then was opened after every horizon was told,
so that its records are later.

A spool that is damaged as a whole, or gone, is passed over and told of: the others go on. A spool
whose file is another one than before, as its id tells, is read from its start. One that was put
back to an earlier state goes on with what is later than the log clock: what is not was taken.

A wall clock that steps back across a restart can break that promise. Its records are taken at the
log clock, after everything before, and their places are kept for as long as a replay needs them.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec

from bandit.errors import LogDamagedError, LogError
from bandit.eventlog.protocol import EventReader, SpoolBatch, in_log_order
from bandit.events import LoggedRecord
from bandit.joiner import MergedRecord

CLOCK_START_US: Final = 0
"""The log clock before anything was read."""


class LateRecord(msgspec.Struct, frozen=True, array_like=True):
    """Where a record that showed up late was taken."""

    spool: str
    sequence: int
    at_us: int
    """The log clock then."""


class MergePosition(msgspec.Struct, frozen=True):
    """How far a log was taken."""

    clock_us: int = CLOCK_START_US
    sequences: dict[str, int] = {}
    """Spool → the last sequence taken."""
    files: dict[str, str] = {}
    """Spool → the id of the file that was read."""
    late: list[LateRecord] = []
    """In the order taken; those that a replay still needs."""


class Damaged(NamedTuple):
    """A record that could not be read."""

    spool: str
    sequence: int
    reason: str


class SpoolNotice(NamedTuple):
    """Something about a whole spool that an operator wants to know."""

    spool: str
    what: str


class Polled(NamedTuple):
    """What a look at the log brought."""

    records: list[MergedRecord]
    damaged: list[Damaged]
    notices: list[SpoolNotice]


class _Spool:
    """A spool as far as it was read."""

    def __init__(self, taken: int, file_id: str = "") -> None:
        self.taken = taken
        self.file_id = file_id
        self.looked_at = taken
        self.horizon_us = CLOCK_START_US
        self.waiting: deque[LoggedRecord] = deque()

    def take_until(self, clock_us: int) -> list[LoggedRecord]:
        ready = []
        while self.waiting and self.waiting[0].at_us <= clock_us:
            ready.append(self.waiting.popleft())
        if ready:
            self.taken = ready[-1].sequence
        return ready


class LogMerge:
    """Takes the records of a log in merged order, from a position on."""

    def __init__(
        self, reader: EventReader, batch_records_max: int, position: MergePosition | None = None
    ) -> None:
        position = position or MergePosition()
        self._reader = reader
        self._batch_records_max = batch_records_max
        self._spools = {
            name: _Spool(taken, position.files.get(name, ""))
            for name, taken in position.sequences.items()
        }
        self._late = list(position.late)
        self._damaged: list[Damaged] = []
        self._notices: list[SpoolNotice] = []
        self.unreadable: dict[str, str] = {}
        """Spools passed over, and why."""
        self.clock_us = position.clock_us
        """Everything at or before this instant was taken."""

    def position(self, needed_from_us: int | None) -> MergePosition:
        """Return how far the log was taken; what came late before ``needed_from_us`` is let go."""
        self._late = [
            late
            for late in self._late
            if needed_from_us is not None and late.at_us >= needed_from_us
        ]
        sequences = {name: spool.taken for name, spool in self._spools.items()}
        files = {name: spool.file_id for name, spool in self._spools.items()}
        return MergePosition(self.clock_us, sequences, files, list(self._late))

    def poll(self) -> Polled:
        """Read what is new, move the log clock, and return what it passed, in order.

        Raises:
            LogError: the log cannot be read.
        """
        unread = self._reader.spools()
        seen: set[str] = set()
        while unread:
            for name in unread:
                self._read(name)
            seen.update(unread)
            unread = [name for name in self._reader.spools() if name not in seen]
        for name in self._spools.keys() - seen:
            self._pass_over(name, "its file is gone, and what it held with it")
        records = self._take(seen - self.unreadable.keys())
        polled = Polled(records, self._damaged, self._notices)
        self._damaged, self._notices = [], []
        return polled

    def holds_from_us(self) -> int | None:
        """Return the time of the oldest record in any spool that can be read, None if none is."""
        found = []
        for name in self._spools.keys() - self.unreadable.keys():
            with suppress(LogError):
                found.append(self._reader.first_at_us(name))
        return min((at_us for at_us in found if at_us is not None), default=None)

    def _read(self, name: str) -> None:
        spool = self._spools.setdefault(name, _Spool(0))
        limit = self._batch_records_max - len(spool.waiting)
        if limit <= 0:
            return
        try:
            batch = self._reader.read(name, spool.looked_at, limit)
            if (spool.file_id and batch.file_id != spool.file_id) or (
                batch.last_sequence < spool.looked_at
            ):
                spool = self._begin_anew(name, batch)
                batch = self._reader.read(name, spool.looked_at, limit)
        except LogDamagedError as error:
            self._pass_over(name, str(error))
            return
        self.unreadable.pop(name, None)
        spool.file_id = batch.file_id
        spool.waiting.extend(batch.records)
        spool.looked_at = batch.last_sequence
        spool.horizon_us = batch.horizon_us
        self._damaged.extend(Damaged(name, sequence, reason) for sequence, reason in batch.damaged)

    def _begin_anew(self, name: str, batch: SpoolBatch) -> _Spool:
        """Go to where reading begins in a spool that is not what it was."""
        if batch.file_id == self._spools[name].file_id:
            taken = self._reader.sequence_before(name, self.clock_us + 1)
            what = f"it was put back to an earlier state; it is read on from record {taken + 1}"
        else:
            taken = 0
            what = "another file stands in its place; it is read from its start"
        self._spools[name] = _Spool(taken, batch.file_id)
        self._late = [one for one in self._late if one.spool != name or one.sequence <= taken]
        self._notices.append(SpoolNotice(name, what))
        return self._spools[name]

    def _pass_over(self, name: str, why: str) -> None:
        if self.unreadable.get(name) != why:
            self.unreadable[name] = why
            self._notices.append(SpoolNotice(name, f"passed over: {why}"))

    def _take(self, readable: set[str]) -> list[MergedRecord]:
        before_us = self.clock_us
        horizon_us = min((self._spools[name].horizon_us for name in readable), default=before_us)
        self.clock_us = max(before_us, horizon_us)
        ready = [
            logged for spool in self._spools.values() for logged in spool.take_until(self.clock_us)
        ]
        ready.sort(key=in_log_order)
        taken = []
        for logged in ready:
            late = logged.at_us <= before_us
            if late:
                self._late.append(LateRecord(logged.spool, logged.sequence, before_us))
            taken.append(MergedRecord(logged, before_us if late else logged.at_us, late))
        return taken


def is_whole(reader: EventReader, position: MergePosition) -> bool:
    """Tell whether all that was taken up to ``position`` can still be read from the log's start.

    It cannot where old records were removed.

    Raises:
        LogUnavailableError: the log cannot be read now.
    """
    present = set(reader.spools())
    try:
        return all(
            name in present
            and reader.last_sequence(name) >= taken
            and not (taken and reader.sequence_before(name, CLOCK_START_US))
            and reader.read(name, 0, 1).file_id == position.files.get(name, "")
            for name, taken in position.sequences.items()
        )
    except LogDamagedError:
        return False


def replay(
    reader: EventReader, position: MergePosition, from_us: int, batch_records_max: int
) -> Iterator[MergedRecord]:
    """Yield again, in the same order, what was taken at or after ``from_us`` up to ``position``.

    Spools that are gone, replaced or damaged by now are left out; the next poll tells of them.

    Raises:
        LogError: the log cannot be read.
    """
    places = {
        (late.spool, late.sequence): (late.at_us, order)
        for order, late in enumerate(position.late, start=1)
    }
    present = set(reader.spools())
    streams = [
        _replay_spool(reader, name, position, places, from_us, batch_records_max)
        for name in position.sequences
        if name in present
    ]
    for (at_us, order, _, _), logged in heapq.merge(*streams, key=lambda keyed: keyed[0]):
        yield MergedRecord(logged, at_us, order > 0)


_Keyed = tuple[tuple[int, int, str, int], LoggedRecord]


def _replay_spool(
    reader: EventReader,
    name: str,
    position: MergePosition,
    places: Mapping[tuple[str, int], tuple[int, int]],
    from_us: int,
    limit: int,
) -> Iterator[_Keyed]:
    last, file_id = position.sequences[name], position.files.get(name, "")
    with suppress(LogDamagedError):
        after = min(
            reader.sequence_before(name, from_us),
            *(sequence - 1 for spool, sequence in places if spool == name),
            last,
        )
        while after < last:
            batch = reader.read(name, after, min(limit, last - after))
            if batch.last_sequence <= after or batch.file_id != file_id:
                return
            yield from _keyed(batch.records, places, from_us, position.clock_us)
            after = batch.last_sequence


def _keyed(
    records: Sequence[LoggedRecord],
    places: Mapping[tuple[str, int], tuple[int, int]],
    from_us: int,
    until_us: int,
) -> Iterator[_Keyed]:
    for logged in records:
        at_us, order = places.get((logged.spool, logged.sequence), (logged.at_us, 0))
        if from_us <= at_us <= until_us:
            yield (at_us, order, logged.spool, logged.sequence), logged
