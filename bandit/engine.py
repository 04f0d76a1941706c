"""What a learning engine is to the rest: batches of examples in, arrays over hashed indices out.

Scores, snapshots and Thompson sampling read the arrays only, so that an engine other than VW can
stand beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from bandit.features import Encoded
from bandit.types import Float32Array, KeyArray


class Ready(NamedTuple):
    """Features as they are learned from, made once for all displays of a thing."""

    groups: dict[str, tuple[KeyArray, Float32Array]]
    """Namespace → 64-bit hashes and values."""
    names: tuple[str, ...]
    """The namespaces, in the order given."""
    bound: float
    """At least the size of the largest value, and at least 1; NaN if a value is, or if a namespace
    has not as many values as hashes."""

    @classmethod
    def of(cls, groups: Mapping[str, Encoded]) -> Ready:
        """Make features ready."""
        bound = 1.0
        for hashes, values in groups.values():
            # A sum, because NaN is never the larger of two numbers.
            bound += float(np.abs(values).max(initial=0.0))
            if hashes.shape != values.shape:
                bound = math.nan
        return cls(
            {name: (one.hashes.astype(np.uint64), one.values) for name, one in groups.items()},
            tuple(groups),
            bound,
        )


class Candidate:
    """The encoded features of one candidate, by namespace, without what all candidates share.

    What it is made of does not change afterwards: ``ready`` is made of it once.
    """

    __slots__ = ("groups", "ready")

    def __init__(self, groups: Mapping[str, Encoded]) -> None:
        self.groups = groups
        self.ready = Ready.of(groups)


class TrainingExample(NamedTuple):
    """One outcome of one display.

    ``shared`` holds the namespaces that all candidates have in common (the context); examples of
    one page name the very same mapping, which does not change. A regression reads the chosen
    candidate alone; VW's contextual-bandit reductions read all of them.
    """

    shared: Mapping[str, Encoded]
    candidates: Sequence[Candidate]
    chosen: int
    """Index into ``candidates``."""
    propensity: float
    """In (0, 1]."""
    reward: float
    """In [0, 1]."""
    weight: float = 1.0
    """Positive: how many such displays this one stands for, up to a factor common to all."""


class ModelArrays(NamedTuple):
    """What a model knows, over its 2^bits hashed indices."""

    weights: Float32Array
    """Shape (2^bits,): expected reward is linear in these."""
    variances: Float32Array
    """Shape (2^bits,): posterior variance of each weight, up to the scale that exploration sets."""


class LearningEngine(Protocol):
    """Learns one surface's model."""

    def learn(self, examples: Sequence[TrainingExample]) -> None:
        """Learn from the examples, in order.

        Raises:
            UnlearnableError: an example's propensity, reward or feature is not a finite, lawful
                number; the examples before it were learned.
        """
        ...

    def arrays(self) -> ModelArrays:
        """Return a copy of what was learned.

        Raises:
            ModelError: a weight is not finite.
        """
        ...

    def serialize(self) -> bytes:
        """Return the whole state, from which a new engine learns on exactly as this one would."""
        ...

    def snapshot(self) -> tuple[ModelArrays, bytes]:
        """Return :meth:`arrays` and :meth:`serialize` of one moment.

        Raises:
            ModelError: a weight is not finite.
        """
        ...
