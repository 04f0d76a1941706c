from __future__ import annotations

import pytest

from bandit.events import (
    ActivationRecord,
    DecisionRecord,
    FeedbackRecord,
    LoggedRecord,
    Record,
)
from bandit.joiner import Joiner, MergedRecord
from bandit.lifecycle import IMPOSSIBLE, TRANSITIONS, Disposition, Input, State
from bandit.reward import RewardRule
from bandit.types import TitleChoice

RULE = RewardRule(window_s=100, clock_leeway_s=5, close_after_play_s=2, quick_abandon_s=30)
S = 1_000_000
WINDOW = 105 * S


def decision(name: str = "d", body: bytes = b"body", *, deferred: bool = False) -> DecisionRecord:
    return DecisionRecord(
        decision_id=name,
        decided_at_us=0,
        body_digest=body,
        catalog="c",
        policy="p",
        shares={"artwork": "learned"},
        titles=[TitleChoice("t", "a", 1.0)],
        deferred=deferred,
    )


def feedback(event: str, name: str = "d") -> FeedbackRecord:
    return FeedbackRecord(event_id=event, decision_id=name, type="impression", title="t")


def play(event: str, name: str = "d", seconds: float | None = 600) -> FeedbackRecord:
    return FeedbackRecord(event_id=event, decision_id=name, type="play", title="t", seconds=seconds)


RECORDS: dict[Input, Record] = {
    Input.DECISION: decision(),
    Input.DEFERRED_DECISION: decision(deferred=True),
    Input.CONFLICTING_DECISION: decision(body=b"other"),
    Input.ACTIVATION: ActivationRecord(decision_id="d"),
    Input.FEEDBACK: feedback("new"),
    Input.PLAY: play("new play"),
    Input.REPEAT: feedback("old"),
}

LEADING_TO: dict[State, list[Record]] = {
    State.UNKNOWN: [],
    State.HELD: [feedback("old")],
    State.ACTIVATED: [feedback("old"), ActivationRecord(decision_id="d")],
    State.DEFERRED: [decision(deferred=True), feedback("old")],
    State.OPEN: [decision(), feedback("old")],
    State.CLOSING: [decision(), feedback("old"), play("first play")],
    State.CLOSED: [decision(), feedback("old"), play("first play")],
}


def _state(joiner: Joiner) -> State:
    entry = joiner._entries.get("d")
    return State.UNKNOWN if entry is None else entry.state


def _joiner_in(state: State, open_max: int = 10) -> Joiner:
    joiner = Joiner(RULE, open_max)
    for record in LEADING_TO[state]:
        joiner.take(record, 10 * S)
    if state is State.CLOSED:
        assert len(joiner.advance(12 * S)) == 1
    assert _state(joiner) is state
    return joiner


def test_the_table_is_whole() -> None:
    cells = {(state, given) for state in State for given in Input}
    assert cells == TRANSITIONS.keys() | IMPOSSIBLE
    assert not TRANSITIONS.keys() & IMPOSSIBLE


@pytest.mark.parametrize(("state", "given"), sorted(TRANSITIONS))
def test_every_cell_is_walked_by_real_records(state: State, given: Input) -> None:
    cell = TRANSITIONS[state, given]
    joiner = _joiner_in(state, open_max=1)
    before = joiner.counts
    if given is Input.DEADLINE:
        joiner.advance(joiner._entries["d"].armed[0])
    elif given is Input.EXCESS:
        joiner._events_max = 1
        joiner.take(feedback("one too many"), 12 * S)
    elif given is Input.EVICTION:
        joiner.take(decision("newer"), 11 * S)
        before["opened"] += 1
    else:
        joiner.take(RECORDS[given], 12 * S)
    assert _state(joiner) is cell.state
    gained = {name for name, count in joiner.counts.items() if count > before[name]}
    assert cell.disposition in gained


