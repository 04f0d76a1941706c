"""What the settings of one model must fulfil together.

The loader asks here, and so does whoever makes a model of settings that no loader has seen: a
configuration that passes the check cannot be refused by the learner for what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bandit.config.keys import nearest
from bandit.config.surfaces import ModelConfig
from bandit.config.validating import Problem
from bandit.config.vw_arguments import ARGUMENTS, UPDATE_RULES, wrong_arguments
from bandit.errors import ConfigError
from bandit.namespaces import NAMESPACES, wrong_interactions
from bandit.types import Surface

IMPORTANCE_MAX: Final = 1e4
"""Largest importance weight in any case: larger ones would drown all else."""

DROP_WEIGHT_MAX: Final = 20.0
"""For how many decisions one stands at most where a filling queue drops the others."""

WEIGHT_MAX: Final = 1e6
"""Largest weight for all reasons together: larger ones overflow float32."""

_L2_STEP_MAX: Final = 0.005
"""Largest share of a weight that l2 regularisation may take away in one step."""


def find_model_problems(surface: Surface, config: ModelConfig) -> list[Problem]:
    """Return everything that keeps a surface's model from being made or from learning."""
    path = f"surfaces.{surface}.model"
    return [
        *_interactions(f"{path}.interactions", surface, config),
        *_arguments(f"{path}.arguments", config),
        *_l2(f"{path}.l2", config),
        *_half_life(f"{path}.half_life_s", config),
    ]


def check_model(surface: Surface, config: ModelConfig) -> None:
    """Check the settings of a surface's model.

    Raises:
        ConfigError: with the first of what :func:`find_model_problems` finds.
    """
    for path, message in find_model_problems(surface, config):
        raise ConfigError(path, message, hint="`marquee config reference` lists every key")


def importance_max(config: ModelConfig) -> float:
    """Return the largest importance weight that an example of such a model can have."""
    if config.cb_type != "regression" or config.importance == "full":
        return IMPORTANCE_MAX
    return 1.0 if config.importance == "none" else min(config.importance_max, IMPORTANCE_MAX)


def weight_max(config: ModelConfig) -> float:
    """Return the largest weight that an example of such a model can have for all reasons together.

    What l2 regularisation takes away in one step grows with the weight.
    """
    most = WEIGHT_MAX
    if config.l2:
        most = min(most, _L2_STEP_MAX / (config.learning_rate * config.l2))
    return max(most, importance_max(config))


def _interactions(path: str, surface: Surface, config: ModelConfig) -> Iterator[Problem]:
    crosses = config.interactions or []
    for index, reason in wrong_interactions(surface, crosses):
        near = (nearest(name, NAMESPACES[surface]) for name in crosses[index])
        meant = [name for name in near if name is not None and name not in crosses[index]]
        yield Problem(f"{path}[{index}]", reason + _suggested(meant))


def _arguments(path: str, config: ModelConfig) -> Iterator[Problem]:
    for index, reason in wrong_arguments(config.arguments):
        name = config.arguments[index].partition("=")[0]
        near = None if name in ARGUMENTS else nearest(name, ARGUMENTS)
        yield Problem(f"{path}[{index}]", reason + _suggested([near] if near else []))
    if "--coin" in config.arguments and any(len(names) > 2 for names in config.interactions or ()):
        yield Problem(
            path,
            "--coin divides by squares that vanish for the small products of three features: "
            "cross two namespaces at most, or leave out --coin",
        )


def _l2(path: str, config: ModelConfig) -> Iterator[Problem]:
    largest = _L2_STEP_MAX / (config.learning_rate * importance_max(config))
    if config.l2 > largest:
        yield Problem(
            path,
            f"{config.l2!r} takes too much of every weight at each example; with this "
            f"learning_rate and importance give at most {largest:.2g}",
        )


def _half_life(path: str, config: ModelConfig) -> Iterator[Problem]:
    if config.half_life_s is None:
        return
    other = next((rule for rule in UPDATE_RULES if rule in config.arguments), None)
    if other is not None:
        yield Problem(path, f"{other} keeps no sums of AdaGrad's that could fade: leave out one")
    if config.power_t == 0:
        yield Problem(
            path, "with power_t = 0 no step depends on what came before: leave half_life_s out"
        )


def _suggested(meant: list[str]) -> str:
    return f"; did you mean {meant[0]}?" if meant else ""
