"""Inverse propensity scoring under the position-based model of viewers."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.errors import EstimationError
from simulator.logged import LoggedRankings
from simulator.rankings.inputs import RankingInputs
from simulator.terms import Terms


def pbm_iips(inputs: RankingInputs) -> Terms:
    """Return terms for mean(Σₗ wᵢₗ rᵢₗ), w the ratio of the examination an item gets on average.

    Unbiased where a reward is earned with the chance that the position is looked at times a chance
    of the item's own, wherever it stands (the position-based model); an item need not have been
    logged where the target puts it, so weights are far smaller than those of ``iips``. Source: Li
    et al., 2018, "Offline evaluation of ranking policies with click models".

    Raises:
        EstimationError: there is no examination.
    """
    weight = inputs.examined_weight()
    return Terms((weight * inputs.reward).sum(axis=1), overlap=bool((weight > 0).any()))


def seen_examination(rankings: LoggedRankings) -> FloatArray | None:
    """Return (L,) the share of pages on which each position was seen, of those that filled it.

    None where the log does not tell what was seen, or has all of it as seen: such a log was joined
    by a rule (exposure "all"), and nobody knows where viewers looked. That it is a position's own,
    whatever stands there, is the position-based model's assumption (Richardson, Dominowska and
    Ragno, 2007).
    """
    placed = rankings.placed()
    if rankings.seen is None or bool(rankings.seen[placed].all()):
        return None
    filled = placed.sum(axis=0)
    return np.asarray((rankings.seen & placed).sum(axis=0) / np.maximum(filled, 1))


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
