"""Environments by name, with their settings.

Each environment's settings are a frozen struct; a setting that it does not have, or that is not
lawful, is an error that names it. An environment is imported when it is made, so that those that
need data sets or scikit-learn cost nothing to who does not use them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import msgspec

from simulator.errors import SimulationError
from simulator.pages import Environment
from simulator.settings import SettingInfo, described, read_settings


class EnvironmentSpec(NamedTuple):
    """One environment and where it is made."""

    name: str
    title: str
    description: str
    module: str
    environment: str
    """Class in ``module``, called with pages, batch and settings."""
    settings: str
    """Struct in ``module``."""
    knows_truth: bool = True
    """Whether it tells what any served page earns on average, and what would have been best."""

    def settings_type(self) -> type[msgspec.Struct]:
        """Return the struct that holds the environment's settings."""
        found: type[msgspec.Struct] = getattr(import_module(self.module), self.settings)
        return found

    def factory(self) -> Callable[[int, int, Any], Environment]:
        """Return what makes the environment from pages, batch and settings."""
        made: Callable[[int, int, Any], Environment] = getattr(
            import_module(self.module), self.environment
        )
        return made


_HERE: Final = "simulator.environments"

ENVIRONMENTS: Final[Mapping[str, EnvironmentSpec]] = {
    spec.name: spec
    for spec in (
        EnvironmentSpec(
            "homepage",
            "Homepage",
            "viewers with latent tastes scan rows of titles, click, play and abandon",
            f"{_HERE}.homepage",
            "Homepage",
            "HomepageSettings",
        ),
        EnvironmentSpec(
            "carousel",
            "Carousel",
            "Deezer's published model: 862 playlists, 12 slots, three of them visible at first",
            f"{_HERE}.carousel",
            "Carousel",
            "CarouselSettings",
        ),
        EnvironmentSpec(
            "supervised",
            "Supervised",
            "classification data as a bandit: the right class earns 1",
            f"{_HERE}.supervised",
            "Supervised",
            "SupervisedSettings",
        ),
        EnvironmentSpec(
            "logged",
            "Logged",
            "a real log, replayed by rejection; its truth is not known",
            f"{_HERE}.replayed",
            "Replayed",
            "ReplayedSettings",
            knows_truth=False,
        ),
    )
}


def make_environment(name: str, *, pages: int, batch: int, **settings: object) -> Environment:
    """Make an environment for runs of so many pages, ``batch`` at a time.

    Raises:
        SimulationError: there is no such environment or setting, or a value is not lawful.
        MissingDataError: its data are not there.
    """
    spec = ENVIRONMENTS.get(name)
    if spec is None:
        raise SimulationError(
            f"there is no environment {name!r}", hint=f"use one of {', '.join(ENVIRONMENTS)}"
        )
    made = read_settings(spec.settings_type(), settings, f"the environment {name}")
    return spec.factory()(pages, batch, made)


def setting_infos(name: str) -> list[SettingInfo]:
    """Return what may be set of an environment, with defaults and what it means."""
    return described(ENVIRONMENTS[name].settings_type())
