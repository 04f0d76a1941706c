"""Targets by name: the policies of the registry, judging logs that others wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from bandit.config.loading import load_config
from bandit.types import FloatArray
from simulator.errors import SimulationError
from simulator.logged import LoggedChoices, LoggedRankings
from simulator.policies.fixed import AsListed, Even
from simulator.policies.model_target import ModelTarget
from simulator.policies.models import Model
from simulator.policies.production_target import ProductionTarget
from simulator.policies.registry import MODELS, is_production


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


_FIXED: Final[Mapping[str, Callable[[], Model]]] = {"uniform": Even, "editorial": AsListed}

TARGETS: Final = (*_FIXED, *MODELS)
"""Names that :func:`make_target` knows, beside paths of production configurations."""


def make_target(spec: str, **settings: Any) -> Target:
    """Make a target.

    Args:
        spec: a name of :data:`TARGETS`, or the path of a TOML file of production's settings, whose
            target is named after the file.
        settings: ``epsilon``, a share of uniform choices mixed in, and the settings of the model
            (:func:`simulator.policies.registry.make_policy`); of production those of
            :class:`simulator.policies.production_target.ProductionTarget`.

    Raises:
        ConfigError: the TOML file is wrong.
        SimulationError: there is no such target, or it has no such setting.
    """
    try:
        if is_production(spec):
            path = Path(spec)
            return ProductionTarget(load_config(path, {}), name=path.stem, **settings)
        if spec in _FIXED:
            return ModelTarget(spec, _FIXED[spec], learns=False, **settings)
        if spec in MODELS:
            return _learning(spec, **settings)
    except TypeError as error:
        raise SimulationError(
            f"the target {spec} cannot be made with {', '.join(settings)}: {error}",
            hint="leave out settings that it does not have",
        ) from error
    raise SimulationError(
        f"there is no target {spec!r} on logged data",
        hint=f"choose one of {', '.join(TARGETS)}, or give the path of a .toml file",
    )


def _learning(spec: str, *, epsilon: float = 0.0, **settings: Any) -> Target:
    make = partial(MODELS[spec].make, **settings)
    # Made once already, so that a wrong setting is told before any log is read.
    make()
    return ModelTarget(spec, make, learns=True, epsilon=epsilon)
