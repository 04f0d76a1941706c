"""What came back for one decision so far, and what the learner makes of it.

The log has no index by decision: feedback stands in any spool, after its decision or, where the
workers' clocks differ, a little before. So each spool is read from the decision's own time, less
the rule's leeway, to the end of its window, and of what is found the real
:class:`bandit.joiner.Joiner` and reward rule make what the learner makes of it. A busy log holds
much between a decision and the end of its window: reading is bounded in records and in time, and
what was cut says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from bandit.clock import to_us
from bandit.config.schema import Config
from bandit.errors import LogError
from bandit.eventlog.protocol import SpoolBatch, in_log_order
from bandit.events import DecisionRecord, FeedbackRecord, LoggedRecord
from bandit.explained import RewardReason, Rewards
from bandit.exposure import Seen, seen
from bandit.joiner import Joiner, Outcome
from bandit.lifecycle import Disposition, State
from bandit.reward import RewardRule
from bandit.reward_words import row_reason, title_reason

RECORDS_MAX: Final = 200_000
"""Most records looked at for one decision, over all spools."""

_BATCH: Final = 2_000
_FAR_US: Final = 1 << 60
_EVER: Final = 1 << 30

STATES: Final[dict[State, str]] = {
    State.HELD: "held: feedback came, the decision is not in the log yet",
    State.ACTIVATED: "activated: the decision is not in the log yet",
    State.DEFERRED: "deferred: waiting to be shown",
    State.OPEN: "open: feedback is waited for",
    State.CLOSING: "closing: it was played, and closes shortly",
}
_CLOSED_BY: Final = {
    "window": "closed: its window is over",
    "play": "closed: it was played",
    "evicted": "closed: too many decisions were open",
}
_EXPIRED: Final = "expired: it was deferred and never shown"


class DecisionReader(Protocol):
    """A log's reader that looks for what names one decision."""

    def spools(self) -> list[str]:
        """Return the names of all spools, sorted."""
        ...

    def sequence_before(self, spool: str, at_us: int) -> int:
        """Return the greatest sequence whose time is before ``at_us``, 0 if there is none."""
        ...

    def about(self, spool: str, decision_id: str, after: int, limit: int) -> SpoolBatch:
        """Look at up to ``limit`` records above ``after``; return those that name a decision."""
        ...


class Found(NamedTuple):
    """What the log holds of one decision."""

    records: list[LoggedRecord]
    """In the log's order."""
    clock_us: int
    """Up to here the log is complete."""
    complete: bool
    """Whether all was read, to the end of the window or of the log."""


class TakenEvent(NamedTuple):
    """A feedback event and what the joiner made of it."""

    event: FeedbackRecord
    at_us: int
    taken_as: Disposition


class Joined(NamedTuple):
    """How far a decision is joined."""

    events: list[TakenEvent]
    state: str
    closes_at_us: int | None
    """When its window ends; None once nothing is waited for."""
    outcome: Outcome | None
    """What it is learned as; while it is open, what it would be if it closed now."""


def find(
    reader: DecisionReader,
    decision: DecisionRecord,
    rule: RewardRule,
    is_over: Callable[[], bool],
    records_max: int = RECORDS_MAX,
) -> Found:
    """Look for all records of a decision; ``is_over`` tells whether the time for it is up."""
    window_us = to_us(rule.window_s + rule.clock_leeway_s)
    from_us = decision.decided_at_us - to_us(rule.clock_leeway_s)
    until_us = decision.decided_at_us + window_us * (2 if decision.deferred else 1)
    until_us += to_us(rule.clock_leeway_s)
    records: list[LoggedRecord] = []
    horizons: list[int] = []
    complete, left = True, records_max
    for spool in reader.spools():
        try:
            after = reader.sequence_before(spool, from_us)
            horizon_us = from_us
            while horizon_us < until_us:
                if left <= 0 or is_over():
                    complete = False
                    break
                most = min(_BATCH, left)
                batch = reader.about(spool, decision.decision_id, after, most)
                looked_at = batch.last_sequence - after
                records += [one for one in batch.records if one.at_us <= until_us]
                horizon_us = batch.horizon_us
                after, left = batch.last_sequence, left - looked_at
                if looked_at < most:
                    break
            horizons.append(horizon_us)
        except LogError:
            complete = False
    records.sort(key=in_log_order)
    clock_us = min(horizons, default=decision.decided_at_us)
    return Found(records, max(clock_us, decision.decided_at_us), complete)


def join(decision: DecisionRecord, found: Found, rule: RewardRule, events_max: int) -> Joined:
    """Join what was found as the learner does.

    A decision that was answered and is not committed yet is taken at its own time.
    """
    joiner = Joiner(rule, _EVER, events_max)
    outcomes: list[Outcome] = []
    taken: list[TakenEvent] = []
    for logged in _with_decision(decision, found.records):
        record = logged.record
        outcomes += joiner.advance(logged.at_us - 1)
        before = joiner.counts
        outcomes += joiner.take(record, logged.at_us)
        if isinstance(record, FeedbackRecord):
            taken.append(TakenEvent(record, logged.at_us, _made(before, joiner.counts)))
    outcomes += joiner.advance(found.clock_us)
    if outcomes:
        return Joined(taken, _CLOSED_BY[outcomes[0].closed_by], None, outcomes[0])
    standing = joiner.standing(decision.decision_id)
    if standing is None or standing.state is State.CLOSED:
        return Joined(taken, _EXPIRED, None, None)
    if_closed = joiner.advance(_FAR_US)
    state, closes_at_us = STATES[standing.state], standing.deadline_us
    return Joined(taken, state, closes_at_us, if_closed[0] if if_closed else None)


def rewards(config: Config, outcome: Outcome) -> Rewards:
    """Return what everything seen earned, as :mod:`bandit.training` has it, and why."""
    decision, rule = outcome.decision, config.reward
    titles = seen(decision, outcome.events, config.surfaces.artwork.exposure).titles
    rows = seen(decision, outcome.events, config.surfaces.rows.exposure)
    served = [choice.title for choice in decision.titles if choice.title in titles]
    return Rewards(
        {title: title_reason(rule, titles[title]) for title in served},
        _row_reasons(decision, rows, rule),
    )


def _row_reasons(
    decision: DecisionRecord, found: Seen, rule: RewardRule
) -> dict[str, RewardReason]:
    return {
        row.id: row_reason(
            rule,
            {title: rule.reward(events) for title, events in found.rows[index].items()},
            pinned=row.pinned,
        )
        for index, row in enumerate(decision.rows)
        if index in found.rows
    }


def _with_decision(decision: DecisionRecord, records: Sequence[LoggedRecord]) -> list[LoggedRecord]:
    if any(isinstance(logged.record, DecisionRecord) for logged in records):
        return list(records)
    itself = LoggedRecord("", 1, decision.decided_at_us, decision)
    return sorted([itself, *records], key=in_log_order)


def _made(before: dict[str, int], after: dict[str, int]) -> Disposition:
    (made,) = [name for name in Disposition if after[name] != before[name]]
    return made
