"""What every event log offers; the contract suite in ``tests/contracts`` runs each against it.

A log is a set of *spools*. Each spool has one writer at a time and any number of readers, in other
processes too. Within a spool ``sequence`` counts from 1 without gaps and ``at_us`` strictly
increases, whatever the wall clock does.

A spool's writer removes records from its front once they are old and learned: what is left has no
gaps, and the last record's number is never given again. A record that was erased keeps its place
and its key; reading passes over it.

A spool's *horizon* is an instant up to which it is complete: no record with ``at_us`` at or before
it will ever be added. Writers move it forward while idle by a heartbeat, so that reward windows
close without traffic and without filling the log with empty records. Merging spools up to their
least horizon makes the merged order a function of the log alone.

Records are appended in one of two ways. What must be durable before somebody is told so, such as
feedback, is *appended*, and waited for until its commit. Decisions are *handed over*: once that
returns they outlive the death of any process, though not a crash of the machine, and are committed
soon after. Readers see what is committed and nothing else. A writer that died may leave decisions
that it had taken over and not committed; the next writer of its spool stores them before anything
new, and whoever opens the log stores those of spools that nobody writes. They get times later than
every horizon announced before, so until then a reader rightly takes the spool to be complete.

Spools may be added while the log is read. All records of a spool that ``spools()`` does not list
yet are later than every horizon announced before that call: list the spools *after* reading the
horizons, and if there is a new one, take it up before merging.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Literal, NamedTuple, Protocol

import msgspec

from bandit.events import DecisionRecord, LoggedRecord, Record

in_log_order = attrgetter("at_us", "spool", "sequence")
"""The sort key by which records of several spools make one log."""


class Learned(msgspec.Struct, frozen=True, array_like=True):
    """What of a spool was learned for good: records up to a number and before an instant."""

    file: str
    """The id of the spool's file."""
    through: int
    """The last sequence."""
    before_us: int
    """Records from this instant on are still needed."""


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


Fate = Literal["logged", "dropped", "full", "disk_low"]
"""What became of a decision that was handed over.

``logged``: the log has it. ``dropped``: it was left out by a draw, and those that were logged under
the same probability stand for it. ``full``: it was left out for certain; none stands for it.
``disk_low``: likewise, since the disk has next to no room.
"""


class HandedOver(NamedTuple):
    """What became of decisions handed over together."""

    fates: list[Fate]
    """One a decision, in the order given."""
    pending: Pending
    """The commit of those that are logged, for whoever waits for it."""


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
            LogUnavailableError: the queue is full, the disk nearly so, or the writer is closed.
        """
        ...

    def hand_over(self, decisions: Sequence[DecisionRecord]) -> HandedOver:
        """Take decisions over, by ``[log] queue_full`` where many wait already.

        ``block`` waits for room, for ``rank_commit_timeout_s`` at most. ``drop`` never waits: from
        half of ``queue_max`` on it lets each decision in with a falling probability, drawn by its
        key and kept in the record's ``pass_probability``.

        On return those ``logged`` outlive any process, unless ``rank_waits_for_commit`` is set:
        they then do so once ``pending`` was waited for.

        Raises:
            LogUnavailableError: none was taken over: there was no room in time, the disk takes
                nothing, or the writer is closed.
        """
        ...

    def takes_at_once(self) -> bool:
        """Tell whether a page's decision can be handed over now without waiting; cheap to ask.

        False while there is next to no room for it under ``block``, and while a write of another
        thread hangs.
        """
        ...

    def short_of_room(self) -> str | None:
        """Return why nothing more is logged until the disk has room again, None where it has."""
        ...

    def held_up(self) -> str | None:
        """Return what keeps the log from taking records for some seconds already, None if nothing.

        It may pass by itself, unlike what :meth:`is_alive` tells of.
        """
        ...

    def uncommitted(self, key: str) -> Record | None:
        """Return the record that was taken in under this key and that readers may not see yet.

        Ask this first and a reader second: what is missing here because it was committed in
        between is found there.
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
        """Make everything queued durable, give up the spool, and stop.

        Decisions handed over that cannot be committed now are left to the spool's next writer.
        """
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
        """Return the greatest sequence whose time is before ``at_us``, 0 if there is none.

        Records that were removed are before any time.
        """
        ...

    def first_at_us(self, spool: str) -> int | None:
        """Return the time of the first record that the spool still holds, None if it is empty."""
        ...

    def release(self, learned: dict[str, Learned]) -> None:
        """Tell the writers what is learned for good, by spool; it replaces what was told before.

        Raises:
            OSError: it cannot be written down.
        """
        ...

    def released(self) -> dict[str, Learned]:
        """Return what was released last, nothing where that is not known."""
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
