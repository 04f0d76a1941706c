"""What an example must be like before a learner may see it.

A number that is not finite, or a product of features past float32, makes every weight infinite
that it meets, and VW says nothing. Most examples pass by one comparison: where no value of theirs
can be larger than the root of what a term may come to, no product is too large either.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from bandit.config.schema import ModelConfig
from bandit.engine import Ready, TrainingExample
from bandit.errors import UnlearnableError
from bandit.scoring import ModelShape

TERM_MAX: Final = 1e15
"""Largest value of a feature or a cross; squares of larger ones overflow VW's float32 sums."""

TERM_MAX_FTRL: Final = 1e6
"""The same for ``--ftrl``, whose steps do not shrink with the size of features."""

_ROUNDING: Final = 0.999


class ExampleChecks:
    """The checks for one surface's model."""

    def __init__(self, shape: ModelShape, config: ModelConfig) -> None:
        self._shape = shape
        self._namespaces = frozenset(shape.namespaces)
        self._bandit = config.cb_type != "regression"
        self._term_max = TERM_MAX_FTRL if "--ftrl" in config.arguments else TERM_MAX
        factors = max((len(names) for names in shape.interactions), default=1)
        self._harmless = _ROUNDING * self._term_max ** (1 / factors)
        self._known: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
        """Namespaces shared and not that go together."""

    def check(self, example: TrainingExample, shared: Ready) -> None:
        """Check an example, ``shared`` being its shared features.

        Raises:
            UnlearnableError: its propensity, reward, weight or a feature is not a finite, lawful
                number.
        """
        if not 0.0 < example.propensity <= 1.0:
            raise _unlawful(f"propensity {example.propensity!r} is not in (0, 1]")
        if not 0.0 <= example.reward <= 1.0:
            raise _unlawful(f"reward {example.reward!r} is not in [0, 1]")
        if not 0.0 < example.weight < math.inf:
            raise _unlawful(f"weight {example.weight!r} is not positive and finite")
        if not 0 <= example.chosen < len(example.candidates):
            raise _unlawful(f"{example.chosen} is none of {len(example.candidates)} candidates")
        if not self._bandit:
            self._check_candidate(shared, example.candidates[example.chosen].ready)
            return
        for candidate in example.candidates:
            self._check_candidate(shared, candidate.ready)

    def _check_candidate(self, shared: Ready, own: Ready) -> None:
        names = (shared.names, own.names)
        if names not in self._known:
            self._check_names(*map(set, names))
            self._known.add(names)
        if not (shared.bound <= self._harmless and own.bound <= self._harmless):
            self._check_sizes(_sizes(shared) | _sizes(own))

    def _check_names(self, shared: set[str], own: set[str]) -> None:
        unknown = sorted((shared | own) - self._namespaces)
        if unknown:
            raise _unlawful(f"namespace {unknown[0]!r} is unknown")
        if not shared.isdisjoint(own):
            raise _unlawful(f"{sorted(shared & own)} both shared and not")

    def _check_sizes(self, largest: dict[str, float]) -> None:
        for name, size in largest.items():
            if not size <= self._term_max:
                raise _unlawful(f"a feature of namespace {name!r} has size {size}")
        for names in self._shape.interactions:
            if not math.prod(largest.get(name, 0.0) for name in names) <= self._term_max:
                raise _unlawful(f"a cross of {' × '.join(names)} is too large")


def _sizes(ready: Ready) -> dict[str, float]:
    """Return the size of the largest value of each namespace, 0 where it has none."""
    largest = {}
    for name, (hashes, values) in ready.groups.items():
        if hashes.shape != values.shape:
            raise _unlawful(f"namespace {name!r} has arrays that differ in length")
        largest[name] = float(np.abs(values).max(initial=0.0))
    return largest


def _unlawful(reason: str) -> UnlearnableError:
    return UnlearnableError(
        f"an example cannot be learned: {reason}",
        hint="scale large features down; a propensity or reward out of range is damage in the log",
    )
