"""An event log in memory, for simulations and tests: the contract of the SQLite log, no files.

Appends are durable, as far as memory is, when ``append`` returns. A live spool's horizon moves
whenever it is read: there is no thread behind it.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence

from bandit.clock import Clock
from bandit.errors import LogUnavailableError
from bandit.eventlog.protocol import HandedOver, Learned, SpoolBatch, in_log_order
from bandit.events import DecisionRecord, LoggedRecord, Record, decision_key


class MemoryEventLog:
    """A log shared by the writers and readers it hands out; safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spools: dict[str, _Spool] = {}

    def writer(self, name: str | None = None) -> MemoryEventWriter:
        """Take the spool ``name``, by default the first that has no writer.

        Raises:
            LogUnavailableError: the spool has a writer.
        """
        with self._lock:
            spool_name = self._first_free() if name is None else name
            floor_us = max((spool.horizon_us for spool in self._spools.values()), default=0)
            spool = self._spools.setdefault(spool_name, _Spool(spool_name))
            if spool.held:
                raise LogUnavailableError(
                    f"{spool_name} has a writer already", hint="close it, or take another spool"
                )
            spool.held = True
            spool.horizon_us = max(spool.horizon_us, floor_us)
        return MemoryEventWriter(spool, self._clock, self._lock)

    def reader(self) -> MemoryEventReader:
        """Return a reader of all spools, those to come included."""
        return MemoryEventReader(self._spools, self._clock, self._lock)

    def forget(self) -> None:
        """Let go of all records so far, once they are read for good; sequences go on.

        A long simulation would fill the memory. What is forgotten cannot be read again, found, or
        told from a record that is appended anew.
        """
        with self._lock:
            for spool in self._spools.values():
                spool.forget()

    def _first_free(self) -> str:
        names = (f"spool-{number:03}" for number in range(len(self._spools) + 1))
        return next(n for n in names if n not in self._spools or not self._spools[n].held)


class StoredWrite:
    """A write that is done."""

    def __init__(self, stored: list[bool]) -> None:
        self._stored = stored

    def wait(self, timeout_s: float) -> list[bool]:
        """Return which records were stored, at once."""
        return self._stored


