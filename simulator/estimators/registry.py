"""Every estimator of single choices by name, with what commands and reports need to know of it.

Work that goes to other processes takes an estimator's name along, not its entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.errors import EstimationError
from simulator.estimators.bips import bips
from simulator.estimators.clipping import clipped
from simulator.estimators.dm import dm
from simulator.estimators.dr import dr
from simulator.estimators.dros import dros, shrunk
from simulator.estimators.inputs import Inputs, check_parameter
from simulator.estimators.ips import ips
from simulator.estimators.mrdr import mrdr
from simulator.estimators.replay import CEILING_MAX, replay
from simulator.estimators.sgdr import sgdr, subgaussian
from simulator.estimators.sndr import sndr
from simulator.estimators.snips import snips
from simulator.estimators.switch_dr import switch_dr, switched
from simulator.estimators.take_fraction import take_fraction
from simulator.terms import Terms

WeightRule = Callable[[FloatArray, float], FloatArray]
"""Weights (n,) and a parameter → weights (n,), modified."""


class EstimatorSpec(NamedTuple):
    """One estimator."""

    name: str
    title: str
    """As reports have it."""
    terms: Callable[[Inputs, float | None], Terms]
    """The parameter is None for an estimator without one, and for its neutral value."""
    source: str
    description: str
    needs_model: bool = False
    self_normalised: bool = False
    weighting: Literal["importance", "balanced"] = "importance"
    """Where ``Inputs.weight`` comes from: propensities, or a classifier."""
    model_weighting: Literal["uniform", "mrdr"] = "uniform"
    """How the reward model is to weigh rounds."""
    parameter: str | None = None
    """What the second argument of ``terms`` is; None: nothing."""
    modified: WeightRule | None = None
    """How the parameter modifies weights; None where there is nothing to tune."""
    neutral: float = np.inf
    """The parameter with which weights are left as they are."""
    parameter_max: float = np.inf
    """The largest that makes sense; the least is 0."""

    @property
    def tunable(self) -> bool:
        """Whether :mod:`simulator.tuning` can choose the parameter."""
        return self.modified is not None

    def check(self, parameter: float) -> None:
        """Check a parameter.

        Raises:
            EstimationError: it is NaN, negative or above the largest.
        """
        name = f"{self.parameter} of {self.name}"
        check_parameter(name, parameter, high=self.parameter_max)


_ALL = (
    EstimatorSpec(
        name="replay",
        title="Replay",
        terms=lambda inputs, parameter: replay(inputs, ceiling=parameter),
        parameter="ceiling",
        parameter_max=CEILING_MAX,
        self_normalised=True,
        source="Li, Chu, Langford and Wang, 2011",
        description="The mean reward of rounds kept by rejection, as if the target had made them.",
    ),
    EstimatorSpec(
        name="take-fraction",
        title="Take fraction",
        terms=lambda inputs, parameter: take_fraction(inputs, ceiling=parameter),
        parameter="ceiling",
        parameter_max=CEILING_MAX,
        self_normalised=True,
        source="Chandrashekar, Amat, Basilico and Jebara, 2017",
        description="Plays per impression among rounds kept by rejection; a play is a reward "
        "above 0.",
    ),
    EstimatorSpec(
        name="dm",
        title="DM",
        terms=lambda inputs, _: dm(inputs),
        needs_model=True,
        source="Dudík, Langford and Li, 2011",
        description="What a reward model predicts for the target; as biased as the model.",
    ),
    EstimatorSpec(
        name="ips",
        title="IPS",
        terms=lambda inputs, parameter: ips(inputs, clip=parameter),
        parameter="clip",
        source="Horvitz and Thompson, 1952",
        description="Rewards weighted by the target's probability over the propensity; unbiased.",
        modified=clipped,
    ),
    EstimatorSpec(
        name="snips",
        title="SNIPS",
        terms=lambda inputs, _: snips(inputs),
        self_normalised=True,
        source="Swaminathan and Joachims, 2015",
        description="IPS divided by the mean weight; steadier, within the range of the rewards.",
    ),
    EstimatorSpec(
        name="dr",
        title="DR",
        terms=lambda inputs, parameter: dr(inputs, clip=parameter),
        needs_model=True,
        parameter="clip",
        source="Dudík, Langford and Li, 2011",
        description="A reward model, put right by IPS of its errors; unbiased.",
        modified=clipped,
    ),
    EstimatorSpec(
        name="sndr",
        title="SNDR",
        terms=lambda inputs, _: sndr(inputs),
        needs_model=True,
        self_normalised=True,
        source="Thomas and Brunskill, 2016",
        description="A reward model, put right by SNIPS of its errors.",
    ),
    EstimatorSpec(
        name="switch-dr",
        title="SWITCH-DR",
        terms=lambda inputs, parameter: switch_dr(inputs, threshold=parameter),
        needs_model=True,
        parameter="threshold",
        source="Wang, Agarwal and Dudík, 2017",
        description="DR where the weight is at most a threshold, the reward model elsewhere.",
        modified=switched,
    ),
    EstimatorSpec(
        name="dros",
        title="DRos",
        terms=lambda inputs, parameter: dros(inputs, shrinkage=parameter),
        needs_model=True,
        parameter="lambda",
        source="Su, Dimakopoulou, Krishnamurthy and Dudík, 2020",
        description="DR with weights shrunk by λ, from the reward model at 0 to DR at infinity.",
        modified=shrunk,
    ),
    EstimatorSpec(
        name="sgdr",
        title="SGDR",
        terms=lambda inputs, parameter: sgdr(inputs, correction=parameter),
        needs_model=True,
        parameter="lambda",
        source="Metelli, Russo and Restelli, 2021",
        description="DR with sub-Gaussian weights, from DR at λ = 0 to weights of 1 at λ = 1.",
        modified=subgaussian,
        neutral=0.0,
        parameter_max=1.0,
    ),
    EstimatorSpec(
        name="bips",
        title="Balanced IPS",
        terms=lambda inputs, parameter: bips(inputs, clip=parameter),
        parameter="clip",
        self_normalised=True,
        weighting="balanced",
        source="Sondhi, Arbour and Dimmery, 2020",
        description="SNIPS with weights from a classifier that tells target from log; as biased as "
        "the classifier, of whose error intervals do not tell.",
    ),
    EstimatorSpec(
        name="mrdr",
        title="MRDR",
        terms=lambda inputs, parameter: mrdr(inputs, clip=parameter),
        needs_model=True,
        parameter="clip",
        model_weighting="mrdr",
        source="Farajtabar, Chow and Ghavamzadeh, 2018",
        description="DR with a reward model that was fitted for DR's variance; not always smaller.",
        modified=clipped,
    ),
)

ESTIMATORS: Mapping[str, EstimatorSpec] = MappingProxyType({spec.name: spec for spec in _ALL})


def estimator_named(name: str) -> EstimatorSpec:
    """Return an estimator.

    Raises:
        EstimationError: there is none of that name.
    """
    spec = ESTIMATORS.get(name)
    if spec is None:
        raise EstimationError(
            f"there is no estimator {name!r}", hint=f"give one of {', '.join(ESTIMATORS)}"
        )
    return spec
