"""Target policies on logged data: what another policy would have chosen, and how likely.

A target gives probabilities for rounds that it did not decide. Where an estimator needs no more
than the probability of what was logged, a target may give just that: no (n, K) array is made.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from bandit.types import BoolArray, FloatArray
from simulator.errors import TargetError
from simulator.logged import LoggedChoices, LoggedRankings

SUM_TOLERANCE = 1e-6


class ChoiceTarget(Protocol):
    """A policy judged on single choices."""

    @property
    def name(self) -> str:
        """As commands and reports have it."""
        ...

    def chosen_probability(self, logged: LoggedChoices) -> FloatArray:
        """Return (n,) the probability of each logged action."""
        ...

    def pmf(self, logged: LoggedChoices) -> FloatArray:
        """Return (n, K) probabilities over each round's action set, 0 where there is none."""
        ...


class RankingTarget(Protocol):
    """A policy judged on rankings."""

    @property
    def name(self) -> str:
        """As commands and reports have it."""
        ...

    def conditional_probability(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L) the probability of each logged item, given those logged above it."""
        ...

    def marginal_probability(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L) the probability of each logged item at its position, whatever is above."""
        ...


def check_pmf(pmf: FloatArray, eligible: BoolArray) -> None:
    """Check a target's probabilities, shape (n, K).

    Raises:
        TargetError: the shape differs, an entry is negative, not finite or outside the action set,
            or a round's do not sum to 1 within ``SUM_TOLERANCE``; never mended silently.
    """
    if pmf.shape != eligible.shape:
        raise TargetError(
            f"the target's probabilities have the shape {pmf.shape}, the rounds {eligible.shape}",
            hint="give one row a round and one column an action of its set",
        )
    _refuse(
        np.asarray(~np.isfinite(pmf).all(axis=1)), "are not finite", "mend the policy's arithmetic"
    )
    _refuse(np.asarray((pmf < 0).any(axis=1)), "are negative", "mend the policy's arithmetic")
    _refuse(
        np.asarray(((pmf > 0) & ~eligible).any(axis=1)),
        "lie outside the action set",
        "give 0 to what a round could not choose",
    )
    _refuse(
        np.abs(pmf.sum(axis=1) - 1) > SUM_TOLERANCE,
        "do not sum to 1",
        "normalise them in the policy; nothing is normalised silently here",
    )


def check_chosen(probability: FloatArray, count: int) -> None:
    """Check a target's probabilities of the logged actions, shape (n,).

    Raises:
        TargetError: the shape differs, or an entry is not within [0, 1].
    """
    if probability.shape != (count,):
        raise TargetError(
            f"the target gave probabilities of shape {probability.shape} for {count} rounds",
            hint="give one probability a round, of the logged action",
        )
    with np.errstate(invalid="ignore"):
        lawful = (probability >= 0) & (probability <= 1 + SUM_TOLERANCE)
    _refuse(~lawful, "are outside [0, 1]", "mend the policy's arithmetic")


def _refuse(wrong: BoolArray, what: str, hint: str) -> None:
    count = int(wrong.sum())
    if count:
        first = int(np.flatnonzero(wrong)[0])
        raise TargetError(
            f"the target's probabilities {what} in {count} of {len(wrong)} rounds "
            f"(first at round {first})",
            hint=hint,
        )