def test_the_window_starts_at_the_decision_and_is_never_cut_short() -> None:
    joiner = Joiner(RULE, 10)
    joiner.take(decision(), 10 * S)
    joiner.take(feedback("a"), 10 * S + WINDOW)
    assert joiner.advance(10 * S + WINDOW - 1) == []
    (outcome,) = joiner.advance(10 * S + WINDOW)
    assert outcome.closed_by == "window"
    assert outcome.decided_at_us == 10 * S
    assert [event.event_id for event in outcome.events] == ["a"]


def test_no_feedback_at_all_closes_once_with_nothing() -> None:
    joiner = Joiner(RULE, 10)
    joiner.take(decision(), 0)
    (outcome,) = joiner.advance(10**12)
    assert outcome.events == ()
    assert joiner.advance(10**13) == []


def test_a_deferred_window_starts_at_the_activation() -> None:
    joiner = Joiner(RULE, 10)
    joiner.take(decision(deferred=True), 0)
    joiner.take(ActivationRecord(decision_id="d"), 50 * S)
    assert joiner.advance(50 * S + WINDOW - 1) == []
    assert len(joiner.advance(50 * S + WINDOW)) == 1


def test_a_deferred_decision_that_is_not_shown_expires_without_outcome() -> None:
    joiner = Joiner(RULE, 10)
    joiner.take(decision(deferred=True), 0)
    joiner.take(feedback("a"), S)
    assert joiner.advance(WINDOW) == []
    assert joiner.counts["expired"] == 1
    assert joiner.counts["orphan"] == 1


def test_feedback_before_its_decision_is_held_and_joined() -> None:
    joiner = Joiner(RULE, 10)
    joiner.take(feedback("early"), 0)
    joiner.take(play("early play"), S)
    joiner.take(decision(), 3 * S)
    (outcome,) = joiner.advance(5 * S)
    assert [event.event_id for event in outcome.events] == ["early", "early play"]
    assert outcome.closed_by == "play"
    assert joiner.counts["held"] == joiner.counts["joined"] == 2


def test_late_is_told_from_orphaned() -> None:
    joiner = Joiner(RULE, 10)
    joiner.take(decision(), 0)
    joiner.take(feedback("late"), WINDOW + 1)
    joiner.take(feedback("lost", "never decided"), WINDOW + 1)
    joiner.advance(3 * WINDOW)
    assert joiner.counts["late"] == 1
    assert joiner.counts["orphan"] == 1
    assert joiner.counts["joined"] == 0


def test_a_repeated_decision_is_not_opened_again_after_closing() -> None:
    joiner = Joiner(RULE, 10)
    joiner.take(decision(), 0)
    assert len(joiner.take(decision(), WINDOW + 1)) == 1
    assert joiner.advance(10 * WINDOW) == []
    assert joiner.counts["duplicate"] == 1


def test_the_same_event_three_times_is_joined_once() -> None:
    joiner = Joiner(RULE, 10)
    joiner.take(decision(), 0)
    for at_us in (1, 2, 3):
        joiner.take(feedback("same"), at_us)
    (outcome,) = joiner.advance(WINDOW)
    assert len(outcome.events) == 1
    assert joiner.counts["duplicate"] == 2


def test_a_play_closes_soon_and_a_quick_abandon_does_not() -> None:
    joiner = Joiner(RULE, 10)
    joiner.take(decision("quick"), 0)
    joiner.take(decision("real"), 0)
    joiner.take(play("q", "quick", seconds=3), S)
    joiner.take(play("r", "real", seconds=300), S)
    (outcome,) = joiner.advance(3 * S)
    assert outcome.decision.decision_id == "real"
    assert outcome.closed_by == "play"


def test_a_play_never_moves_the_deadline_back() -> None:
    joiner = Joiner(RULE, 10)
    joiner.take(decision(), 0)
    joiner.take(play("late play"), WINDOW - S)
    assert len(joiner.advance(WINDOW)) == 1


