"""Rewards of arrays of displays, against the rule that production rewards events by."""

from __future__ import annotations

from typing import Literal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.events import FeedbackRecord
from bandit.reward import RewardRule
from bandit.types import FeedbackType
from simulator.environments.rewards import display_rewards

share = st.floats(0, 1)
rules = st.builds(
    RewardRule,
    default=share,
    click=share,
    play=share,
    play_seconds=share,
    seconds_full=st.floats(1, 3600),
    play_fraction=share,
    quick_abandon_s=st.sampled_from([0.0, 30.0, 90.0]),
    quick_abandon_penalty=share,
    aggregation=st.sampled_from(["max", "sum", "last"]),
)
seen = st.tuples(st.booleans(), st.booleans(), st.floats(0, 7200), share)


def _event(kind: FeedbackType, seconds: float = 0, fraction: float = 0) -> FeedbackRecord:
    told: tuple[float | None, float | None] = (
        (seconds, fraction) if kind == "play" else (None, None)
    )
    return FeedbackRecord(
        event_id="e", decision_id="d", type=kind, title="t", seconds=told[0], fraction=told[1]
    )


def _one_by_one(rule: RewardRule, displays: list[tuple[bool, bool, float, float]]) -> list[float]:
    rewards = []
    for clicked, played, seconds, fraction in displays:
        events = [_event("impression")]
        if clicked:
            events.append(_event("click"))
        if played:
            events.append(_event("play", seconds, fraction))
        rewards.append(rule.reward(events))
    return rewards


@settings(max_examples=300, deadline=None)
@given(rules, st.lists(seen, min_size=1, max_size=12))
def test_arrays_are_rewarded_as_events_are(
    rule: RewardRule, displays: list[tuple[bool, bool, float, float]]
) -> None:
    clicked, played, seconds, fraction = (np.array(part) for part in zip(*displays, strict=True))
    found = display_rewards(rule, clicked, played, seconds, fraction)
    assert np.allclose(found, _one_by_one(rule, displays), rtol=0, atol=1e-12)


def test_each_aggregation_differs_on_a_click_and_an_abandon() -> None:
    yes, seconds, fraction = np.array([True]), np.array([5.0]), np.array([0.01])
    found: dict[str, float] = {}
    names: tuple[Literal["max", "sum", "last"], ...] = ("max", "sum", "last")
    for name in names:
        rule = RewardRule(default=0.3, click=0.4, quick_abandon_penalty=0.1, aggregation=name)
        found[name] = round(float(display_rewards(rule, yes, yes, seconds, fraction)[0]), 9)
    assert found == {"max": 0.3, "sum": 0.6, "last": 0.2}
