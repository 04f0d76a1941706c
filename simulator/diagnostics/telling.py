"""How many rounds an interval's width rests on.

Rounds that count may still tell little: where clicks are rare, 160 effective rounds with none among
them give a value of 0 and no spread at all. What a value turns on is z = w (r - v), a round's share
of the error of v = Σ w r / Σ w, and the number of rounds that carry the spread is

    (Σ z²)² / Σ z⁴

the inverse of the shares' concentration: n where all z are of one size; k where k equally weighted
clicks stand among many rounds without; 0 where every round that counts earned the same, be it 0 or
1. Weights that are very uneven lower it too. It is n over the kurtosis of z, so that the usual
demand that a normal interval be made of 10 to 15 events at least carries over to any reward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bandit.types import FloatArray

POWERS: Final = 5


def telling_rounds(
    weight: FloatArray, reward: FloatArray, cluster: npt.NDArray[np.int64] | None = None
) -> float:
    """Return the number for weights and rewards of shape (n,); of clusters where there are some."""
    if _all_alike(weight, reward):
        return 0.0
    value = float((weight * reward).sum()) / float(weight.sum())
    share = weight * (reward - value)
    if cluster is not None:
        _, unit = np.unique(cluster, return_inverse=True)
        share = np.bincount(unit, weights=share).astype(np.float64)
    squares = share * share
    fourth = float((squares * squares).sum())
    return float(squares.sum()) ** 2 / fourth if fourth > 0 else 0.0


def _all_alike(weight: FloatArray, reward: FloatArray) -> bool:
    counted = reward[weight > 0]
    return not len(counted) or float(counted.min()) == float(counted.max())


@dataclass(frozen=True, slots=True, eq=False)
class TellingSums:
    """What a stream keeps to tell the same number at its end, when v is known."""

    second: FloatArray
    """Shape (5,): Σ w² rᵏ for k = 0 to 4."""
    fourth: FloatArray
    """Shape (5,): Σ w⁴ rᵏ."""
    total: float = 0.0
    """Σ w."""
    earned: float = 0.0
    """Σ w r."""
    lowest: float = np.inf
    """Of the rewards of rounds with weight."""
    highest: float = -np.inf

    @classmethod
    def none(cls) -> TellingSums:
        """Return the sums of no rounds."""
        return cls(np.zeros(POWERS), np.zeros(POWERS))

    def plus(self, weight: FloatArray, reward: FloatArray) -> TellingSums:
        """Return the sums with further rounds."""
        counted = weight > 0
        weight, reward = weight[counted], reward[counted]
        squares = weight * weight
        powers = [reward**power for power in range(POWERS)]
        return TellingSums(
            self.second + np.array([float((squares * power).sum()) for power in powers]),
            self.fourth + np.array([float((squares * squares * power).sum()) for power in powers]),
            self.total + float(weight.sum()),
            self.earned + float((weight * reward).sum()),
            min(self.lowest, float(reward.min(initial=np.inf))),
            max(self.highest, float(reward.max(initial=-np.inf))),
        )

    def rounds(self) -> float:
        """Return the number, by the binomials of (r - v)² and (r - v)⁴."""
        if not self.lowest < self.highest:
            return 0.0
        value = self.earned / self.total
        squares = float(self.second[:3] @ np.array([value**2, -2 * value, 1.0]))
        signs = np.array([value**4, -4 * value**3, 6 * value**2, -4 * value, 1.0])
        fourth = float(self.fourth @ signs)
        return max(squares, 0.0) ** 2 / fourth if fourth > 0 else 0.0
