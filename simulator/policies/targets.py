"""Targets by name: the policies of the registry, judging logs that others wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from bandit.config.loading import load_config
from bandit.types import FloatArray
from simulator.errors import SimulationError
from simulator.logged import LoggedChoices, LoggedRankings
from simulator.policies.fixed_targets import EditorialTarget, UniformTarget
from simulator.policies.model_target import ModelTarget
from simulator.policies.production_target import JudgedSettings, ProductionTarget
from simulator.policies.registry import MODELS, is_production
from simulator.policies.settings import FixedSettings
from simulator.settings import read_settings


class Target(Protocol):
    """What a log can be asked of: single choices, and rankings in every form estimators need."""

    @property
    def name(self) -> str:
        """As commands and reports have it."""
        ...

    @property
    def learns(self) -> bool:
        """Whether it must be trained on a part of the log."""
        ...

    def fit(self, training: LoggedChoices | LoggedRankings | None) -> None:
        """Learn from a part of the log, then stay as it is."""
        ...

    def chosen_probability(self, logged: LoggedChoices) -> FloatArray:
        """See :class:`simulator.targets.ChoiceTarget`."""
        ...

    def pmf(self, logged: LoggedChoices) -> FloatArray:
        """See :class:`simulator.targets.ChoiceTarget`."""
        ...

    def conditional_probability(self, logged: LoggedRankings) -> FloatArray:
        """See :class:`simulator.targets.RankingTarget`."""
        ...

    def marginal_probability(self, logged: LoggedRankings) -> FloatArray:
        """See :class:`simulator.targets.RankingTarget`."""
        ...

    def placement_probability(self, logged: LoggedRankings) -> FloatArray:
        """See :class:`simulator.rankings.inputs.PlacementTarget`."""
        ...

    def conditional_pmf(self, logged: LoggedRankings) -> FloatArray:
        """See :class:`simulator.rankings.inputs.CascadeTarget`."""
        ...


_FIXED: Final[Mapping[str, Callable[[FixedSettings], Target]]] = {
    # A share of uniform choices changes nothing there.
    "uniform": lambda _: UniformTarget(),
    "editorial": lambda settings: EditorialTarget(settings.epsilon),
}

TARGETS: Final = (*_FIXED, *MODELS)
"""Names that :func:`make_target` knows, beside paths of production configurations."""


def make_target(spec: str, **settings: object) -> Target:
    """Make a target.

    Args:
        spec: a name of :data:`TARGETS`, or the path of a TOML file of production's settings, whose
            target is named after the file.
        settings: those that the policy of this name has, as
            :mod:`simulator.policies.settings` describes them; of production
            :class:`simulator.policies.production_target.JudgedSettings`.

    Raises:
        ConfigError: the TOML file is wrong.
        SimulationError: there is no such target or setting, or a value is not lawful.
    """
    whose = f"the policy {spec}"
    if is_production(spec):
        path = Path(spec)
        asked = read_settings(JudgedSettings, settings, whose)
        return ProductionTarget(load_config(path, {}), name=path.stem, settings=asked)
    if spec in _FIXED:
        return _FIXED[spec](read_settings(FixedSettings, settings, whose))
    if spec in MODELS:
        model = MODELS[spec]
        given = read_settings(model.settings, settings, whose)
        return ModelTarget(spec, partial(model.build, given), learns=True, epsilon=given.epsilon)
    raise SimulationError(
        f"there is no target {spec!r} on logged data",
        hint=f"choose one of {', '.join(TARGETS)}, or give the path of a .toml file",
    )
