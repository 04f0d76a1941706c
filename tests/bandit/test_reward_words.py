"""Rewards in words: the reward is the rule's own, and the sentence names its steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.events import FeedbackRecord
from bandit.reward import RewardRule
from bandit.reward_words import row_reason, title_reason
from bandit.types import FeedbackType


def event(kind: FeedbackType, **more: float) -> FeedbackRecord:
    return FeedbackRecord(
        event_id="e", decision_id="d", type=kind, title="t",
        seconds=more.get("seconds"), fraction=more.get("fraction"),
    )  # fmt: skip


SEEN, CLICK = event("impression"), event("click")
SHORT, LONG = event("play", seconds=5.0), event("play", seconds=120.0)


@pytest.mark.parametrize(
    ("rule", "events", "why"),
    [
        (RewardRule(), [SEEN], "seen, nothing done: default reward 0"),
        (RewardRule(default=0.1), [], "taken as seen, nothing done: default reward 0.1"),
        (RewardRule(), [SEEN, CLICK], "clicked (0.2): reward 0.2"),
        (RewardRule(), [LONG], "played 120 s (0.5): reward 0.5"),
        (RewardRule(), [event("play", fraction=1.0)], "played 100% of it (1): reward 1"),
        (RewardRule(), [event("play")], "played (0.5): reward 0.5"),
        (RewardRule(), [SHORT],
         "played 5 s, a quick abandon (-0.1); 0.1 is taken for the quick abandon; at least 0: "
         "reward 0"),
        (RewardRule(), [CLICK, LONG],
         "clicked (0.2), played 120 s (0.5); the best counts: reward 0.5"),
        (RewardRule(default=0.3), [CLICK],
         "clicked (0.2); the default 0.3 is more: reward 0.3"),
        (RewardRule(aggregation="sum"), [CLICK], "clicked (0.2): reward 0.2"),
        (RewardRule(aggregation="sum", default=0.5, play=0.9), [CLICK, LONG],
         "clicked (0.2), played 120 s (0.9); summed with the default 0.5; at most 1: reward 1"),
        (RewardRule(aggregation="last"), [LONG, CLICK],
         "played 120 s (0.5), clicked (0.2); the last counts: reward 0.2"),
        (RewardRule(aggregation="last", default=0.3), [SHORT],
         "played 5 s, a quick abandon (-0.1); taken from the default 0.3: reward 0.2"),
    ],
)  # fmt: skip
def test_the_steps_are_named(rule: RewardRule, events: list[FeedbackRecord], why: str) -> None:
    assert title_reason(rule, events).why == why


@given(
    events=st.lists(st.sampled_from([SEEN, CLICK, SHORT, LONG]), max_size=5),
    default=st.sampled_from([0.0, 0.4, 1.0]),
    aggregation=st.sampled_from(["max", "sum", "last"]),
)
def test_the_reward_is_the_rules(
    events: list[FeedbackRecord], default: float, aggregation: str
) -> None:
    rule = RewardRule(default=default, aggregation=aggregation)  # type: ignore[arg-type]
    told = title_reason(rule, events)
    assert told.reward == rule.reward(events)
    assert told.why.endswith(f"reward {told.reward:g}")
    assert ("; at most 1" in told.why) <= (told.reward == 1)
    assert ("; at least 0" in told.why) <= (told.reward == 0)


@pytest.mark.parametrize(
    ("rule", "rewards", "why"),
    [
        (RewardRule(), {}, "seen, none of its titles was: default reward 0"),
        (RewardRule(), {"a": 0.5}, "its one seen title, a: reward 0.5"),
        (RewardRule(), {"a": 0.2, "b": 0.5},
         "the best of its 2 seen titles, b: reward 0.5"),
        (RewardRule(row_aggregation="mean"), {"a": 0.0, "b": 0.5},
         "the mean of its 2 seen titles: reward 0.25"),
        (RewardRule(row_aggregation="sum"), {"a": 0.7, "b": 0.5},
         "the sum of its 2 seen titles: reward 1"),
    ],
)  # fmt: skip
def test_a_rows_reward_is_made_of_its_titles(
    rule: RewardRule, rewards: dict[str, float], why: str
) -> None:
    assert row_reason(rule, rewards, pinned=False).why == why
    pinned = row_reason(rule, rewards, pinned=True)
    assert pinned.reward == rule.row_reward(list(rewards.values()))
    assert pinned.why == f"{why}; pinned, so not learned from"
