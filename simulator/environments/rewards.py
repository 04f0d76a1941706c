"""The reward rule on arrays: many displays at once, each with a click, a play, both or neither.

It gives what :meth:`bandit.reward.RewardRule.reward` gives on the same events; a test holds the
two together. A display has a click at most, and then a play at most, in this order.
"""

from __future__ import annotations

import numpy as np

from bandit.reward import RewardRule
from bandit.types import BoolArray, FloatArray


def display_rewards(
    rule: RewardRule,
    clicked: BoolArray,
    played: BoolArray,
    seconds: FloatArray,
    fraction: FloatArray,
) -> FloatArray:
    """Return the rewards of displays; all arrays have one shape."""
    reward = np.full(clicked.shape, rule.default)
    touched = np.flatnonzero(clicked | played)
    some = _touched(
        rule,
        clicked.ravel()[touched],
        played.ravel()[touched],
        seconds.ravel()[touched].astype(np.float64),
        fraction.ravel()[touched].astype(np.float64),
    )
    np.put(reward, touched, some)
    return reward


def _touched(
    rule: RewardRule,
    clicked: BoolArray,
    played: BoolArray,
    seconds: FloatArray,
    fraction: FloatArray,
) -> FloatArray:
    full = np.minimum(1.0, seconds / rule.seconds_full)
    watched = rule.play + rule.play_seconds * full + rule.play_fraction * fraction
    abandoned = seconds < rule.quick_abandon_s
    play = np.where(abandoned, -rule.quick_abandon_penalty, watched)
    total: FloatArray
    if rule.aggregation == "sum":
        total = np.asarray(rule.default + clicked * rule.click + played * play)
    else:
        gained = np.maximum(rule.default, np.where(played, play, 0.0))
        taken = np.where(played, np.minimum(play, 0.0), 0.0)
        if rule.aggregation == "max":
            gained = np.maximum(gained, np.where(clicked, rule.click, 0.0))
        else:
            gained = np.maximum(gained, np.where(clicked & ~played, rule.click, 0.0))
        total = gained + taken
    return np.asarray(np.clip(total, 0.0, 1.0))
