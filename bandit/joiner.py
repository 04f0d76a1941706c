"""Decisions and feedback in, outcomes out: a pure state machine on the log's own time.

Records are taken in the merged log's order. Before a record at time t is taken every deadline
before t fires, and :meth:`Joiner.advance` fires every deadline up to its instant; so outcomes and
their order depend on the records alone, never on how they were batched or when they were read.
What happens to a decision id is the table in :mod:`bandit.lifecycle`; ids do not influence each
other, but for the limit on how many may wait.

A decision's window starts at its own log time, or at its activation if it was deferred, and lasts
``window_s + clock_leeway_s``; a play that was no quick abandon brings its end forward. Feedback
without a decision is held for as long, and a deferred decision waits as long for its activation.
A closed id is remembered for another such time, so that a repeated decision is not learned twice
and late feedback is told from feedback for decisions that never came.

Why the joiner's state is not written out: hundreds of thousands of open pages would have to be
stored with every checkpoint. The log holds them already. A :class:`JoinerMemo` names the instant
from which every record of a living id is to be taken again; :meth:`Joiner.rebuild` does so, and
says nothing of the outcomes found again. Two things that such a replay cannot see stand in the
memo: *strays*, ids forgotten by then whose last records lie within the replayed part (those would
look like the beginning of something new), and ids closed early because too many were waiting
(the replay, without the forgotten ids, counts fewer). The rule in force is kept as well, so that a
changed window does not open again what was closed under the old one.

A decision is joined with so many events at most, so that no client fills the memory by repeating
itself under ever new event ids. What is past that is counted, and not learned.

Records wait encoded: a page of 80 titles with 20 reported takes 11 KB so instead of 39,
and the garbage collector has nothing to walk through.
"""

from __future__ import annotations

import heapq
import sys
from collections import OrderedDict
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from bandit.clock import to_us
from bandit.events import (
    ActivationRecord,
    DecisionRecord,
    FeedbackRecord,
    LoggedRecord,
    Record,
    encode_record,
)
from bandit.lifecycle import TRANSITIONS, WAITING, Disposition, Input, State
from bandit.reward import RewardRule

_decision = msgspec.msgpack.Decoder(DecisionRecord)
_feedback = msgspec.msgpack.Decoder(FeedbackRecord)

ClosedBy = Literal["window", "play", "evicted"]


class Outcome(NamedTuple):
    """A shown decision with all feedback that came in its window."""

    decision: DecisionRecord
    decided_at_us: int
    """The log's time of the decision."""
    events: tuple[FeedbackRecord, ...]
    """In the log's order, each event id once."""
    closed_by: ClosedBy
    opened_at_us: int = 0
    """When its window began: with the decision, or with the activation of a deferred one. Exports
    of outcomes do not tell it, nor when it closed."""
    closed_at_us: int = 0


class Sealed(NamedTuple):
    """An outcome as the joiner kept it, encoded."""

    decision_id: str
    decision: bytes
    decided_at_us: int
    events: tuple[bytes, ...]
    closed_by: ClosedBy
    opened_at_us: int
    closed_at_us: int

    def open(self) -> Outcome:
        """Decode it."""
        events = tuple(map(_feedback.decode, self.events))
        return Outcome(
            _decision.decode(self.decision),
            self.decided_at_us,
            events,
            self.closed_by,
            self.opened_at_us,
            self.closed_at_us,
        )


class MergedRecord(NamedTuple):
    """A record at its place in the merged log."""

    logged: LoggedRecord
    at_us: int
    """The time at which it is taken: its own, or the log clock's if it showed up late."""
    late: bool
    """It showed up after the log clock had passed its time."""


class Standing(NamedTuple):
    """Where one decision id stands."""

    state: State
    deadline_us: int
    """When it closes, expires or is forgotten, if nothing more comes."""


class JoinerMemo(msgspec.Struct, frozen=True):
    """What rebuilds a joiner, beside the log."""

    clock_us: int
    replay_from_us: int | None
    """Records taken from here on are needed; None needs none."""
    rule: RewardRule
    events_max: int
    counts: dict[str, int]
    strays: dict[str, int]
    """Forgotten id → the time of its last record, where that is not before ``replay_from_us``."""
    evicted: dict[str, int]
    """Remembered id that was closed early → when."""


class _Entry:
    """What is known of one decision id."""

    __slots__ = ("armed", "born_us", "decided_at_us", "decision", "digest", "events", "id",
                 "last_us", "opened_us", "state")  # fmt: skip

    def __init__(self, decision_id: str, at_us: int) -> None:
        self.id = decision_id
        self.state = State.UNKNOWN
        self.born_us = self.last_us = at_us
        self.decision: bytes | None = None
        self.decided_at_us = self.opened_us = 0
        self.digest: bytes | None = None
        self.events: dict[str, bytes] = {}
        """Encoded feedback by event id, in the log's order."""
        self.armed = (0, 0)
        """Its deadline, and the number under which that stands in the heap."""


