"""What an estimator says of each round, and what follows for the whole.

Every estimator of a policy's value has the form

    value = mean(base) + Σ numerator / Σ denominator

over n rounds, where a missing base is 0 and a missing denominator is 1 a round. Estimators that
weigh rounds (IPS, DR) have no denominator; self-normalised ones (SNIPS, SNDR) have one. Keeping the
parts apart lets every interval treat both kinds rightly: a bootstrap of a self-normalised estimator
must form the ratio anew in each resample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandit.types import FloatArray
from simulator.errors import NoOverlapError


@dataclass(frozen=True, slots=True)
class Terms:
    """One estimator's terms over n rounds; all arrays are float64 of shape (n,)."""

    numerator: FloatArray
    denominator: FloatArray | None = None
    """Non-negative; None counts every round as 1."""
    base: FloatArray | None = None
    """Added as a plain mean: what a reward model predicts for the target."""

    def __len__(self) -> int:
        """Return the number of rounds."""
        return len(self.numerator)

    def value(self) -> float:
        """Return the estimate.

        Raises:
            NoOverlapError: the denominators sum to zero.
        """
        total = float(self.numerator.sum())
        mean_base = 0.0 if self.base is None else float(self.base.mean())
        if self.denominator is None:
            return mean_base + total / len(self)
        return mean_base + total / self._mass(self.denominator)

    def influence(self) -> FloatArray:
        """Return (n,) values whose mean is the estimate and whose spread is its uncertainty.

        Without a denominator they are the terms themselves. With one they are the ratio's
        linearisation (the delta method): ratio + (numerator - ratio × denominator) / mean weight.

        Raises:
            NoOverlapError: the denominators sum to zero.
        """
        base = 0.0 if self.base is None else self.base
        if self.denominator is None:
            return np.asarray(base + self.numerator)
        mass = self._mass(self.denominator)
        ratio = float(self.numerator.sum()) / mass
        residual = self.numerator - ratio * self.denominator
        return np.asarray(base + ratio + residual * (len(self) / mass))

    def _mass(self, denominator: FloatArray) -> float:
        mass = float(denominator.sum())
        if mass <= 0:
            raise NoOverlapError(
                f"none of the {len(self)} rounds has weight under the target policy",
                hint="log with a policy that tries what the target chooses (more explore traffic), "
                "or judge a target that overlaps with the log",
            )
        return mass
