"""What every event log offers; the contract suite in ``tests/contracts`` runs each against it.

A log is a set of *spools*. Each spool has one writer at a time and any number of readers, in other
processes too. Within a spool ``sequence`` counts from 1 without gaps and ``at_us`` strictly
increases, whatever the wall clock does.

A spool's *horizon* is an instant up to which it is complete: no record with ``at_us`` at or before
it will ever be added. Writers move it forward while idle by a heartbeat, so that reward windows
close without traffic and without filling the log with empty records. Merging spools up to their
least horizon makes the merged order a function of the log alone.

Spools may be added while the log is read. All records of a spool that ``spools()`` does not list
yet are later than every horizon announced before that call: list the spools *after* reading the
horizons, and if there is a new one, take it up before merging.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol

from bandit.events import DecisionRecord, LoggedRecord, Record

in_log_order = attrgetter("at_us", "spool", "sequence")
"""The sort key by which records of several spools make one log."""


class SpoolBatch(NamedTuple):
    """Records read from one spool, in order, and how far the spool is known to be complete."""

    records: list[LoggedRecord]
    horizon_us: int
    """Complete up to this instant, given that ``records`` were all taken up."""
    damaged: list[tuple[int, str]]
    """(sequence, reason) of records that could not be read and were passed over."""
    last_sequence: int
    """The last sequence looked at, damaged ones included; read on from here. It is below where
    reading was to begin only if the spool was put back to an earlier state."""
    file_id: str = ""
    """Drawn when the spool was made: another one under the same name means another file."""


class Pending(Protocol):
    """A write on its way to durable storage."""

    def wait(self, timeout_s: float) -> list[bool]:
        """Wait until the records are durable.

        Returns one bool a record: True if it was stored, False if a record with the same key is in
        this spool already.

        Raises:
            LogUnavailableError: the records could not be stored, or not within ``timeout_s``.
        """
        ...


class EventWriter(Protocol):
    """The one writer of a spool."""

    @property
    def spool(self) -> str:
        """The spool's name."""
        ...

    def append(self, records: Sequence[Record]) -> Pending:
        """Queue records, to be made durable together with whatever else is waiting.

        Records whose key is in the spool already are left out; of several with the same key the
        first counts.

        Raises:
            LogUnavailableError: the queue is full, or the writer is closed.
        """
        ...

    def queue_depth(self) -> int:
        """Return how many records wait to be made durable."""
        ...

    def is_alive(self) -> bool:
        """Tell whether appended records can still become durable: False once closed or dead.

        An error that passes, such as a full disk, does not count.
        """
        ...

    def close(self) -> None:
        """Make everything queued durable, give up the spool, and stop."""
        ...


class EventReader(Protocol):
    """Reads every spool of a log. It is safe beside a writer and never disturbs it."""

    def spools(self) -> list[str]:
        """Return the names of all spools, sorted."""
        ...

    def read(self, spool: str, after: int, limit: int) -> SpoolBatch:
        """Read up to ``limit`` records with a sequence above ``after``.

        The horizon is the last record's time where ``limit`` was reached, else the heartbeat's if
        that is later; a spool without a live writer is complete up to the reader's present.

        Raises:
            LogUnavailableError: there is no such spool, or it cannot be read now.
            LogDamagedError: the whole spool is unreadable; single records go to ``damaged``.
        """
        ...

    def sequence_before(self, spool: str, at_us: int) -> int:
        """Return the greatest sequence whose time is before ``at_us``, 0 if there is none."""
        ...

    def last_sequence(self, spool: str) -> int:
        """Return the last durable sequence of the spool, 0 if it is empty."""
        ...

    def find_decision(self, decision_id: str) -> DecisionRecord | None:
        """Return the decision with this id, the earliest where several spools hold one.

        That is the one from which is learned. A spool or record that cannot be read is passed over.
        """
        ...

    def known_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of ``keys`` that some spool holds, as far as spools can be read."""
        ...

    def close(self) -> None:
        """Let go of all files."""
        ...
