from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.events import FeedbackRecord
from bandit.reward import RewardRule

RULE = RewardRule(
    click=0.2,
    play=0.4,
    play_seconds=0.2,
    seconds_full=1000,
    play_fraction=0.4,
    quick_abandon_s=30,
    quick_abandon_penalty=0.1,
)


def _event(
    kind: Literal["impression", "click", "play"],
    seconds: float | None = None,
    fraction: float | None = None,
) -> FeedbackRecord:
    return FeedbackRecord(
        event_id="e", decision_id="d", type=kind, title="t", seconds=seconds, fraction=fraction
    )


SEEN, CLICK = _event("impression"), _event("click")
PLAY, ABANDON = _event("play", 500, 0.25), _event("play", 5)


def _with(**changes: float | str) -> RewardRule:
    return msgspec.structs.replace(RULE, **changes)


@pytest.mark.parametrize(
    ("event", "worth"),
    [
        (SEEN, 0.0),
        (CLICK, 0.2),
        (_event("play"), 0.4),
        (PLAY, 0.4 + 0.1 + 0.1),
        (_event("play", 99_999), 0.6),
        (_event("play", fraction=1.0), 0.8),
        (ABANDON, -0.1),
        (_event("play", 29.99), -0.1),
        (_event("play", 30), 0.4 + 0.2 * 0.03),
    ],
)
def test_the_worth_of_one_event(event: FeedbackRecord, worth: float) -> None:
    assert RULE.worth(event) == pytest.approx(worth)


def test_a_play_of_unknown_length_is_no_quick_abandon() -> None:
    assert not RULE.is_quick_abandon(_event("play"))
    assert not RULE.is_quick_abandon(_event("click", 1))
    assert not _with(quick_abandon_s=0).is_quick_abandon(_event("play", 0))


@pytest.mark.parametrize("aggregation", ["max", "sum", "last"])
def test_what_was_not_touched_earns_the_default(aggregation: str) -> None:
    rule = _with(default=0.3, aggregation=aggregation)
    assert rule.reward([]) == 0.3
    assert rule.reward([SEEN, SEEN]) == 0.3
    assert rule.reward([ABANDON]) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("aggregation", "events", "reward"),
    [
        ("max", [CLICK, PLAY], 0.6),
        ("max", [PLAY, CLICK], 0.6),
        ("max", [CLICK, ABANDON], 0.1),
        ("max", [ABANDON, ABANDON], 0.0),
        ("sum", [CLICK, PLAY], 0.8),
        ("sum", [CLICK, CLICK, ABANDON], 0.3),
        ("sum", [PLAY, PLAY], 1.0),
        ("last", [PLAY, CLICK, SEEN], 0.2),
        ("last", [CLICK, PLAY], 0.6),
        ("last", [PLAY, ABANDON], 0.0),
    ],
)
def test_aggregation(aggregation: str, events: list[FeedbackRecord], reward: float) -> None:
    assert _with(aggregation=aggregation).reward(events) == pytest.approx(reward)


@pytest.mark.parametrize("aggregation", ["max", "last", "sum"])
def test_a_touch_never_earns_less_than_none(aggregation: str) -> None:
    assert _with(default=0.5, aggregation=aggregation).reward([CLICK]) >= 0.5


@pytest.mark.parametrize(("aggregation", "reward"), [("max", 0.6), ("sum", 1.0), ("mean", 1.2 / 3)])
def test_a_row_earns_from_its_titles(aggregation: str, reward: float) -> None:
    rule = _with(row_aggregation=aggregation)
    assert rule.row_reward([0.0, 0.6, 0.6]) == pytest.approx(reward)


def test_a_row_of_nothing_earns_the_default() -> None:
    assert _with(default=0.25).row_reward([]) == 0.25


UNIT = st.floats(0, 1)
EVENTS = st.lists(
    st.builds(
        _event,
        st.sampled_from(["impression", "click", "play"]),
        st.none() | st.floats(0, 1e6),
        st.none() | UNIT,
    ),
    max_size=6,
)
RULES = st.builds(
    RewardRule,
    default=UNIT,
    click=UNIT,
    play=UNIT,
    play_seconds=UNIT,
    play_fraction=UNIT,
    quick_abandon_penalty=UNIT,
    aggregation=st.sampled_from(["max", "sum", "last"]),
    row_aggregation=st.sampled_from(["max", "sum", "mean"]),
)


@given(RULES, st.lists(EVENTS, max_size=4))
def test_rewards_lie_in_the_unit_interval(
    rule: RewardRule, displays: list[list[FeedbackRecord]]
) -> None:
    rewards = [rule.reward(events) for events in displays]
    assert all(0 <= reward <= 1 for reward in [*rewards, rule.row_reward(rewards)])


@given(RULES, EVENTS, EVENTS)
def test_impressions_change_nothing(
    rule: RewardRule, events: list[FeedbackRecord], others: list[FeedbackRecord]
) -> None:
    impressions = [event for event in others if event.type == "impression"]
    assert rule.reward([*impressions, *events, *impressions]) == rule.reward(events)
