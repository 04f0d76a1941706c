"""A serialized model, taken apart into arrays and counters and put together again.

VW writes of each weight that was touched its index and what AdaGrad keeps of it, in rising order
(``save_load_online_state_gd`` of VW 9.9.0, little-endian): the weight, its sum of squared gradients
and, where updates are normalised, the largest size its feature had. Whatever is put together here
is a model file like any other: VW loads it and learns on from it.

Why merging works on model files and not on a workspace's memory: they hold the touched weights
alone, they are what checkpoints and snapshots hold anyway, and counters that steps depend on stand
in them and nowhere else.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from bandit.config.schema import ModelConfig
from bandit.config.vw_arguments import UPDATE_RULES
from bandit.errors import ModelError
from bandit.model_state import BANDIT, ONLINE, read_state
from bandit.types import Float32Array, HashArray

NORMALISER_TOTAL: Final = 2
"""Place among the counters: Σ over examples of Σ (x / largest x)²."""
LEAST_LABEL, GREATEST_LABEL = 7, 8
GRAVITY, CONTRACTION = 17, 18
ADDITIVE: Final = (NORMALISER_TOTAL, 3, 4, 5, 9, 10, 11, 12, 13, 14)
"""Places of the counters that grow with every example: the normaliser's total, the time, losses,
weights and labels, examples, features, and the weight behind the normaliser's total."""


class ModelParts(NamedTuple):
    """What a serialized model holds."""

    made_by: tuple[str, str]
    """VW's version and the model's identity: what must agree for models to be of one kind."""
    settings: bytes
    """The head, which holds these and the command line."""
    reductions: tuple[int, ...]
    """The counters of the contextual-bandit reductions; none in a regression."""
    counters: tuple[float, ...]
    """Those of gradient descent, in the order of :data:`bandit.model_state.ONLINE`."""
    indices: HashArray
    """Shape (n,), rising: which weights were touched."""
    table: Float32Array
    """Shape (n, columns): weight, AdaGrad sum and, where updates are normalised, normaliser."""


def take_apart(state: bytes, config: ModelConfig) -> ModelParts:
    """Take a serialized model apart.

    Raises:
        ModelError: the bytes are not such a model, or are not learned by AdaGrad.
    """
    bandit = config.cb_type != "regression"
    head = read_state(state, bandit=bandit)
    online_at = head.body_at + (BANDIT.size if bandit else 0)
    records_at = online_at + ONLINE.size
    record = _record(config)
    if (len(state) - records_at) % record.itemsize:
        raise ModelError(
            f"{len(state) - records_at} bytes are not whole weights of {record.itemsize}",
            hint="restore the model from a snapshot that verifies, or start without one",
        )
    records = np.frombuffer(state, record, offset=records_at)
    return ModelParts(
        made_by=(head.version, head.identity),
        settings=state[: head.body_at],
        reductions=BANDIT.unpack_from(state, head.body_at) if bandit else (),
        counters=ONLINE.unpack_from(state, online_at),
        indices=records["index"],
        table=records["values"],
    )


def put_together(parts: ModelParts, config: ModelConfig) -> bytes:
    """Return the serialized model; weights of which all is 0 are left out, as VW does."""
    touched = parts.table.any(axis=1)
    records = np.empty(int(touched.sum()), _record(config))
    records["index"], records["values"] = parts.indices[touched], parts.table[touched]
    reductions = BANDIT.pack(*parts.reductions) if parts.reductions else b""
    return parts.settings + reductions + ONLINE.pack(*parts.counters) + records.tobytes()


def is_normalised(config: ModelConfig) -> bool:
    """Tell whether a normaliser is kept; :mod:`bandit.model_arguments` says why dr has none."""
    return config.cb_type != "dr"


def _record(config: ModelConfig) -> np.dtype[np.void]:
    rule = next((rule for rule in UPDATE_RULES if rule in config.arguments), None)
    if rule is not None:
        raise ModelError(
            f"a model of {rule} keeps no sums of AdaGrad's",
            hint=f"leave {rule} out of the model's arguments, or learn with one learner",
        )
    return np.dtype([("index", "<u4"), ("values", "<f4", 2 + is_normalised(config))])
