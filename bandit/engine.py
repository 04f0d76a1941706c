"""What a learning engine is to the rest: batches of examples in, arrays over hashed indices out.

Scores, snapshots and Thompson sampling read the arrays only, so that an engine other than VW can
stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from bandit.features import Encoded
from bandit.types import Float32Array


class Candidate(NamedTuple):
    """The encoded features of one candidate, by namespace, without what all candidates share."""

    groups: Mapping[str, Encoded]


class TrainingExample(NamedTuple):
    """One outcome of one display.

    ``shared`` holds the namespaces that all candidates have in common (the context). A regression
    reads the chosen candidate alone; VW's contextual-bandit reductions read all of them.
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
    """Positive: of how many such displays this one stands for."""


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
