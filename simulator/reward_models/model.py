"""What a reward model is to the rest, and what it is trained on."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from bandit.types import BoolArray, FloatArray
from simulator.encoding import Pairs, Sets, Space


class Training(NamedTuple):
    """m rounds to learn from."""

    space: Space
    pairs: Pairs
    """Each round with the item it chose."""
    reward: FloatArray
    """Shape (m,)."""
    weight: FloatArray | None
    """Shape (m,), not negative, not all 0; None weighs all alike."""


class RewardModel(Protocol):
    """Predicts rewards."""

    def predict(self, pairs: Pairs) -> FloatArray:
        """Return (m,) the expected reward of each pair."""
        ...

    def table(self, sets: Sets, wanted: BoolArray) -> FloatArray:
        """Return (m, K) the expected reward of every item of each set.

        Where ``wanted``, (m, K), is false any finite number may stand. ``wanted`` is false where
        a set has no item.
        """
        ...


class RewardRange(NamedTuple):
    """The range of rewards that a model works in; what it predicts lies within.

    [0, 1] where all rewards lie in it, else from the least to the largest reward it was trained on.
    """

    low: float
    high: float

    @classmethod
    def of(cls, reward: FloatArray) -> RewardRange:
        """Return the range of rewards, (m,) with m > 0."""
        low, high = float(reward.min()), float(reward.max())
        return cls(0.0, 1.0) if low >= 0 and high <= 1 else cls(low, high)

    def to_unit(self, reward: FloatArray) -> FloatArray:
        """Map rewards to [0, 1]."""
        return (reward - self.low) / ((self.high - self.low) or 1.0)

    def from_unit(self, share: FloatArray) -> FloatArray:
        """Map [0, 1] back to rewards; what is outside is clipped."""
        return self.low + (self.high - self.low) * np.clip(share, 0.0, 1.0)


class Labelled(NamedTuple):
    """Training rows of a classifier."""

    row: np.ndarray
    """Shape (rows,): index into the rounds."""
    label: np.ndarray
    """Shape (rows,): 0 or 1."""
    weight: FloatArray
    """Shape (rows,): positive."""

    @property
    def one_sided(self) -> bool:
        """Whether all labels are alike, so that there is nothing to tell apart."""
        return len(self.label) == 0 or bool((self.label == self.label[0]).all())


def labelled(share: FloatArray, weight: FloatArray | None) -> Labelled:
    """Make rewards in [0, 1] into weighted labels, for classifiers that take labels alone.

    A reward r is a label 1 of weight r and a label 0 of weight 1 - r: the log loss of both together
    is that of fractional logistic regression (Papke and Wooldridge, 1996), least at the expected
    reward. Rewards that are 0 or 1 stay one row each; so do rounds of weight 0 leave no row.
    """
    of_round = np.ones(len(share)) if weight is None else weight
    good, bad = of_round * share, of_round * (1 - share)
    ones, zeros = np.flatnonzero(good > 0), np.flatnonzero(bad > 0)
    row = np.concatenate([ones, zeros])
    label = np.repeat(np.array([1, 0], np.int8), [len(ones), len(zeros)])
    return Labelled(row, label, np.concatenate([good[ones], bad[zeros]]))
