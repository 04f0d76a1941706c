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
    play = _of_plays(
        rule,
        seconds.ravel()[touched].astype(np.float64),
        fraction.ravel()[touched].astype(np.float64),
    )
    np.put(
        reward, touched, _together(rule, clicked.ravel()[touched], played.ravel()[touched], play)
    )
    return reward


def _of_plays(rule: RewardRule, seconds: FloatArray, fraction: FloatArray) -> FloatArray:
    """Return what plays earn."""
    full = np.minimum(1.0, seconds / rule.seconds_full)
    watched = rule.play + rule.play_seconds * full + rule.play_fraction * fraction
    abandoned = seconds < rule.quick_abandon_s
    return np.where(abandoned, -rule.quick_abandon_penalty, watched)


def _together(
    rule: RewardRule, clicked: BoolArray, played: BoolArray, play: FloatArray
) -> FloatArray:
    """Return the rewards of displays that were clicked or played; ``play`` as if all were."""
    if rule.aggregation == "sum":
        total = np.asarray(rule.default + clicked * rule.click + played * play)
    else:
        gained = np.maximum(rule.default, np.where(played, play, 0.0))
        # Of the last event alone a click counts where no play came after it.
        counts = clicked if rule.aggregation == "max" else clicked & ~played
        gained = np.maximum(gained, np.where(counts, rule.click, 0.0))
        total = gained + np.where(played, np.minimum(play, 0.0), 0.0)
    return np.asarray(np.clip(total, 0.0, 1.0))
