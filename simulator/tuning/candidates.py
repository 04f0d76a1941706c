"""Which parameters to try, where nobody says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bandit.types import FloatArray
from simulator.errors import NotApplicableError
from simulator.estimators.clipping import clipped
from simulator.estimators.dros import shrunk
from simulator.estimators.registry import EstimatorSpec, WeightRule
from simulator.estimators.sgdr import subgaussian
from simulator.estimators.switch_dr import switched

GRID = 30
LOW_QUANTILE = 0.05
CORRECTION_MIN = 1e-5


def default_candidates(spec: EstimatorSpec, weight: FloatArray) -> list[float]:
    """Return at most ``GRID`` parameters and the neutral one, ascending, for weights (n,).

    Clips and thresholds are spaced geometrically over the positive weights, as in Wang, Agarwal
    and Dudík (2017, experiments), shrinkages over their squares, from a hundredth to a hundredfold,
    as in Su, Dimakopoulou, Krishnamurthy and Dudík (2020, experiments). Why up to the largest
    weight, and not to a quantile: few weights do the harm in a log of production, and a grid
    that ends below them jumps from clipping all of them to none.

    Raises:
        NotApplicableError: the estimator has nothing to tune.
    """
    grid = _GRIDS.get(spec.modified) if spec.modified is not None else None
    if grid is None:
        raise NotApplicableError(
            f"{spec.title} has no parameter that could be tuned",
            hint="tune one of ips, dr, switch-dr, dros, sgdr, mrdr",
        )
    positive = weight[weight > 0]
    found = grid(positive) if len(positive) else np.empty(0)
    values: list[float] = np.unique(np.append(found, spec.neutral)).tolist()
    return values


def _over_weights(positive: FloatArray) -> FloatArray:
    low = float(np.quantile(positive, LOW_QUANTILE))
    return np.geomspace(low, float(positive.max()), GRID, endpoint=False)


def _over_squares(positive: FloatArray) -> FloatArray:
    low = float(np.quantile(positive, LOW_QUANTILE))
    return np.geomspace(0.01 * low**2, 100 * float(positive.max()) ** 2, GRID)


def _over_corrections(_: FloatArray) -> FloatArray:
    return np.geomspace(CORRECTION_MIN, 1.0, GRID)


_GRIDS: Mapping[WeightRule, Callable[[FloatArray], FloatArray]] = {
    clipped: _over_weights,
    switched: _over_weights,
    shrunk: _over_squares,
    subgaussian: _over_corrections,
}
