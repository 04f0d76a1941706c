"""Inverse propensity scoring under the position-based model of viewers."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.errors import EstimationError
from simulator.logged import LoggedRankings
from simulator.rankings.inputs import RankingInputs, needed
from simulator.terms import Terms

_HINT = "add it: simulator.rankings.inputs.with_examination"


def pbm_iips(inputs: RankingInputs) -> Terms:
    """Return terms for mean(Σₗ wᵢₗ rᵢₗ), w the ratio of the examination an item gets on average.

    Unbiased where a reward is earned with the chance that the position is looked at times a chance
    of the item's own, wherever it stands (the position-based model); an item need not have been
    logged where the target puts it, so weights are far smaller than those of ``iips``. Source: Li
    et al., 2018, "Offline evaluation of ranking policies with click models".

    Raises:
        EstimationError: there is no examination.
    """
    target = needed(inputs.target_examined, "the items' examination under the target", _HINT)
    logged = needed(inputs.logged_examined, "the items' examination under the log", _HINT)
    return Terms((target / logged * inputs.reward).sum(axis=1))


def examination(rankings: LoggedRankings, marginal: FloatArray) -> FloatArray:
    """Return (L,) the examination of each position, the first one's as 1.

    Under the position-based model the mean reward of uniform orders falls with the position just as
    examination does; other orders are weighed to uniform ones by 1 / ``marginal``, (n, L), the
    logged items' marginal propensities.

    Raises:
        EstimationError: the first position earned nothing, so that there is nothing to compare to.
    """
    earned = np.where(rankings.placed(), rankings.reward / marginal, 0.0).sum(axis=0)
    if earned[0] <= 0:
        raise EstimationError(
            "the first position earned no reward",
            hint="gather more rounds, or give the examination of each position",
        )
    return np.asarray(earned / earned[0])
