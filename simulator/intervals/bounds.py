"""The true range of an estimator's terms, which finite-sample intervals cannot do without.

The largest weight *seen* is no bound: the heaviest weights are the rarest. The true one is the
target's largest probability over the smallest propensity that the logging policy could give.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.errors import NotApplicableError
from simulator.terms import Terms

TOLERANCE = 1e-9
"""Terms may pass a bound by this share of the range: rounding."""


class Bounds(NamedTuple):
    """What a term, a weight and a reward can be at all, whatever was seen."""

    term_low: float
    term_high: float
    weight_max: float | None
    """None: unknown."""
    reward_low: float = 0.0
    reward_high: float = 1.0
    source: str = ""
    """How they are known, for intervals' notes."""

    @property
    def term_range(self) -> float:
        """From the lowest term to the highest."""
        return self.term_high - self.term_low

    def of_terms(self) -> str:
        """Return a note of the terms' range."""
        return self._sourced(f"terms within {self.term_low:g} to {self.term_high:g}")

    def of_weights(self) -> str:
        """Return a note of the largest weight."""
        if self.weight_max is None:
            return (
                "the largest weight possible is unknown and taken as unbounded: wider than need be"
            )
        return self._sourced(f"weights up to {self.weight_max:g}")

    def _sourced(self, note: str) -> str:
        return f"{note} ({self.source})" if self.source else note


def importance_bounds(
    weight_max: float, reward_low: float = 0.0, reward_high: float = 1.0
) -> Bounds:
    """Return the range of weight × reward, for weights from 0 to ``weight_max``."""
    return Bounds(
        min(0.0, weight_max * reward_low),
        max(0.0, weight_max * reward_high),
        weight_max,
        reward_low,
        reward_high,
    )


def doubly_robust_bounds(
    weight_max: float, reward_low: float = 0.0, reward_high: float = 1.0
) -> Bounds:
    """Return the range of model + weight × (reward - model), with the model within the rewards'."""
    reach = weight_max * (reward_high - reward_low)
    return Bounds(reward_low - reach, reward_high + reach, weight_max, reward_low, reward_high)


def plain_terms(terms: Terms, method: str) -> FloatArray:
    """Return (n,) terms whose plain mean is the estimate.

    Raises:
        NotApplicableError: the estimator is self-normalised: no mean of independent terms.
    """
    if terms.denominator is not None:
        raise NotApplicableError(
            f"{method} needs independent terms; a self-normalised estimate is a ratio of sums",
            hint="use normal, bootstrap or cressie-read for it, or an estimator that is not "
            "self-normalised",
        )
    return terms.influence()


def scaled_terms(terms: Terms, bounds: Bounds | None, method: str) -> tuple[FloatArray, Bounds]:
    """Return (n,) terms as shares of their true range, in [0, 1], and the range.

    Raises:
        NotApplicableError: the terms are self-normalised, the range is not given, or does not hold.
    """
    plain = plain_terms(terms, method)
    known = required(bounds, method)
    if known.term_range <= 0:
        raise NotApplicableError(
            f"{method}: the terms' range is empty ({known.term_low} to {known.term_high})",
            hint="give the lowest and the highest value that a term can have",
        )
    slack = TOLERANCE * known.term_range
    if len(plain) and not (
        plain.min() >= known.term_low - slack and plain.max() <= known.term_high + slack
    ):
        raise NotApplicableError(
            f"{method}: terms from {plain.min():g} to {plain.max():g} were seen, outside the range "
            f"given, {known.term_low:g} to {known.term_high:g}",
            hint="give the true range: the largest weight that could occur, times the rewards'",
        )
    return np.clip((plain - known.term_low) / known.term_range, 0.0, 1.0), known


def required(bounds: Bounds | None, method: str) -> Bounds:
    """Return the bounds, or refuse."""
    if bounds is None:
        raise NotApplicableError(
            f"{method} holds for any number of rounds, but only with the terms' true range",
            hint="give the largest weight that could occur (the target's largest probability over "
            "the smallest logged propensity possible), or use normal or bootstrap",
        )
    return bounds
