"""How many rounds an interval's width rests on.

Rounds that count may still tell little: where clicks are rare, 160 effective rounds with none among
them give a value of 0 and no spread at all. What a value turns on is z = w (r - v), a round's share
of the error of v = Σ w r / Σ w, and the number of rounds that carry the spread is

    (Σ z²)² / Σ z⁴

the inverse of the shares' concentration: n where all z are of one size; k where k equally weighted
clicks stand among many rounds without; 0 where every round that counts earned the same, be it 0 or
1. Weights that are very uneven lower it too. It is n over the kurtosis of z, so that the usual
demand that a normal interval be made of 10 to 15 events at least carries over to any reward.

A viewer, where viewers are known, is a round with the summed weight and the weighted mean reward of
all of theirs: its z is the sum of its rounds'.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Final

import numpy as np

from bandit.types import FloatArray

POWERS: Final = 5
ALIKE: Final = 1e-12
"""Relative: rewards, and viewers' mean rewards, no further apart are one and the same."""


@dataclass(frozen=True, slots=True, eq=False)
class TellingSums:
    """What a stream keeps to tell the number at its end, when v is known.

    Rewards are counted from the value of the first rounds, so that powers of r - v do not cancel.
    """

    second: FloatArray
    """Shape (5,): Σ w² (r - origin)ᵏ for k = 0 to 4."""
    fourth: FloatArray
    """Shape (5,): Σ w⁴ (r - origin)ᵏ."""
    total: float = 0.0
    """Σ w."""
    earned: float = 0.0
    """Σ w (r - origin)."""
    origin: float = 0.0
    lowest: float = np.inf
    """Of the rewards of rounds with weight."""
    highest: float = -np.inf

    @classmethod
    def none(cls) -> TellingSums:
        """Return the sums of no rounds."""
        return cls(np.zeros(POWERS), np.zeros(POWERS))

    def merge(self, other: TellingSums) -> TellingSums:
        """Return the sums of both together; the other's powers are counted anew from our origin."""
        if other.total == 0:
            return self
        if self.total == 0:
            return other
        shift = other.origin - self.origin
        return TellingSums(
            self.second + _from_elsewhere(other.second, shift),
            self.fourth + _from_elsewhere(other.fourth, shift),
            self.total + other.total,
            self.earned + other.earned + shift * other.total,
            self.origin,
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
        )

    def plus(self, weight: FloatArray, reward: FloatArray) -> TellingSums:
        """Return the sums with further rounds."""
        counted = weight > 0
        weight, reward = weight[counted], reward[counted]
        if not len(weight):
            return self
        origin = self.origin
        if self.total == 0:
            origin = float((weight * reward).sum()) / float(weight.sum())
        squares = weight * weight
        apart = reward - origin
        return TellingSums(
            self.second + _by_powers(squares, apart),
            self.fourth + _by_powers(squares * squares, apart),
            self.total + float(weight.sum()),
            self.earned + float((weight * apart).sum()),
            origin,
            min(self.lowest, float(reward.min())),
            max(self.highest, float(reward.max())),
        )

    def rounds(self) -> float:
        """Return the number, by the binomials of (r - v)² and (r - v)⁴."""
        if self.highest - self.lowest <= ALIKE * max(abs(self.highest), abs(self.lowest)):
            return 0.0
        value = self.earned / self.total
        squares = float(self.second[:3] @ np.array([value**2, -2 * value, 1.0]))
        signs = np.array([value**4, -4 * value**3, 6 * value**2, -4 * value, 1.0])
        fourth = float(self.fourth @ signs)
        return max(squares, 0.0) ** 2 / fourth if fourth > 0 else 0.0


def _by_powers(weighed: FloatArray, apart: FloatArray) -> FloatArray:
    """Return (5,) Σ weighed · apartᵏ for k = 0 to 4; products, as NumPy's powers are slow."""
    sums = np.empty(POWERS)
    for power in range(POWERS):
        sums[power] = weighed.sum()
        if power < POWERS - 1:
            weighed = weighed * apart
    return sums


def _from_elsewhere(sums: FloatArray, shift: float) -> FloatArray:
    """Return Σ w (x + shift)ᵏ for k = 0 to 4 from Σ w xᵏ, by the binomial theorem."""
    return np.array(
        [
            sum(comb(power, low) * shift ** (power - low) * sums[low] for low in range(power + 1))
            for power in range(POWERS)
        ]
    )
