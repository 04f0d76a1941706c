"""Policies by name, or by the path of a production configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from bandit.config.loading import load_config
from simulator.errors import SimulationError
from simulator.pages import PagePolicy
from simulator.policies.array_policy import ArrayPolicy, Mixing
from simulator.policies.disjoint import DisjointPosterior
from simulator.policies.editorial import EditorialPolicy
from simulator.policies.fixed import AsListed
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
from simulator.policies.settings import (
    DisjointSettings,
    DisjointThompsonSettings,
    DisjointUCBSettings,
    FixedSettings,
    ModelSettings,
    NoSettings,
    PopularitySettings,
    SegmentExploreSettings,
    SegmentThompsonSettings,
    SharedThompsonSettings,
    SharedUCBSettings,
)
from simulator.policies.shared import SharedPosterior
from simulator.policies.uniform import UniformPolicy
from simulator.settings import read_settings

TOML: Final = ".toml"


class PolicySpec(NamedTuple):
    """A policy that can be asked for."""

    name: str
    description: str
    settings: type[msgspec.Struct]
    """What may be set."""
    build: Callable[[Any], PagePolicy]
    """Called with the settings."""

    def make(self, **given: object) -> PagePolicy:
        """Make the policy.

        Raises:
            SimulationError: it has no such setting, or a value is not lawful.
        """
        return self.build(read_settings(self.settings, given, f"the policy {self.name}"))


class ModelSpec(NamedTuple):
    """A kind of model that can be asked for; a policy has one for each surface."""

    name: str
    description: str
    settings: type[ModelSettings]
    """What may be set of the model and of the policy that is made of it."""
    build: Callable[[Any], Model]
    """Called with the settings."""

    def make(self, **given: object) -> Model:
        """Make a model.

        Raises:
            SimulationError: it has no such setting, or a value is not lawful.
        """
        return self.build(read_settings(self.settings, given, f"the model {self.name}"))

    def policy(self, settings: ModelSettings) -> PagePolicy:
        """Return a policy of two models."""
        mixing = Mixing(settings.epsilon, settings.propensities)
        return ArrayPolicy(self.name, self.build(settings), self.build(settings), mixing)


def _popularity(settings: PopularitySettings) -> Model:
    return Popularity(
        strength=settings.strength, prior=settings.prior, temperature=settings.temperature
    )


def _disjoint(settings: DisjointSettings) -> Posterior:
    return DisjointPosterior(Prior(settings.variance, settings.noise))


def _shared(settings: SharedUCBSettings | SharedThompsonSettings) -> Posterior:
    prior = Prior(settings.variance, settings.noise)
    return SharedPosterior(prior, crosses_max=settings.crosses_max)


MODELS: Final[Mapping[str, ModelSpec]] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            "popularity",
            "What earned most so far, to everybody alike.",
            PopularitySettings,
            _popularity,
        ),
        ModelSpec(
            "linucb",
            "LinUCB, one model over context and item features.",
            SharedUCBSettings,
            lambda settings: LinUCB(_shared(settings), alpha=settings.alpha),
        ),
        ModelSpec(
            "linucb-disjoint",
            "LinUCB, a model of its own for each item.",
            DisjointUCBSettings,
            lambda settings: LinUCB(_disjoint(settings), alpha=settings.alpha),
        ),
        ModelSpec(
            "lints",
            "Linear Thompson sampling, one model over context and item features.",
            SharedThompsonSettings,
            lambda settings: LinThompson(_shared(settings), scale=settings.scale),
        ),
        ModelSpec(
            "lints-disjoint",
            "Linear Thompson sampling, a model of its own for each item.",
            DisjointThompsonSettings,
            lambda settings: LinThompson(_disjoint(settings), scale=settings.scale),
        ),
        ModelSpec(
            "segment-ts",
            "Thompson sampling by segment of viewers, Beta priors.",
            SegmentThompsonSettings,
            lambda settings: SegmentThompson(
                successes=settings.successes, failures=settings.failures
            ),
        ),
        ModelSpec(
            "segment-greedy",
            "What earned most so far, by segment of viewers.",
            ModelSettings,
            lambda _: SegmentGreedy(),
        ),
        ModelSpec(
            "segment-etc",
            "Everything so often, then what earned most, by segment of viewers.",
            SegmentExploreSettings,
            lambda settings: SegmentExploreThenCommit(displays=settings.displays),
        ),
        ModelSpec(
            "segment-kl-ucb",
            "KL-UCB by segment of viewers.",
            ModelSettings,
            lambda _: SegmentKLUCB(),
        ),
    )
}
"""Models by the name of the policy that they make."""


def _editorial(settings: FixedSettings) -> PagePolicy:
    if not settings.epsilon:
        return EditorialPolicy()
    mixing = Mixing(settings.epsilon)
    return ArrayPolicy(EditorialPolicy.name, AsListed(), AsListed(), mixing)


POLICIES: Final[Mapping[str, PolicySpec]] = {
    spec.name: spec
    for spec in (
        PolicySpec(
            "uniform",
            "Every artwork and every order alike.",
            FixedSettings,
            # A share of uniform choices changes nothing here.
            lambda _: UniformPolicy(),
        ),
        PolicySpec("editorial", "The first artwork, the rows as asked.", FixedSettings, _editorial),
        *(
            PolicySpec(model.name, model.description, model.settings, model.policy)
            for model in MODELS.values()
        ),
        PolicySpec(
            "oracle",
            "What the environment knows to be best.",
            NoSettings,
            lambda _: OraclePolicy(),
        ),
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
        settings: of that policy, as :mod:`simulator.policies.settings` describes them; of
            production :class:`simulator.policies.production.Settings`.

    Raises:
        ConfigError: the TOML file is wrong.
        SimulationError: there is no such policy or setting, or a value is not lawful.
    """
    if is_production(spec):
        path = Path(spec)
        asked = read_settings(Settings, settings, f"the policy {spec}")
        return ProductionPolicy(load_config(path, {}), name=path.stem, settings=asked)
    return known(spec, POLICIES).make(**settings)


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
