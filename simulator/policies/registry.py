"""Policies by name, or by the path of a production configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from bandit.config.loading import load_config
from simulator.errors import SimulationError
from simulator.pages import PagePolicy
from simulator.policies.array_policy import ArrayPolicy, Mixing
from simulator.policies.disjoint import DisjointPosterior
from simulator.policies.editorial import EditorialPolicy
from simulator.policies.linear import LinThompson, LinUCB
from simulator.policies.models import Model
from simulator.policies.oracle import OraclePolicy
from simulator.policies.popularity import Popularity
from simulator.policies.posterior import Posterior, Prior
from simulator.policies.production import ProductionPolicy, Settings
from simulator.policies.segment import SegmentThompson
from simulator.policies.segment_counts import (
    SegmentExploreThenCommit,
    SegmentGreedy,
    SegmentKLUCB,
)
from simulator.policies.shared import SharedPosterior
from simulator.policies.uniform import UniformPolicy

TOML: Final = ".toml"


class PolicySpec(NamedTuple):
    """A policy that can be asked for."""

    name: str
    description: str
    make: Callable[..., PagePolicy]


class ModelSpec(NamedTuple):
    """A kind of model that can be asked for; a policy has one for each surface."""

    name: str
    description: str
    make: Callable[..., Model]


def _posterior(*, shared: bool, variance: float, noise: float, crosses_max: int) -> Posterior:
    prior = Prior(variance, noise)
    if shared:
        return SharedPosterior(prior, crosses_max=crosses_max)
    return DisjointPosterior(prior)


def _lin_ucb(
    *,
    shared: bool,
    alpha: float = 0.5,
    variance: float = 0.1,
    noise: float = 0.1,
    crosses_max: int = 1024,
) -> Model:
    posterior = _posterior(shared=shared, variance=variance, noise=noise, crosses_max=crosses_max)
    return LinUCB(posterior, alpha=alpha)


def _lin_thompson(
    *,
    shared: bool,
    scale: float = 0.3,
    variance: float = 0.1,
    noise: float = 0.1,
    crosses_max: int = 1024,
) -> Model:
    posterior = _posterior(shared=shared, variance=variance, noise=noise, crosses_max=crosses_max)
    return LinThompson(posterior, scale=scale)


MODELS: Final[Mapping[str, ModelSpec]] = {
    spec.name: spec
    for spec in (
        ModelSpec("popularity", "What earned most so far, to everybody alike.", Popularity),
        ModelSpec(
            "linucb",
            "LinUCB, one model over context and item features.",
            partial(_lin_ucb, shared=True),
        ),
        ModelSpec(
            "linucb-disjoint",
            "LinUCB, a model of its own for each item.",
            partial(_lin_ucb, shared=False),
        ),
        ModelSpec(
            "lints",
            "Linear Thompson sampling, one model over context and item features.",
            partial(_lin_thompson, shared=True),
        ),
        ModelSpec(
            "lints-disjoint",
            "Linear Thompson sampling, a model of its own for each item.",
            partial(_lin_thompson, shared=False),
        ),
        ModelSpec(
            "segment-ts",
            "Thompson sampling by segment of viewers, Beta priors.",
            SegmentThompson,
        ),
        ModelSpec(
            "segment-greedy",
            "What earned most so far, by segment of viewers.",
            SegmentGreedy,
        ),
        ModelSpec(
            "segment-etc",
            "Everything so often, then what earned most, by segment of viewers.",
            SegmentExploreThenCommit,
        ),
        ModelSpec(
            "segment-kl-ucb",
            "KL-UCB by segment of viewers.",
            SegmentKLUCB,
        ),
    )
}
"""Models by the name of the policy that they make."""


def _array_policy(
    spec: ModelSpec, *, epsilon: float = 0.0, propensities: bool = False, **settings: Any
) -> PagePolicy:
    mixing = Mixing(epsilon, propensities)
    return ArrayPolicy(spec.name, spec.make(**settings), spec.make(**settings), mixing)


POLICIES: Final[Mapping[str, PolicySpec]] = {
    spec.name: spec
    for spec in (
        PolicySpec("uniform", "Every artwork and every order alike.", UniformPolicy),
        PolicySpec("editorial", "The first artwork, the rows as asked.", EditorialPolicy),
        *(
            PolicySpec(model.name, model.description, partial(_array_policy, model))
            for model in MODELS.values()
        ),
        PolicySpec("oracle", "What the environment knows to be best.", OraclePolicy),
    )
}


def is_production(spec: str) -> bool:
    """Tell whether a spec is the path of a production configuration."""
    return spec.endswith(TOML)


def make_policy(spec: str, **settings: Any) -> PagePolicy:
    """Make a policy.

    Args:
        spec: a name of :data:`POLICIES`, or the path of a TOML file of production's settings,
            whose policy is named after the file.
        settings: of that policy. Production has those of
            :class:`simulator.policies.production.Settings`; policies with a model have
            ``epsilon`` and ``propensities`` (:class:`simulator.policies.array_policy.Mixing`) and
            their model's: popularity ``strength``, ``prior``, ``temperature``; linear ones
            ``variance`` and ``noise``, ``alpha`` or ``scale``, and ``crosses_max``; segment-ts
            ``successes`` and ``failures``; segment-etc ``displays``.

    Raises:
        ConfigError: the TOML file is wrong.
        SimulationError: there is no such policy, or it has no such setting.
    """
    try:
        if is_production(spec):
            path = Path(spec)
            config = load_config(path, {})
            asked = msgspec.convert(settings, Settings)
            return ProductionPolicy(config, name=path.stem, settings=asked)
        return known(spec, POLICIES).make(**settings)
    except (TypeError, msgspec.ValidationError) as error:
        raise SimulationError(
            f"the policy {spec} cannot be made with {', '.join(settings)}: {error}",
            hint="leave out settings that it does not have",
        ) from error


def known(name: str, among: Mapping[str, PolicySpec]) -> PolicySpec:
    """Return the entry of a name.

    Raises:
        SimulationError: there is none.
    """
    spec = among.get(name)
    if spec is None:
        raise SimulationError(
            f"there is no policy {name!r}",
            hint=f"choose one of {', '.join(among)}, or give the path of a .toml file",
        )
    return spec
