"""What viewers do with what they see, drawn and on average.

Of a card that is seen, the chance of a play follows from its appeal; clicks that lead to no play
come half as often. Some plays are abandoned at once, more of them where the artwork promised more
than the title keeps. What is watched else is a share X of the title's length with P(X ≤ x) = x^a,
a minute at the least.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from bandit.reward import RewardRule
from bandit.types import BoolArray, Float32Array, FloatArray
from simulator.environments.rewards import display_rewards
from simulator.environments.viewers import Appeal
from simulator.pages import Codes

CLICKS_WITHOUT_PLAY: Final = 0.5
"""Clicks that lead to no play, per play."""
ABANDONS: Final = 0.12
ABANDONS_WHEN_MISLED: Final = 0.2
PROMISES: Final = 0.4
"""From which appeal on an artwork promises what a title without appeal does not keep."""
ABANDONS_AFTER_S: Final = (3.0, 25.0)
WATCHED_SHAPE: Final = 1.78
"""The a of P(X ≤ x) = x^a: 64 % of a title is watched on average."""
WATCHED_MIN_S: Final = 60.0
NODES: Final = 4096
"""Of the midpoint rule that takes averages over what is watched."""


class Acts(NamedTuple):
    """What was done with n cards that were seen; arrays of shape (n,)."""

    clicked: BoolArray
    played: BoolArray
    seconds: FloatArray
    fraction: FloatArray


def abandon_chance(appeal: Appeal) -> Float32Array:
    """Return the chance that a play is abandoned at once."""
    misled = (appeal.artwork > PROMISES) & (appeal.title < 0)
    return np.asarray(ABANDONS + ABANDONS_WHEN_MISLED * misled, np.float32)


def click_chance(play: Float32Array) -> Float32Array:
    """Return the chance of a click without a play, given that of a play."""
    return np.asarray(np.minimum(np.float32(CLICKS_WITHOUT_PLAY) * play, 1 - play), np.float32)


def act(
    appeal: Appeal, length_s: FloatArray, luck: Float32Array, random: np.random.Generator
) -> Acts:
    """Draw what viewers do with cards seen: ``luck`` decides of plays and clicks, (n,) uniforms."""
    play = appeal.chance()
    played = luck < play
    clicked = luck < play + click_chance(play)
    seconds, fraction = np.zeros(len(play)), np.zeros(len(play))
    at = np.flatnonzero(played)
    length = length_s[at]
    abandons = random.random(len(at)) < abandon_chance(Appeal(*(part[at] for part in appeal)))
    watched = random.random(len(at))
    seconds[at] = np.where(abandons, _abandoned_s(watched, length), _watched_s(watched, length))
    fraction[at] = np.minimum(1.0, seconds[at] / length)
    return Acts(clicked, played, seconds, fraction)


def _watched_s(luck: FloatArray, length_s: FloatArray) -> FloatArray:
    share = luck ** (1 / WATCHED_SHAPE)
    return np.maximum(length_s * share, np.minimum(WATCHED_MIN_S, length_s))


def _abandoned_s(luck: FloatArray, length_s: FloatArray) -> FloatArray:
    low, high = ABANDONS_AFTER_S
    return np.minimum(low + (high - low) * luck, length_s)


class Worth:
    """The average reward of a card that is seen, by a rule, for T titles.

    Averages over what is watched are taken by the midpoint rule over ``NODES`` quantiles; where
    the rule is smooth in the time watched, as the default is, they are exact to 1e-6, and where it
    jumps to 1 / ``NODES`` of the jump.
    """

    def __init__(self, rule: RewardRule, minutes: FloatArray) -> None:
        lengths, title_length = np.unique(minutes * 60, return_inverse=True)
        luck = (np.arange(NODES) + 0.5) / NODES
        pairs = [_mean_worths(rule, luck, float(length)) for length in lengths]
        self._watched = np.array([watched for watched, _ in pairs])[title_length]
        self._abandoned = np.array([abandoned for _, abandoned in pairs])[title_length]
        self._click = _one(rule, clicked=True)
        self.default = _one(rule, clicked=False)
        """Reward of what was seen and not touched."""

    def of(self, appeal: Appeal, title: Codes) -> FloatArray:
        """Return the average reward of cards that are seen, in the cards' shape."""
        play = appeal.chance()
        click = click_chance(play)
        abandons = abandon_chance(appeal)
        of_play = (1 - abandons) * self._watched[title] + abandons * self._abandoned[title]
        return np.asarray(play * of_play + click * self._click + (1 - play - click) * self.default)


def _mean_worths(rule: RewardRule, luck: FloatArray, length_s: float) -> tuple[float, float]:
    """Return the mean reward of a play that goes on, and of one that is abandoned."""
    length = np.full(len(luck), length_s)
    yes = np.ones(len(luck), np.bool_)
    watched, abandoned = (
        display_rewards(rule, yes, yes, seconds, np.minimum(1.0, seconds / length))
        for seconds in (_watched_s(luck, length), _abandoned_s(luck, length))
    )
    return float(watched.mean()), float(abandoned.mean())


def _one(rule: RewardRule, *, clicked: bool) -> float:
    yes, no, none = np.array([clicked]), np.array([False]), np.zeros(1)
    return float(display_rewards(rule, yes, no, none, none)[0])
