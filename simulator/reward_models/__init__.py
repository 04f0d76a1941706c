"""Models of the reward, cross-fitted, for estimators that use one.

:func:`~simulator.reward_models.cross_fitting.cross_fit` for single choices,
:func:`~simulator.reward_models.rankings.cross_fit_rankings` for rankings; weights of rounds, and
propensities where a log has none, beside them.
"""

from simulator.reward_models.cross_fitting import MODELS, CrossFitted, cross_fit
from simulator.reward_models.propensities import estimate_propensities
from simulator.reward_models.rankings import CrossFittedRankings, cross_fit_rankings
from simulator.reward_models.weights import balanced_weight, mrdr_weight

__all__ = [
    "MODELS",
    "CrossFitted",
    "CrossFittedRankings",
    "balanced_weight",
    "cross_fit",
    "cross_fit_rankings",
    "estimate_propensities",
    "mrdr_weight",
]
