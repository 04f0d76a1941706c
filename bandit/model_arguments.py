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

IMPORTANCE_MAX: Final = 1e4
"""Largest importance weight in any case: larger ones overflow float32, and would drown all else."""

_L2_STEP_MAX: Final = 0.005
"""Largest share of a weight that l2 regularisation may take away in one step."""

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
    key = f"surfaces.{shape.surface}.model.arguments"
    seen: set[str] = set()
    for index, argument in enumerate(config.arguments):
        name, _, value = argument.partition("=")
        if name in seen:
            raise ConfigError(
                f"{key}[{index}]", f"{name} stands there twice", hint="leave one of them out"
            )
        seen.add(name)
        _check_argument(f"{key}[{index}]", argument, name, value)
    if seen.issuperset(_FLAGS):
        raise ConfigError(key, "--ftrl and --coin exclude each other", hint="leave one of them out")
    if "--coin" in seen and any(len(names) > 2 for names in shape.interactions):
        raise ConfigError(
            key,
            "--coin divides by squares that vanish for the small products of three features",
            hint="cross two namespaces at most, or leave out --coin",
        )


def _check_argument(path: str, argument: str, name: str, value: str) -> None:
    if name in _VALUED:
        lawful, expected = _VALUED[name]
        if not lawful(value):
            raise ConfigError(path, f"{value!r} is not a value of {name}", hint=f"give {expected}")
    elif name not in _FLAGS:
        near = difflib.get_close_matches(name, [*_VALUED, *_FLAGS], n=1)
        hint = f"did you mean {near[0]}?" if near else "see the key's list of arguments"
        raise ConfigError(path, f"{argument!r} is not an allowed VW argument", hint=hint)
    elif argument != name:
        raise ConfigError(path, f"{name} takes no value", hint=f"write {name}")


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
        ConfigError: see :func:`check_arguments`; or regularisation would overshoot.
    """
    check_arguments(shape, config)
    _check_l2(shape, config)
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


def importance_max(config: ModelConfig) -> float:
    """Return the largest importance weight that an example of such a model can have."""
    if config.cb_type != "regression" or config.importance == "full":
        return IMPORTANCE_MAX
    return 1.0 if config.importance == "none" else min(config.importance_max, IMPORTANCE_MAX)


def _check_l2(shape: ModelShape, config: ModelConfig) -> None:
    largest = _L2_STEP_MAX / (config.learning_rate * importance_max(config))
    if config.l2 > largest:
        raise ConfigError(
            f"surfaces.{shape.surface}.model.l2",
            f"{config.l2!r} takes too much of every weight at each example",
            hint=f"with this learning_rate and importance give at most {largest:.2g}",
        )
