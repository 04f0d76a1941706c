"""What is estimated, as a function of sums: the form that the normal interval and bootstrap share.

A unit is a round, or a viewer with all their rounds. Every value, and every difference of two, is

    Σ linear / Σ size  +  Σⱼ signⱼ · Σ numeratorⱼ / Σ denominatorⱼ

with sums over units, where ``size`` is the number of rounds in a unit. A resample of units gives
new sums, and so the ratios anew: nothing is normalised by what another resample saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.types import FloatArray
from simulator.errors import EstimationError, NoOverlapError
from simulator.terms import Terms

ClusterArray = npt.NDArray[np.int64]

NO_SPREAD: Final = "no spread was seen, which does not prove that there is none"
"""What is to be known of an interval of no width."""
ROUNDING: Final = 1e-12


class Ratio(NamedTuple):
    """One self-normalised part; arrays of shape (units,)."""

    numerator: FloatArray
    denominator: FloatArray
    sign: float = 1.0


@dataclass(frozen=True, slots=True)
class Statistic:
    """A value or a difference of values, by units."""

    units: int
    linear: FloatArray | None
    """Shape (units,), or None where nothing is a plain mean."""
    ratios: tuple[Ratio, ...]
    size: FloatArray | None = None
    """Shape (units,): rounds in each unit; None: one."""

    def columns(self) -> list[FloatArray]:
        """Return the (units,) arrays whose sums determine the value, in a fixed order."""
        found: list[FloatArray] = []
        if self.linear is not None:
            found.append(self.linear)
            if self.size is not None:
                found.append(self.size)
        for ratio in self.ratios:
            found += [ratio.numerator, ratio.denominator]
        return found

    def values(self, sums: FloatArray) -> FloatArray:
        """Return (R,) values from (columns, R) sums; NaN where a denominator's sum is 0."""
        parts = list(sums)
        value = np.zeros(sums.shape[1])
        if self.linear is not None:
            total = parts.pop(0)
            value += total / (self.units if self.size is None else parts.pop(0))
        with np.errstate(invalid="ignore", divide="ignore"):
            for ratio in self.ratios:
                numerator, mass = parts.pop(0), parts.pop(0)
                value += np.where(mass > 0, ratio.sign * numerator / mass, np.nan)
        return value

    def value(self) -> float:
        """Return the estimate.

        Raises:
            NoOverlapError: a denominator's sum is 0.
        """
        found = self.values(np.array([[column.sum()] for column in self.columns()]))[0]
        if np.isnan(found):
            raise NoOverlapError(
                "no round has weight under the target policy",
                hint="log with a policy that tries what the target chooses (more explore traffic)",
            )
        return float(found)

    def influence(self) -> FloatArray:
        """Return (units,) values of mean 0 whose spread is the estimate's (the delta method)."""
        found = np.zeros(self.units)
        if self.linear is not None:
            if self.size is None:
                found += self.linear - self.linear.mean()
            else:
                mean = self.linear.sum() / self.size.sum()
                found += (self.linear - mean * self.size) / self.size.mean()
        for ratio in self.ratios:
            value = ratio.numerator.sum() / ratio.denominator.sum()
            residual = ratio.numerator - value * ratio.denominator
            found += ratio.sign * residual / ratio.denominator.mean()
        return found

    def by_cluster(self, cluster: ClusterArray) -> Statistic:
        """Return the same value, with all rounds of a cluster as one unit.

        Raises:
            EstimationError: there is not one cluster code a round.
        """
        if cluster.shape != (self.units,):
            raise EstimationError(
                f"there are {self.units} rounds and cluster codes of shape {cluster.shape}",
                hint="give one code a round; rounds of one viewer share a code",
            )
        _, unit = np.unique(cluster, return_inverse=True)
        count = int(unit.max()) + 1 if self.units else 0

        def gather(values: FloatArray) -> FloatArray:
            return np.bincount(unit, weights=values, minlength=count).astype(np.float64)

        return Statistic(
            count,
            None if self.linear is None else gather(self.linear),
            tuple(
                Ratio(gather(ratio.numerator), gather(ratio.denominator), ratio.sign)
                for ratio in self.ratios
            ),
            np.bincount(unit, minlength=count).astype(np.float64),
        )


def notes_of_ends(low: float, high: float, *notes: str) -> str:
    """Return an interval's notes, with one more where its ends are equal but for rounding."""
    alike = high - low <= ROUNDING * max(abs(low), abs(high))
    return "; ".join(note for note in (*notes, NO_SPREAD if alike else "") if note)


def statistic_of(terms: Terms) -> Statistic:
    """Return an estimator's value as a statistic of rounds."""
    if terms.denominator is None:
        return Statistic(len(terms), terms.influence(), ())
    # One ratio, or, of rankings normalised position by position, one a column.
    columns = (np.atleast_2d(values.T) for values in (terms.numerator, terms.denominator))
    return Statistic(len(terms), terms.base, tuple(map(Ratio, *map(np.ascontiguousarray, columns))))


def difference(first: Terms, second: Terms) -> Statistic:
    """Return the second's value less the first's, both on the same rounds.

    What the two have in common cancels round by round, so that the difference is often far more
    certain than either value.

    Raises:
        EstimationError: they are not on the same rounds.
    """
    if len(first) != len(second):
        raise EstimationError(
            f"a paired difference needs the same rounds: there are {len(first)} and {len(second)}",
            hint="estimate both policies on one log",
        )
    low, high = statistic_of(first), statistic_of(second)
    linear = high.linear
    if low.linear is not None:
        linear = -low.linear if linear is None else linear - low.linear
    # Of self-normalised values rounding would leave a difference where there is none.
    alike = len(low.ratios) == len(high.ratios) and all(
        np.array_equal(one.numerator, other.numerator)
        and np.array_equal(one.denominator, other.denominator)
        for one, other in zip(low.ratios, high.ratios, strict=True)
    )
    if alike:
        return Statistic(len(first), np.zeros(len(first)) if linear is None else linear, ())
    ratios = tuple(ratio._replace(sign=-1.0) for ratio in low.ratios) + high.ratios
    return Statistic(len(first), linear, ratios)
