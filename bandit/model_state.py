"""Reading the head of a model that VW wrote: its identity, and counters that VW keeps to itself.

VW offers no way to ask a workspace for its progressive loss or for the scale and shift that lazy
regularisation applies to all weights, but writes them into every model. The layout is that of VW
9.9.0 (``save_load_header`` and ``save_load_online_state_gd``), little-endian throughout.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

import numpy as np

from bandit.errors import ModelError
from bandit.types import Float32Array

_LENGTH: Final = struct.Struct("<I")
_SIZES: Final = struct.Struct("<cffIIII")
"""Mark, least and greatest label, bits, lda, n-grams, skips."""
ONLINE: Final = struct.Struct("<?fddddfffdddQQddQdd")
"""What gradient descent keeps besides weights."""
_LAZY: Final = struct.Struct("<dd")
"""Gravity and contraction, the last of the former."""
BANDIT: Final = struct.Struct("<QQ")
"""Two counters of the contextual-bandit reductions that stand before gradient descent's."""


class ModelState(NamedTuple):
    """What the head of a serialized model says."""

    version: str
    identity: str
    """What ``--id`` was when the model was made."""
    initial_t: float
    """With what AdaGrad's sums began."""
    loss_sum: float
    """Progressive loss of a regression, summed with importance weights."""
    examples: int
    """How many examples were learned."""
    weight_sum: float
    """Sum of the importance weights of all examples."""
    gravity: float
    """By how much l1 regularisation pulls every weight towards 0."""
    contraction: float
    """By what l2 regularisation multiplies every weight."""
    lazy_at: int
    """Where gravity and contraction stand."""
    body_at: int
    """Where the learned state begins, past the head with the settings."""


def read_state(state: bytes, *, bandit: bool) -> ModelState:
    """Read the head of a serialized model; ``bandit`` says that a bandit reduction trained it.

    Raises:
        ModelError: the bytes are not such a model.
    """
    try:
        version, at = _text(state, 0)
        identity, at = _text(state, at)
        _, at = _text(state, at + _SIZES.size)
        (checksum_bytes,) = _LENGTH.unpack_from(state, at)
        body_at = at + _LENGTH.size + checksum_bytes
        online_at = body_at + (BANDIT.size if bandit else 0)
        online = ONLINE.unpack_from(state, online_at)
        examples = online[12] - round(online[11])
    except (struct.error, ValueError, OverflowError) as error:
        raise ModelError(
            f"{len(state)} bytes are not a model: {error}",
            hint="restore the model from a snapshot that verifies, or start without one",
        ) from error
    return ModelState(
        version=version,
        identity=identity,
        initial_t=online[1],
        loss_sum=online[4],
        examples=examples,
        weight_sum=online[9],
        gravity=online[17],
        contraction=online[18],
        lazy_at=online_at + ONLINE.size - _LAZY.size,
        body_at=body_at,
    )


def without_lazy_regularisation(state: bytes, head: ModelState) -> bytes:
    """Return the state with no pull and no scale left to apply to its weights."""
    return state[: head.lazy_at] + _LAZY.pack(0.0, 1.0) + state[head.lazy_at + _LAZY.size :]


def is_regularised(head: ModelState) -> bool:
    """Tell whether a pull or a scale is left to apply."""
    return head.gravity != 0.0 or head.contraction != 1.0


def regularised(weights: Float32Array, gravity: float, contraction: float) -> Float32Array:
    """Return a copy of VW's raw weights, pulled and scaled as lazy regularisation says."""
    shrunk = np.maximum(np.abs(weights) - np.float32(gravity), np.float32(0))
    return np.copysign(shrunk * np.float32(contraction), weights)


def _text(state: bytes, at: int) -> tuple[str, int]:
    """Read a length and so many bytes of text that end in 0; return it and where it ends."""
    (length,) = _LENGTH.unpack_from(state, at)
    end = at + _LENGTH.size + length
    if end > len(state):
        raise struct.error(f"a text of {length} bytes at {at} runs past the end")
    return state[at + _LENGTH.size : end].rstrip(b"\0").decode(), end
