"""Policies by name, or by the path of a production configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from bandit.config.loading import load_config
from simulator.errors import SimulationError
from simulator.pages import PagePolicy
from simulator.policies.editorial import EditorialPolicy
from simulator.policies.oracle import OraclePolicy
from simulator.policies.production import ProductionPolicy, Settings
from simulator.policies.uniform import UniformPolicy

TOML: Final = ".toml"


class PolicySpec(NamedTuple):
    """A policy that can be asked for."""

    name: str
    description: str
    make: Callable[..., PagePolicy]


POLICIES: Final[Mapping[str, PolicySpec]] = {
    spec.name: spec
    for spec in (
        PolicySpec("uniform", "Every artwork and every order alike.", UniformPolicy),
        PolicySpec("editorial", "The first artwork, the rows as asked.", EditorialPolicy),
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
        settings: of that policy; of production's, see
            :class:`simulator.policies.production.Settings`.

    Raises:
        ConfigError: the TOML file is wrong.
        SimulationError: there is no such policy, or it has no such setting.
    """
    try:
        if is_production(spec):
            path = Path(spec)
            config = load_config(path, {})
            return ProductionPolicy(config, name=path.stem, settings=Settings(**settings))
        return known(spec, POLICIES).make(**settings)
    except TypeError as error:
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
