"""Choose an estimator's parameter by what the rounds say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from simulator.errors import EstimationError
from simulator.estimators.inputs import Inputs
from simulator.estimators.registry import EstimatorSpec
from simulator.terms import Terms
from simulator.tuning.candidates import default_candidates
from simulator.tuning.evidence import Evidence, gather
from simulator.tuning.mse import bias_bound, direct_bias, squared_errors
from simulator.tuning.slope import slope, slope_improved, widths

Method = Literal["mse", "mse-direct", "slope", "slope++"]
"""How a parameter is chosen.

``mse``: the least bound on the mean squared error (Su, Dimakopoulou, Krishnamurthy and Dudík,
2020). ``mse-direct``: the least mean squared error with the bias as estimated (same paper).
``slope``: Su, Srinath and Krishnamurthy, 2020. ``slope++``: Tucker and Lee, 2021.
"""

DELTA = 0.1


class Tried(NamedTuple):
    """One candidate."""

    parameter: float
    value: float
    """The estimate with it."""
    standard_error: float
    bias: float
    """Direct estimate of its size: \\|mean of (w - ŵ) (r - q̂)\\|."""
    score: float
    """SLOPE: the width of confidence; MSE: the mean squared error, estimated."""
    chosen: bool


class Choice(NamedTuple):
    """A parameter, and the candidates it was chosen from, in the order they were given."""

    parameter: float
    table: list[Tried]


class Tuned(NamedTuple):
    """A parameter, the estimator's terms with it, and the candidates it was chosen from."""

    parameter: float
    terms: Terms
    table: list[Tried]


def tune(
    spec: EstimatorSpec,
    inputs: Inputs,
    candidates: Sequence[float] | None = None,
    *,
    method: Method = "mse",
    delta: float = DELTA,
    residual_max: float = 1.0,
) -> Tuned:
    """Return the estimator's terms with the parameter that suits these rounds.

    Args:
        spec: a tunable estimator.
        inputs: the rounds, of one target policy.
        candidates: parameters to try; by default :func:`default_candidates`.
        method: how to choose; see ``Method``, and the package on when to use which.
        delta: probability with which a width or bias bound may fail.
        residual_max: for ``mse``, the largest size of r - q̂; 1 for rewards and predictions within
            [0, 1].

    Raises:
        NotApplicableError: the estimator has nothing to tune.
        EstimationError: there is no candidate, one is out of range, there are fewer than 2 rounds,
            ``delta`` is outside (0, 1), or a model's predictions are missing.
    """
    if candidates is None:
        candidates = default_candidates(spec, inputs.weight)
    evidence = gather(spec, inputs, candidates)
    choice = choose(evidence, method=method, delta=delta, residual_max=residual_max)
    return Tuned(choice.parameter, spec.terms(inputs, choice.parameter), choice.table)


def choose(
    evidence: Evidence,
    *,
    method: Method = "mse",
    delta: float = DELTA,
    residual_max: float = 1.0,
) -> Choice:
    """Return the best candidate by what was gathered, in one block or in many; see :func:`tune`.

    Raises:
        EstimationError: there are fewer than 2 rounds, or ``delta`` is outside (0, 1).
    """
    if evidence.rounds < 2:
        raise EstimationError("there is 1 round to tune on", hint="give at least 2 rounds")
    if not 0 < delta < 1:
        raise EstimationError(f"delta is {delta}", hint="give a probability between 0 and 1")
    bias = direct_bias(evidence)
    if method in ("slope", "slope++"):
        score = widths(evidence, delta)
        best = (slope if method == "slope" else slope_improved)(evidence.mean, score)
    else:
        bound = bias_bound(evidence, delta, residual_max) if method == "mse" else bias
        score = squared_errors(evidence, bound)
        best = int(np.argmin(score))
    error = np.sqrt(evidence.deviations / (evidence.rounds - 1) / evidence.rounds)
    table = [
        Tried(
            parameter=parameter,
            value=float(evidence.mean[place]),
            standard_error=float(error[place]),
            bias=float(bias[place]),
            score=float(score[place]),
            chosen=place == best,
        )
        for place, parameter in enumerate(evidence.candidates)
    ]
    return Choice(evidence.candidates[best], table)
