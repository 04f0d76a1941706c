"""What importance weights tell, summed up: one construction for whole logs and for streams.

Rounds of one viewer hang together: what a viewer sees is drawn once and stays for a while, so that
8 viewers of 2,000 visits each are 8 draws, not 16,000. Where viewers are known, everything that
rests on independence goes by their sums: effective viewers (Kish over summed weights), the largest
share of all the weight, the test that weights average 1, and what rewards tell. Elsewhere each
round is a unit of its own.

A block of rounds is summed up and merged with what came before (Chan, Golub and LeVeque, 1979), so
that a log in one piece and the same log in batches give one answer, and nothing cancels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from bandit.types import FloatArray, IndexArray
from simulator.diagnostics.telling import TellingSums
from simulator.errors import EstimationError
from simulator.moments import Moments
from simulator.terms import Terms

MEAN_TOLERANCE: Final = 1e-6
"""A mean weight so near to 1 is 1: propensities are rounded, often to single precision."""
MAX_TOLERANCE: Final = 1e-9
"""Relative: a weight may pass the largest possible one by so much, which is rounding."""


class Weights(NamedTuple):
    """What the weights of n rounds tell."""

    rounds: int
    effective: float
    """Rounds: (Σw)² / Σw² (Kish, 1965)."""
    largest: float
    """Of a round."""
    mean: float
    p_value: float
    """Two-sided, of a mean of 1."""
    zero_share: float
    """Of rounds."""
    top_share: float
    """The largest unit's share of all the weight."""
    telling: float | None = None
    """Units that the spread rests on; None: rewards were not looked at."""
    viewers: int | None = None
    """The units, where they are not rounds; None: viewers are not known."""
    effective_viewers: float | None = None
    """(ΣW)² / ΣW² of viewers' summed weights."""

    @property
    def units(self) -> int:
        """How many viewers there are or, where they are not known, rounds."""
        return self.rounds if self.viewers is None else self.viewers

    @property
    def effective_units(self) -> float:
        """How many of them count."""
        return self.effective if self.effective_viewers is None else self.effective_viewers

    @property
    def unit(self) -> str:
        """What a unit is called."""
        return "round" if self.viewers is None else "viewer"

    @classmethod
    def of(
        cls,
        weight: FloatArray,
        cluster: npt.NDArray[np.int64] | None = None,
        reward: FloatArray | None = None,
    ) -> Weights:
        """Sum up weights of shape (n,); by clusters, where there are some, what hangs together."""
        sums = WeightSums.none().plus(weight, reward)
        if cluster is not None:
            _, unit = np.unique(cluster, return_inverse=True)
            earned = None if reward is None else _by_unit(unit, weight * reward)
            size = np.ones(len(weight))
            sums = sums.by_viewer(_by_unit(unit, size), _by_unit(unit, weight), earned)
        return cls.of_sums(sums)

    @classmethod
    def of_sums(cls, sums: WeightSums) -> Weights:
        """Return what sums tell; there must be a round."""
        by_viewer = sums.viewers is not None
        units = sums.rounds_alone if sums.viewers is None else sums.viewers
        return cls(
            rounds=sums.rounds,
            effective=sums.effective_rounds,
            largest=sums.largest,
            mean=sums.rounds_alone.mean,
            p_value=units.p_value(),
            zero_share=sums.zeros / sums.rounds,
            top_share=units.top_share(),
            telling=None if units.telling is None else units.telling.rounds(),
            viewers=units.count if by_viewer else None,
            effective_viewers=units.effective() if by_viewer else None,
        )


