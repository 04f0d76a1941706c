"""From a model's configuration to VW's command line, and nothing past what is allowed there.

Some of VW's arguments write files, and many would make scores something else than a sum over
weights; only those that change how weights are learned are let through.

Why the doubly robust reduction learns without normalised updates: VW keeps one normalisation total
for each of its two models and saves only the first, so that with them a state would not be learned
on from exactly.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from bandit.config.schema import ModelConfig
from bandit.errors import ConfigError
from bandit.scoring import ModelShape

_PREDICTION_MAX: Final = 1e30
"""Bound on predictions that none reaches: by default VW clips them to the labels seen."""

_LOSSES: Final = ("squared", "classic", "quantile")


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _loss(text: str) -> bool:
    return text in _LOSSES


_VALUED: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    **dict.fromkeys(
        (
            "--l1",
            "--initial_t",
            "--decay_learning_rate",
            "--ftrl_alpha",
            "--ftrl_beta",
            "--quantile_tau",
        ),
        (_number, "a finite number"),
    ),
    "--loss_function": (_loss, f"one of {', '.join(_LOSSES)}: rewards lie between 0 and 1"),
    "--random_seed": (str.isdecimal, "a whole number"),
}
_FLAGS: Final = ("--ftrl", "--coin")


def check_arguments(shape: ModelShape, config: ModelConfig) -> None:
    """Check the further VW arguments of a model.

    Raises:
        ConfigError: one is not allowed, stands twice, or lacks its value or has a wrong one.
    """
    seen: set[str] = set()
    for index, argument in enumerate(config.arguments):
        path = f"surfaces.{shape.surface}.model.arguments[{index}]"
        name, equals, value = argument.partition("=")
        if name not in _VALUED and name not in _FLAGS:
            near = difflib.get_close_matches(name, [*_VALUED, *_FLAGS], n=1)
            hint = f"did you mean {near[0]}?" if near else "see the key's list of arguments"
            raise ConfigError(path, f"{argument!r} is not an allowed VW argument", hint=hint)
        if name in seen:
            raise ConfigError(path, f"{name} stands there twice", hint="leave one of them out")
        seen.add(name)
        if name in _FLAGS and equals:
            raise ConfigError(path, f"{name} takes no value", hint=f"write {name}")
        if name in _VALUED:
            lawful, expected = _VALUED[name]
            if not lawful(value):
                raise ConfigError(
                    path, f"{value!r} is not a value of {name}", hint=f"give {expected}"
                )
    if len(seen & set(_FLAGS)) > 1:
        raise ConfigError(
            f"surfaces.{shape.surface}.model.arguments",
            "--ftrl and --coin exclude each other",
            hint="leave one of them out",
        )
    if "--coin" in seen and any(len(names) > 2 for names in shape.interactions):
        raise ConfigError(
            f"surfaces.{shape.surface}.model.arguments",
            "--coin divides by squares that vanish for the small products of three features",
            hint="cross two namespaces at most, or leave out --coin",
        )


def identity(shape: ModelShape, config: ModelConfig) -> str:
    """Name what must agree for one engine to go on from another's state.

    Step sizes and regularisation may change between the two; what an index or a column of the
    weights means may not, nor what AdaGrad's sums began with.
    """
    rule = next((flag for flag in _FLAGS if flag in config.arguments), "--adaptive")
    start = [argument for argument in config.arguments if argument.startswith("--initial_t=")]
    parts = msgspec.json.encode([shape, config.cb_type, rule, start])
    return f"marquee-1-{hashlib.blake2s(parts, digest_size=12).hexdigest()}"


def vw_bits(shape: ModelShape, config: ModelConfig) -> int:
    """Return VW's ``-b``: the doubly robust reduction keeps two models in one table."""
    return shape.bits + (config.cb_type == "dr")


def vw_arguments(shape: ModelShape, config: ModelConfig) -> list[str]:
    """Return VW's command line for a model.

    Raises:
        ConfigError: see :func:`check_arguments`.
    """
    check_arguments(shape, config)
    letters = [name[0] for name in shape.namespaces]
    if len(set(letters)) != len(letters):
        raise ConfigError(
            f"surfaces.{shape.surface}",
            f"VW tells namespaces by their first letters, and those of {shape.namespaces} repeat",
            hint="rename a namespace",
        )
    arguments = [
        "--quiet",
        "--preserve_performance_counters",
        f"--id={identity(shape, config)}",
        f"--bit_precision={vw_bits(shape, config)}",
        f"--learning_rate={config.learning_rate!r}",
        f"--power_t={config.power_t!r}",
        f"--min_prediction={-_PREDICTION_MAX!r}",
        f"--max_prediction={_PREDICTION_MAX!r}",
    ]
    if config.l2:
        arguments.append(f"--l2={config.l2!r}")
    if not shape.constant:
        arguments.append("--noconstant")
    for names in shape.interactions:
        crossed = "".join(name[0] for name in names)
        arguments += ["--quadratic" if len(names) == 2 else "--interactions", crossed]
    if config.cb_type != "regression":
        arguments += ["--cb_adf", "--cb_type", config.cb_type]
    if config.cb_type == "dr" and not set(_FLAGS) & set(config.arguments):
        arguments += ["--adaptive", "--invariant"]
    return [*arguments, *config.arguments]