class MemoryEventWriter:
    """The one writer of a spool in memory; made by :meth:`MemoryEventLog.writer`."""

    def __init__(self, spool: _Spool, clock: Clock, lock: threading.Lock) -> None:
        self._spool = spool
        self._clock = clock
        self._lock = lock
        self._closed = False

    @property
    def spool(self) -> str:
        """The spool's name."""
        return self._spool.name

    def append(self, records: Sequence[Record]) -> StoredWrite:
        """Store records; see :meth:`bandit.eventlog.protocol.EventWriter.append`."""
        with self._lock:
            if self._closed:
                raise LogUnavailableError(
                    f"the writer of {self.spool} is closed", hint="take a new writer"
                )
            now_us = self._clock.now_us()
            return StoredWrite([self._spool.add(record, now_us) for record in records])

    def hand_over(self, decisions: Sequence[DecisionRecord]) -> HandedOver:
        """Store decisions: there is always room."""
        return HandedOver(["logged"] * len(decisions), self.append(decisions))

    def takes_at_once(self) -> bool:
        """Return True: there is always room."""
        return True

    def short_of_room(self) -> str | None:
        """Return None: there is no disk."""
        return None

    def held_up(self) -> str | None:
        """Return None: there is no disk to wait for."""
        return None

    def uncommitted(self, key: str) -> Record | None:
        """Return None: what was taken in can be read."""
        return None

    def queue_depth(self) -> int:
        """Return 0: nothing waits."""
        return 0

    def is_alive(self) -> bool:
        """Tell whether it is still open."""
        return not self._closed

    def close(self) -> None:
        """Give up the spool; again, it does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._spool.held = False


class MemoryEventReader:
    """Reads a log in memory; made by :meth:`MemoryEventLog.reader`."""

    def __init__(self, spools: dict[str, _Spool], clock: Clock, lock: threading.Lock) -> None:
        self._spools = spools
        self._clock = clock
        self._lock = lock

    def spools(self) -> list[str]:
        """Return the names of all spools, sorted."""
        with self._lock:
            return sorted(self._spools)

    def read(self, spool: str, after: int, limit: int) -> SpoolBatch:
        """Read records; see :meth:`bandit.eventlog.protocol.EventReader.read`."""
        with self._lock:
            found = self._get(spool)
            if after < found.forgotten:
                raise LogUnavailableError(
                    f"{spool} was forgotten up to record {found.forgotten}",
                    hint="read records before they are forgotten",
                )
            start = after - found.forgotten
            records = found.records[start : start + limit]
            if len(records) < limit:
                found.horizon_us = max(found.horizon_us, self._clock.now_us())
                horizon_us = found.horizon_us
            else:
                horizon_us = records[-1].at_us
        return SpoolBatch(records, horizon_us, [], records[-1].sequence if records else after)

    def about(self, spool: str, decision_id: str, after: int, limit: int) -> SpoolBatch:
        """Look at up to ``limit`` records above ``after``; return those that name a decision."""
        batch = self.read(spool, after, limit)
        found = [one for one in batch.records if one.record.decision_id == decision_id]
        return batch._replace(records=found)

    def sequence_before(self, spool: str, at_us: int) -> int:
        """Return the greatest sequence whose time is before ``at_us``, 0 if there is none."""
        with self._lock:
            found = self._get(spool)
            before = bisect_left(found.records, at_us, key=lambda logged: logged.at_us)
            return found.forgotten + before

    def first_at_us(self, spool: str) -> int | None:
        """Return the time of the first record that is held, None if there is none."""
        with self._lock:
            records = self._get(spool).records
            return records[0].at_us if records else None

    def release(self, learned: dict[str, Learned]) -> None:
        """Do nothing: a log in memory is forgotten by whoever made it."""

    def released(self) -> dict[str, Learned]:
        """Return nothing."""
        return {}

    def last_sequence(self, spool: str) -> int:
        """Return the last sequence of the spool, 0 if it is empty."""
        with self._lock:
            found = self._get(spool)
            return found.forgotten + len(found.records)

    def find_decision(self, decision_id: str) -> DecisionRecord | None:
        """Return the decision with this id, the earliest where several spools hold one."""
        key = decision_key(decision_id)
        with self._lock:
            found = [
                logged
                for spool in self._spools.values()
                if (logged := spool.by_key.get(key)) is not None
            ]
        record = min(found, key=in_log_order).record if found else None
        return record if isinstance(record, DecisionRecord) else None

    def known_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of ``keys`` that some spool holds."""
        with self._lock:
            return {
                key for key in keys if any(key in spool.by_key for spool in self._spools.values())
            }

    def close(self) -> None:
        """Do nothing: there are no files."""

    def _get(self, name: str) -> _Spool:
        if name not in self._spools:
            raise LogUnavailableError(
                f"there is no spool {name}", hint="spools() lists those that exist"
            )
        return self._spools[name]


class _Spool:
    def __init__(self, name: str) -> None:
        self.name = name
        self.held = False
        self.horizon_us = 0
        """The greatest time given to a record or announced as complete."""
        self.forgotten = 0
        """How many records were let go of, from the first."""
        self.records: list[LoggedRecord] = []
        self.by_key: dict[str, LoggedRecord] = {}

    def add(self, record: Record, now_us: int) -> bool:
        if record.key in self.by_key:
            return False
        self.horizon_us = max(now_us, self.horizon_us + 1)
        sequence = self.forgotten + len(self.records) + 1
        logged = LoggedRecord(self.name, sequence, self.horizon_us, record)
        self.by_key[record.key] = logged
        self.records.append(logged)
        return True

    def forget(self) -> None:
        self.forgotten += len(self.records)
        self.records = []
        self.by_key = {}
