"""What learners of partitions hand to each other: merged models, and turns of learning."""

from __future__ import annotations

import zlib
from typing import Final, TypeVar

import msgspec

from bandit.cluster.sealing import opened, sealed
from bandit.config.schema import Config, ModelConfig
from bandit.keys import KeyRing
from bandit.model_merging import Stand
from bandit.model_parts import take_apart
from bandit.model_state import read_state
from bandit.types import SURFACES, Surface

FORMAT_VERSION: Final = 1
BYTES_MAX: Final = 1 << 32
_COMPRESSION: Final = 1

Kind = TypeVar("Kind", "Merged", "HandedIn")


class Merged(msgspec.Struct, frozen=True):
    """Models that all learners go on from."""

    generation: int
    """How many merges it is made of."""
    stands: dict[Surface, Stand]
    included: dict[int, int] = {}
    """Partition → the number of the last turn of its learner's that is merged."""
    v: int = FORMAT_VERSION


class HandedIn(msgspec.Struct, frozen=True):
    """One learner's turn of learning."""

    number: int
    """Counted by partition; it rises."""
    begun: Merged
    """What it went on from."""
    now: dict[Surface, Stand]
    clock_us: int
    """The learner's log clock."""
    v: int = FORMAT_VERSION


def packed(keys: KeyRing, value: Merged | HandedIn) -> bytes:
    """Return a value's bytes, signed."""
    content = zlib.compress(msgspec.msgpack.encode(value), _COMPRESSION)
    return sealed(keys, type(value).__name__, content)


def unpacked(keys: KeyRing, kind: type[Kind], data: bytes) -> Kind:
    """Return the value.

    Raises:
        ValueError: it is damaged, too large, of another format, or not signed by us.
    """
    machine = zlib.decompressobj()
    try:
        content = machine.decompress(opened(keys, kind.__name__, data), BYTES_MAX)
        value = msgspec.msgpack.decode(content, type=kind)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if value.v != FORMAT_VERSION:
        raise ValueError(f"it has format {value.v}, not {FORMAT_VERSION}")
    return value


def models_of(config: Config) -> dict[Surface, ModelConfig]:
    """Return how the surfaces' models learn."""
    return {"artwork": config.surfaces.artwork.model, "rows": config.surfaces.rows.model}


def examples_of(stands: dict[Surface, Stand], models: dict[Surface, ModelConfig]) -> int:
    """Return how many examples models have learned, together.

    Raises:
        ModelError: a state is damaged.
    """
    return sum(
        read_state(stands[surface].state, bandit=models[surface].cb_type != "regression").examples
        for surface in SURFACES
    )


def are_alike(
    one: dict[Surface, Stand], other: dict[Surface, Stand], models: dict[Surface, ModelConfig]
) -> bool:
    """Tell whether models are of one shape and release, so that they can be merged.

    Steps may be of other sizes, as after a change of the configuration.

    Raises:
        ModelError: a state is damaged.
    """
    return all(
        take_apart(one[surface].state, models[surface]).made_by
        == take_apart(other[surface].state, models[surface]).made_by
        for surface in SURFACES
    )
