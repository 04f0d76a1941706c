"""Replay: keep the rounds that the target might have made, and average what they earned."""

from __future__ import annotations

import numpy as np

from bandit.types import BoolArray
from simulator.errors import EstimationError
from simulator.estimators.inputs import Inputs, check_parameter
from simulator.terms import Terms

CEILING_TOLERANCE = 1e-9
"""Relative: K times a probability is not K up to the last digit."""

CEILING_MAX = float(np.finfo(np.float64).max)


def accepted(inputs: Inputs, *, ceiling: float | None = None, seed: int = 0) -> BoolArray:
    """Return (n,): which rounds pass for the target's own, by rejection sampling.

    Round i is accepted where uᵢ < wᵢ / ceiling. The draws u are ``inputs.uniform``, or else come
    from ``seed``; whoever goes through rounds in blocks gives draws and ceiling, so that blocks do
    not repeat draws and share one ceiling.

    Raises:
        EstimationError: ``ceiling`` is NaN, negative or below some weight, so that rounds of the
            target's would be missing.
    """
    largest = float(inputs.weight.max(initial=0.0))
    top = largest if ceiling is None else ceiling
    check_parameter("ceiling", top, high=CEILING_MAX)
    if largest > top * (1 + CEILING_TOLERANCE):
        raise EstimationError(
            f"a weight is {largest:g}, above the ceiling of {top:g}",
            hint="give a ceiling that no weight exceeds: the number of actions for uniform logging",
        )
    uniform = inputs.uniform
    if uniform is None:
        uniform = np.random.default_rng(seed).random(len(inputs.weight))
    return np.asarray(uniform * top < inputs.weight)


def replay(inputs: Inputs, *, ceiling: float | None = None, seed: int = 0) -> Terms:
    """Return terms for the mean reward of the accepted rounds: Σ cᵢ rᵢ / Σ cᵢ, cᵢ in {0, 1}.

    Replay proper (Li, Chu, Langford and Wang, 2011, "Unbiased offline evaluation of
    contextual-bandit-based news article recommendation algorithms") assumes that actions were
    logged uniformly, out of K always: it draws the target's action and keeps the round where that
    was logged. With w = K π(a | x) this is accepting with the probability w / K, ``ceiling`` = K,
    for deterministic and stochastic targets alike. Where logging was not uniform, matching
    alone would favour what was logged often; accepting with w / ceiling is rejection sampling
    (von Neumann, 1951), which is right for any known propensities. Without a ceiling the largest
    weight is taken, which accepts most. Few rounds are left where a weight is large: the expected
    share is the mean weight over the ceiling, 1 / K for uniform logs. SNIPS uses all of them.

    Rounds that are not accepted count for nothing: they are never filled with a guess.

    Raises:
        EstimationError: ``ceiling`` is NaN, negative or below some weight.
        NoOverlapError: on :meth:`Terms.value` and :meth:`Terms.influence`, when none is accepted.
    """
    kept = accepted(inputs, ceiling=ceiling, seed=seed).astype(np.float64)
    return Terms(kept * inputs.reward, denominator=kept)
