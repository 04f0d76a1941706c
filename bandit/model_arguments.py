"""From a model's configuration to VW's command line, and nothing past what is allowed there.

Why the doubly robust reduction learns without normalised updates: VW keeps one normalisation total
for each of its two models and saves only the first, so that with them a state would not be learned
on from exactly.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from bandit.config.model_rules import check_model
from bandit.config.schema import ModelConfig
from bandit.config.vw_arguments import UPDATE_RULES
from bandit.scoring import ModelShape

_PREDICTION_MAX: Final = 1e30
"""Bound on predictions that none reaches: by default VW clips them to the labels seen."""


def identity(shape: ModelShape, config: ModelConfig) -> str:
    """Name what must agree for one engine to go on from another's state.

    Step sizes and regularisation may change between the two; what an index or a column of the
    weights means may not, nor what AdaGrad's sums began with.
    """
    rule = next((flag for flag in UPDATE_RULES if flag in config.arguments), "--adaptive")
    start = [argument for argument in config.arguments if argument.startswith("--initial_t=")]
    parts = msgspec.json.encode([shape, config.cb_type, rule, start])
    return f"marquee-1-{hashlib.blake2s(parts, digest_size=12).hexdigest()}"


def started_at(config: ModelConfig) -> float:
    """Return what AdaGrad's sums begin with."""
    given = [one for one in config.arguments if one.startswith("--initial_t=")]
    return float(given[-1].partition("=")[2]) if given else 0.0


def vw_bits(shape: ModelShape, config: ModelConfig) -> int:
    """Return VW's ``-b``: the doubly robust reduction keeps two models in one table."""
    return shape.bits + (config.cb_type == "dr")


def vw_arguments(shape: ModelShape, config: ModelConfig) -> list[str]:
    """Return VW's command line for a model.

    Raises:
        ConfigError: such a model cannot be made.
    """
    check_model(shape.surface, config)
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
    if config.cb_type == "dr" and not set(UPDATE_RULES) & set(config.arguments):
        arguments += ["--adaptive", "--invariant"]
    return [*arguments, *config.arguments]