def _by_unit(unit: IndexArray, values: FloatArray) -> FloatArray:
    return np.bincount(unit, values).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class UnitSums:
    """Weights by unit, summed up; W is a unit's summed weight, N its number of rounds."""

    moments: Moments
    """Of W - N (its base) and of W (its numerator)."""
    heaviest: float
    """The largest W."""
    telling: TellingSums | None
    """None: rewards were not looked at."""

    @classmethod
    def none(cls) -> UnitSums:
        """Return the sums of no units."""
        nothing = np.zeros(0)
        return cls(Moments.of(Terms(nothing, base=nothing)), 0.0, TellingSums.none())

    def plus(self, size: FloatArray, weight: FloatArray, reward: FloatArray | None) -> UnitSums:
        """Return the sums with further units: N, W and weighted mean rewards, each (units,)."""
        telling = self.telling
        return UnitSums(
            self.moments.merge(Moments.of(Terms(weight, base=weight - size))),
            max(self.heaviest, float(weight.max(initial=0.0))),
            None if telling is None or reward is None else telling.plus(weight, reward),
        )

    def merge(self, other: UnitSums) -> UnitSums:
        """Return the sums of both together; no unit may be in both."""
        telling = self.telling
        return UnitSums(
            self.moments.merge(other.moments),
            max(self.heaviest, other.heaviest),
            None if telling is None or other.telling is None else telling.merge(other.telling),
        )

    @property
    def count(self) -> int:
        """How many units there are."""
        return self.moments.count

    @property
    def mean(self) -> float:
        """Return the mean of W."""
        return float(self.moments.mean[1])

    def effective(self) -> float:
        """Return (ΣW)² / ΣW² by way of the variance, which does not overflow."""
        if self.mean <= 0:
            return 0.0
        spread = float(self.moments.products[1, 1])
        return self.count / (1 + spread / (self.count * self.mean**2))

    def top_share(self) -> float:
        """Return the largest unit's share of all the weight."""
        return self.heaviest / (self.count * self.mean) if self.mean > 0 else 0.0

    def p_value(self) -> float:
        """Return the two-sided p-value of weights that average 1, by Student's t."""
        apart = abs(float(self.moments.mean[0]))
        size = self.mean - float(self.moments.mean[0])
        if self.count < 2 or apart <= MEAN_TOLERANCE * size:
            return 1.0
        spread = float(self.moments.products[0, 0])
        error = math.sqrt(spread / (self.count - 1) / self.count)
        return float(2 * stdtr(self.count - 1, -apart / error)) if error > 0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class WeightSums:
    """What is kept of a stream's weights."""

    rounds_alone: UnitSums
    """Each round as a unit."""
    largest: float = 0.0
    zeros: int = 0
    """Rounds whose action the target would never take."""
    viewers: UnitSums | None = None
    """The same rounds by viewer, where viewers are known."""

    @classmethod
    def none(cls) -> WeightSums:
        """Return the sums of no rounds."""
        return cls(UnitSums.none())

    @property
    def rounds(self) -> int:
        """How many rounds there were."""
        return self.rounds_alone.count

    @property
    def effective_rounds(self) -> float:
        """(Σw)² / Σw² (Kish, 1965)."""
        return self.rounds_alone.effective()

    def plus(self, weight: FloatArray, reward: FloatArray | None = None) -> WeightSums:
        """Return the sums with further rounds; arrays are of shape (n,)."""
        return WeightSums(
            self.rounds_alone.plus(np.ones(len(weight)), weight, reward),
            max(self.largest, float(weight.max(initial=0.0))),
            self.zeros + int((weight == 0).sum()),
        )

    def merge(self, other: WeightSums) -> WeightSums:
        """Return the sums of both together, rounds as units of their own."""
        return WeightSums(
            self.rounds_alone.merge(other.rounds_alone),
            max(self.largest, other.largest),
            self.zeros + other.zeros,
        )

    def by_viewer(
        self, size: FloatArray, weight: FloatArray, earned: FloatArray | None = None
    ) -> WeightSums:
        """Return the sums with the same rounds by viewer.

        Arrays are of shape (viewers,): each viewer's rounds, Σw and Σwr.
        """
        reward = None
        if earned is not None:
            reward = np.divide(earned, weight, out=np.zeros_like(earned), where=weight > 0)
        return replace(self, viewers=UnitSums.none().plus(size, weight, reward))


def check_weight_max(seen: float, said: float | None) -> None:
    """Check that no weight is above the largest that is said to be possible.

    Raises:
        EstimationError: one is.
    """
    if said is not None and seen > said * (1 + MAX_TOLERANCE):
        raise EstimationError(
            f"a weight of {seen:.6g} was seen, and {said:.6g} is said to be the largest possible",
            hint="give the largest that could occur, the target's largest probability over the "
            "smallest propensity possible; or none, where that is not known",
        )
