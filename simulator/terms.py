"""What an estimator says of each round, and what follows for the whole.

Every estimator of a policy's value has the form

    value = mean(base) + Σ numerator / Σ denominator

over n rounds, where a missing base is 0 and a missing denominator is 1 a round. Estimators that
weigh rounds (IPS, DR) have no denominator; self-normalised ones (SNIPS, SNDR) have one. Keeping the
parts apart lets every interval treat both kinds rightly: a bootstrap of a self-normalised estimator
must form the ratio anew in each resample.

Where no round has weight, neither kind tells anything. Terms without a denominator still have a
mean, and must have for estimates to be right on average; but it is 0, or the reward model's word,
whatever the target is worth, with a spread of 0 that would make a certainty of it. So whoever tells
of an estimate calls :meth:`Terms.check_overlap` first; intervals do.

Rankings that are normalised position by position have a ratio for each of their L positions, and
the value is the sum of the ratios: numerator and denominator are then of shape (n, L).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandit.types import FloatArray
from simulator.errors import EstimationError, NoOverlapError


@dataclass(frozen=True, slots=True)
class Terms:
    """One estimator's terms over n rounds, in float64."""

    numerator: FloatArray
    """Shape (n,), or (n, L) for a sum of L ratios."""
    denominator: FloatArray | None = None
    """Of the numerator's shape, non-negative; None counts every round as 1."""
    base: FloatArray | None = None
    """Shape (n,), added as a plain mean: what a reward model predicts for the target."""
    overlap: bool = True
    """Whether any round has weight (:func:`has_overlap`), of terms that are weighed."""

    def __len__(self) -> int:
        """Return the number of rounds."""
        return len(self.numerator)

    def check_overlap(self) -> None:
        """Check that the log says something of the target.

        Raises:
            NoOverlapError: no round has weight.
        """
        if not self.overlap:
            raise no_overlap(len(self))

    def value(self) -> float:
        """Return the estimate.

        Raises:
            EstimationError: there are no rounds.
            NoOverlapError: the denominators sum to zero, at any position where there are several.
        """
        if not len(self):
            raise EstimationError("there are no rounds", hint="give at least one logged round")
        mean_base = 0.0 if self.base is None else float(self.base.mean())
        if self.denominator is None:
            return mean_base + float(self.numerator.sum()) / len(self)
        ratios = self.numerator.sum(axis=0) / self._mass(self.denominator)
        return mean_base + float(ratios.sum())

    def influence(self) -> FloatArray:
        """Return (n,) values whose mean is the estimate and whose spread is its uncertainty.

        Without a denominator they are the terms themselves. With one they are the ratio's
        linearisation (the delta method): ratio + (numerator - ratio × denominator) / mean weight,
        summed over the ratios where there are several.

        Raises:
            NoOverlapError: the denominators sum to zero, at any position where there are several.
        """
        base = 0.0 if self.base is None else self.base
        if self.denominator is None:
            return np.asarray(base + self._by_round(self.numerator))
        mass = self._mass(self.denominator)
        ratio = self.numerator.sum(axis=0) / mass
        residual = self.numerator - ratio * self.denominator
        return np.asarray(base + self._by_round(ratio + residual * (len(self) / mass)))

    def _by_round(self, values: FloatArray) -> FloatArray:
        return values if values.ndim == 1 else np.asarray(values.sum(axis=1))

    def _mass(self, denominator: FloatArray) -> FloatArray:
        """Return the sums of the denominators, shape () or (L,)."""
        mass = np.asarray(denominator.sum(axis=0))
        if (mass <= 0).any():
            where = "" if mass.ndim == 0 else f" at position {int(np.argmax(mass <= 0))}"
            raise no_overlap(len(self), where)
        return mass


def has_overlap(weight: FloatArray) -> bool:
    """Tell whether weights, (n,) or (n, L), are above 0 anywhere, at each of the L positions."""
    return bool((weight > 0).any(axis=0).all())


def no_overlap(rounds: int, where: str = "") -> NoOverlapError:
    """Return the error that says that no round has weight."""
    return NoOverlapError(
        f"none of the {rounds} rounds has weight under the target policy{where}",
        hint="log with a policy that tries what the target chooses (more explore traffic), "
        "or judge a target that overlaps with the log",
    )