class Joiner:
    """Joins decisions with their feedback."""

    def __init__(self, rule: RewardRule, open_max: int, events_max: int = sys.maxsize) -> None:
        """Start from nothing; at most ``open_max`` ids wait and as many are remembered.

        Each is joined with ``events_max`` feedback events at most.
        """
        self._open_max = open_max
        self._events_max = events_max
        self._set_rule(rule)
        self._clock_us = -(2**62)
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._waiting: OrderedDict[str, _Entry] = OrderedDict()
        self._closed: OrderedDict[str, _Entry] = OrderedDict()
        self._deadlines: list[tuple[int, int, _Entry]] = []
        self._armings = 0
        self._strays: dict[str, int] = {}
        self._stray_ends: list[tuple[int, str]] = []
        self._evicted: dict[str, int] = {}
        self._counts: dict[str, int] = {disposition.value: 0 for disposition in Disposition}

    def _set_rule(self, rule: RewardRule) -> None:
        self._rule = rule
        self._window_us = to_us(rule.window_s + rule.clock_leeway_s)
        after_s = rule.close_after_play_s
        self._close_after_us = None if after_s is None else to_us(after_s)

    @classmethod
    def rebuild(
        cls,
        rule: RewardRule,
        open_max: int,
        memo: JoinerMemo,
        records: Iterable[MergedRecord],
        events_max: int = sys.maxsize,
    ) -> Joiner:
        """Return the joiner that wrote ``memo``.

        ``records`` are those it had taken at or after ``memo.replay_from_us``, in the same order.
        """
        joiner = cls(memo.rule, sys.maxsize, memo.events_max)
        joiner._evicted = dict(memo.evicted)
        for item in records:
            if item.at_us > memo.strays.get(item.logged.record.decision_id, -1):
                joiner.take_sealed(item.logged.record, item.at_us, late=item.late)
        joiner.advance_sealed(memo.clock_us)
        joiner._strays = dict(memo.strays)
        joiner._stray_ends = sorted((last_us, name) for name, last_us in memo.strays.items())
        joiner._counts.update(memo.counts)
        joiner._open_max, joiner._events_max = open_max, events_max
        joiner._set_rule(rule)
        return joiner

    @property
    def counts(self) -> dict[str, int]:
        """How often each disposition was made, over the joiner's whole life."""
        return dict(self._counts)

    @property
    def waiting(self) -> int:
        """How many ids await their outcome."""
        return len(self._waiting)

    def standing(self, decision_id: str) -> Standing | None:
        """Return where an id stands, None for one that is not known."""
        entry = self._entries.get(decision_id)
        return None if entry is None else Standing(entry.state, entry.armed[0])

    def oldest_needed_us(self) -> int | None:
        """Return when the first record of the oldest id still known was taken."""
        return next(iter(self._entries.values())).born_us if self._entries else None

    def memo(self) -> JoinerMemo:
        """Return what rebuilds this joiner, beside the log."""
        return JoinerMemo(
            self._clock_us,
            self.oldest_needed_us(),
            self._rule,
            self._events_max,
            self.counts,
            dict(self._strays),
            dict(self._evicted),
        )

    def take(self, record: Record, at_us: int, *, late: bool = False) -> list[Outcome]:
        """Take a record at its time, and return the outcomes that closed before it.

        A record that showed up ``late`` is taken at the log clock, after all that it had brought.
        """
        return [sealed.open() for sealed in self.take_sealed(record, at_us, late=late)]

    def take_sealed(self, record: Record, at_us: int, *, late: bool = False) -> list[Sealed]:
        """Do as :meth:`take`, and leave the outcomes encoded until they are needed."""
        sealed = self._fire(at_us if late else at_us - 1)
        at_us = max(at_us, self._clock_us)
        entry = self._entries.get(record.decision_id)
        if entry is None:
            entry = self._entries[record.decision_id] = _Entry(record.decision_id, at_us)
        entry.last_us = at_us
        before = entry.state
        given = self._classify(entry, record)
        state, disposition = TRANSITIONS[before, given]
        self._counts[disposition] += 1
        if before is not State.CLOSED and given is not Input.EXCESS:
            self._keep(entry, record, at_us)
        if state is not before:
            self._enter(entry, state, at_us)
            if len(self._waiting) > self._open_max:
                self._evict(at_us, sealed)
        return sealed

    def _keep(
        self,
        entry: _Entry,
        record: Record,
        at_us: int,
    ) -> None:
        if isinstance(record, DecisionRecord) and entry.digest is None:
            entry.decision, entry.digest = encode_record(record), record.body_digest
            entry.decided_at_us = at_us
        elif isinstance(record, FeedbackRecord) and record.event_id not in entry.events:
            entry.events[record.event_id] = encode_record(record)

    def advance(self, now_us: int) -> list[Outcome]:
        """Move the log clock to ``now_us`` and return the outcomes that closed."""
        return [sealed.open() for sealed in self.advance_sealed(now_us)]

    def advance_sealed(self, now_us: int) -> list[Sealed]:
        """Do as :meth:`advance`, and leave the outcomes encoded until they are needed."""
        sealed = self._fire(now_us)
        oldest_us = self.oldest_needed_us()
        while self._stray_ends and (oldest_us is None or self._stray_ends[0][0] < oldest_us):
            last_us, decision_id = heapq.heappop(self._stray_ends)
            if self._strays.get(decision_id) == last_us:
                del self._strays[decision_id]
        return sealed

    def _classify(self, entry: _Entry, record: Record) -> Input:
        if isinstance(record, FeedbackRecord):
            if record.event_id in entry.events:
                return Input.REPEAT
            if len(entry.events) >= self._events_max:
                return Input.EXCESS
            return Input.PLAY if self._ends_visit(record) else Input.FEEDBACK
        if isinstance(record, ActivationRecord):
            return Input.ACTIVATION
        if entry.digest is not None and entry.digest != record.body_digest:
            return Input.CONFLICTING_DECISION
        return Input.DEFERRED_DECISION if record.deferred else Input.DECISION

    def _ends_visit(self, event: FeedbackRecord) -> bool:
        return (
            self._close_after_us is not None
            and event.type == "play"
            and not self._rule.is_quick_abandon(event)
        )

    def _enter(self, entry: _Entry, state: State, at_us: int) -> None:
        before, entry.state = entry.state, state
        if before is State.UNKNOWN:
            self._waiting[entry.id] = entry
        if state is State.OPEN:
            entry.opened_us = at_us
            self._arm(entry, at_us + self._window_us)
            self._join_held(entry, at_us)
        elif state is State.CLOSING:
            after_us = self._close_after_us or 0
            self._arm(entry, min(entry.armed[0], at_us + after_us))
        elif state is State.DEFERRED or before is State.UNKNOWN:
            self._arm(entry, at_us + self._window_us)

    def _join_held(self, entry: _Entry, at_us: int) -> None:
        for encoded in entry.events.values():
            event = _feedback.decode(encoded)
            given = Input.PLAY if self._ends_visit(event) else Input.FEEDBACK
            cell = TRANSITIONS[entry.state, given]
            self._counts[cell.disposition] += 1
            if cell.state is not entry.state:
                self._enter(entry, cell.state, at_us)

    def _arm(self, entry: _Entry, deadline_us: int) -> None:
        if entry.state in WAITING:
            deadline_us = self._evicted.get(entry.id, deadline_us)
        self._armings += 1
        entry.armed = (deadline_us, self._armings)
        heapq.heappush(self._deadlines, (deadline_us, self._armings, entry))

    def _fire(self, until_us: int) -> list[Sealed]:
        sealed: list[Sealed] = []
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= until_us:
            deadline_us, arming, entry = heapq.heappop(deadlines)
            if entry.armed[1] == arming:
                self._end(entry, Input.DEADLINE, deadline_us, sealed)
        if until_us > self._clock_us:
            self._clock_us = until_us
        return sealed

    def _evict(self, at_us: int, sealed: list[Sealed]) -> None:
        entry = next(iter(self._waiting.values()))
        self._end(entry, Input.EVICTION, at_us, sealed)
        if entry.state is State.CLOSED:
            self._evicted[entry.id] = at_us

    def _end(self, entry: _Entry, given: Input, at_us: int, sealed: list[Sealed]) -> None:
        before = entry.state
        cell = TRANSITIONS[before, given]
        if before in WAITING:
            self._counts[Disposition.ORPHAN] += self._orphans(entry)
            del self._waiting[entry.id]
        if cell.disposition is not Disposition.ORPHAN:
            self._counts[cell.disposition] += 1
        if cell.disposition is Disposition.CLOSED and entry.decision is not None:
            closed_by: ClosedBy = "play" if before is State.CLOSING else "window"
            if given is Input.EVICTION:
                closed_by = "evicted"
            events = tuple(entry.events.values())
            decided_us, opened_us = entry.decided_at_us, entry.opened_us
            sealed.append(
                Sealed(entry.id, entry.decision, decided_us, events, closed_by, opened_us, at_us)
            )
        entry.state = cell.state
        if cell.state is State.CLOSED:
            self._remember(entry, at_us)
        else:
            self._forget(entry)

    def _orphans(self, entry: _Entry) -> int:
        """Count what was held for ``entry`` in vain."""
        if entry.state in (State.OPEN, State.CLOSING):
            return 0
        return len(entry.events) + (entry.state is State.ACTIVATED)

    def _remember(self, entry: _Entry, at_us: int) -> None:
        entry.decision, entry.events = None, {}
        self._closed[entry.id] = entry
        self._arm(entry, at_us + self._window_us)
        if len(self._closed) > self._open_max:
            oldest = next(iter(self._closed.values()))
            self._counts[Disposition.FORGOTTEN] += 1
            self._forget(oldest)

    def _forget(self, entry: _Entry) -> None:
        self._closed.pop(entry.id, None)
        self._evicted.pop(entry.id, None)
        del self._entries[entry.id]
        entry.armed = (0, 0)
        self._strays[entry.id] = entry.last_us
        heapq.heappush(self._stray_ends, (entry.last_us, entry.id))
