"""Every estimator of rankings by name, with what commands and reports need to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from simulator.rankings.cascade_dr import cascade_dr
from simulator.rankings.iips import iips, sniips
from simulator.rankings.inputs import RankingInputs
from simulator.rankings.pbm_iips import pbm_iips
from simulator.rankings.rips import rips, snrips
from simulator.rankings.sips import sips, snsips
from simulator.terms import Terms


class RankingEstimatorSpec(NamedTuple):
    """One estimator."""

    name: str
    title: str
    """As reports have it."""
    terms: Callable[[RankingInputs], Terms]
    source: str
    description: str
    """What it assumes of viewers."""
    needs_model: bool = False
    needs_marginals: bool = False
    needs_examination: bool = False
    self_normalised: bool = False


_SPECS = (
    RankingEstimatorSpec(
        "sips",
        "Standard IPS",
        sips,
        "Precup, Sutton and Singh, 2000",
        "Assumes nothing of viewers; weighs by the whole ranking.",
    ),
    RankingEstimatorSpec(
        "iips",
        "Independent IPS",
        iips,
        "Li et al., 2018",
        "Assumes that a position's reward depends on its own item alone.",
        needs_marginals=True,
    ),
    RankingEstimatorSpec(
        "rips",
        "Reward-interaction IPS",
        rips,
        "McInerney et al., 2020",
        "Assumes that a position's reward depends on its item and those above.",
    ),
    RankingEstimatorSpec(
        "cascade-dr",
        "Cascade doubly robust",
        cascade_dr,
        "Kiyohara et al., 2022",
        "As rips, with a reward model to lower the variance.",
        needs_model=True,
    ),
    RankingEstimatorSpec(
        "pbm-iips",
        "Position-based IPS",
        pbm_iips,
        "Li et al., 2018",
        "Assumes that a reward is the chance that a position is looked at times the item's own.",
        needs_examination=True,
    ),
    RankingEstimatorSpec(
        "snsips",
        "Self-normalised standard IPS",
        snsips,
        "Precup, Sutton and Singh, 2000; Hájek, 1971",
        "As sips, normalised by the sum of weights.",
        self_normalised=True,
    ),
    RankingEstimatorSpec(
        "sniips",
        "Self-normalised independent IPS",
        sniips,
        "Li et al., 2018; Hájek, 1971",
        "As iips, each position normalised by its sum of weights.",
        needs_marginals=True,
        self_normalised=True,
    ),
    RankingEstimatorSpec(
        "snrips",
        "Self-normalised reward-interaction IPS",
        snrips,
        "McInerney et al., 2020",
        "As rips, each position normalised by its sum of weights.",
        self_normalised=True,
    ),
)

RANKING_ESTIMATORS: Mapping[str, RankingEstimatorSpec] = MappingProxyType(
    {spec.name: spec for spec in _SPECS}
)