def test_a_record_from_before_the_clock_is_taken_at_the_clock() -> None:
    joiner = Joiner(RULE, 10)
    joiner.advance(50 * S)
    joiner.take(decision(), 10 * S, late=True)
    assert joiner.advance(50 * S + WINDOW - 1) == []
    (outcome,) = joiner.advance(50 * S + WINDOW)
    assert outcome.decided_at_us == 50 * S


def test_past_the_limit_the_oldest_close_early() -> None:
    joiner = Joiner(RULE, 2)
    closed = [
        outcome
        for at_us, name in enumerate("abcd")
        for outcome in joiner.take(decision(name), at_us)
    ]
    assert [(o.decision.decision_id, o.closed_by) for o in closed] == [
        ("a", "evicted"),
        ("b", "evicted"),
    ]
    assert joiner.waiting == 2


def test_memory_is_bounded_and_comes_back() -> None:
    joiner = Joiner(RULE, 3)
    for at_us in range(50):
        joiner.take(decision(f"d{at_us}"), at_us)
    assert len(joiner._entries) <= 6
    joiner.advance(10 * WINDOW)
    assert joiner.oldest_needed_us() is None
    assert (joiner._strays, joiner._stray_ends, joiner._closed) == ({}, [], {})


def test_a_changed_window_does_not_open_again_what_was_closed() -> None:
    joiner = Joiner(RULE, 10)
    joiner.take(decision(), 0)
    joiner.advance(WINDOW)
    items = [MergedRecord(LoggedRecord("s", 1, 0, decision()), 0, late=False)]
    longer = RewardRule(window_s=1000)
    rebuilt = Joiner.rebuild(longer, 10, joiner.memo(), items)
    assert rebuilt.advance(10**12) == []
    assert rebuilt.counts["closed"] == 1


def test_events_past_the_limit_are_counted_and_not_kept() -> None:
    joiner = Joiner(RULE, 10, events_max=3)
    joiner.take(decision(), 0)
    for number in range(5):
        joiner.take(feedback(f"e{number}"), 1 + number)
    joiner.take(feedback("e0"), 9)
    joiner.take(play("would close"), 10)
    assert joiner.advance(WINDOW - 1) == []
    (outcome,) = joiner.advance(WINDOW)
    assert [event.event_id for event in outcome.events] == ["e0", "e1", "e2"]
    assert outcome.closed_by == "window"
    assert (joiner.counts["joined"], joiner.counts["excess"]) == (3, 3)
    assert joiner.counts["duplicate"] == 1


def test_a_changed_limit_does_not_change_what_was_kept_under_the_old_one() -> None:
    joiner = Joiner(RULE, 10, events_max=2)
    records: list[Record] = [decision(), *(feedback(f"e{number}") for number in range(4))]
    for at_us, record in enumerate(records):
        joiner.take(record, at_us)
    items = [
        MergedRecord(LoggedRecord("s", at_us + 1, at_us, record), at_us, late=False)
        for at_us, record in enumerate(records)
    ]
    rebuilt = Joiner.rebuild(RULE, 10, joiner.memo(), items, events_max=3)
    rebuilt.take(feedback("e9"), 50)
    rebuilt.take(feedback("e10"), 51)
    (outcome,) = rebuilt.advance(WINDOW)
    assert [event.event_id for event in outcome.events] == ["e0", "e1", "e9"]
    assert rebuilt.counts["excess"] == 3


def test_dispositions_account_for_every_feedback() -> None:
    joiner = Joiner(RULE, 10)
    for record, at_us in (
        (feedback("1"), 0),
        (decision(), 1),
        (feedback("2"), 2),
        (feedback("2"), 3),
        (feedback("3", "nobody"), 4),
        (feedback("4"), WINDOW + 5),
    ):
        joiner.take(record, at_us)
    joiner.advance(10 * WINDOW)
    counts = joiner.counts
    settled = ("joined", "duplicate", "late", "orphan")
    assert sum(counts[name] for name in settled) == 5
    assert counts[Disposition.HELD] == 2
