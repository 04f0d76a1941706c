"""What array policies learn with: the contract of a model of one surface, and shared arithmetic.

A model knows N items. It is asked for m rounds at a time, each with a context, a segment, and sets
of items to choose from: codes of shape (m, ...), -1 for gaps, or of shape (1, ...) where all rounds
have the same. How its scores become choices is told by its ``kind``:

* ``greedy``: the best score is chosen, always; of equals any, with the same probability.
* ``softmax``: scores are logits, an item is drawn in proportion to their exponentials.
* ``thompson``: scores are a draw from what the model believes, and the best of them is chosen.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import numpy as np

from bandit.types import BoolArray, Float32Array, FloatArray
from simulator.pages import Codes
from simulator.policies.orders import Scores

Kind = Literal["greedy", "softmax", "thompson"]


class Problem(NamedTuple):
    """What is known before the first round."""

    items: Float32Array
    """Shape (N, f): features of the items."""
    contexts: int
    """d: features of a context."""
    segments: int


class Asked(NamedTuple):
    """Who is decided for, in m rounds."""

    contexts: Float32Array
    """Shape (m, d)."""
    segments: Codes
    """Shape (m,)."""

    def take(self, rounds: slice | BoolArray | Codes) -> Asked:
        """Return some of the rounds."""
        return Asked(self.contexts[rounds], self.segments[rounds])


class Observed(NamedTuple):
    """What n displays earned."""

    asked: Asked
    items: Codes
    """Shape (n,)."""
    rewards: FloatArray
    """Shape (n,)."""


class Model(Protocol):
    """Learns what items earn, and chooses among them."""

    @property
    def kind(self) -> Kind:
        """How scores become choices."""
        ...

    def start(self, problem: Problem) -> None:
        """Begin, knowing nothing but the problem."""
        ...

    def learn(self, observed: Observed) -> None:
        """Take up displays."""
        ...

    def scores(self, asked: Asked, sets: Codes, rng: np.random.Generator) -> Scores:
        """Return a score for each item of the sets, shape (m, ...); -inf for gaps."""
        ...

    def pmf(self, asked: Asked, sets: Codes) -> FloatArray:
        """Return the probability of each item within the last axis of its set, 0 for gaps.

        Sets have the shape (m, ..., K); K items each compete with one another.
        """
        ...


def gathered(table: Scores, sets: Codes) -> Scores:
    """Return the entries of an (m, N) or (1, N) table at sets of items; -inf for gaps."""
    count = max(len(table), len(sets))
    if sets.ndim == 2 and len(sets) == 1 and _is_all(sets[0], table.shape[1]):
        return table
    if len(table) == 1:
        values = np.take(table[0], np.maximum(sets, 0))
    else:
        index = np.broadcast_to(np.maximum(sets, 0), (count, *sets.shape[1:])).reshape(count, -1)
        values = np.take_along_axis(table, index.astype(np.intp), axis=1)
        values = values.reshape(count, *sets.shape[1:])
    there = sets >= 0
    return values if there.all() else np.where(there, values, values.dtype.type(-np.inf))


def _is_all(items: Codes, count: int) -> bool:
    return len(items) == count and bool((items == np.arange(count)).all())


def by_item(items: Codes) -> tuple[Codes, Codes, Codes]:
    """Return the order that sorts displays by item, the distinct items, and where each starts."""
    order = np.argsort(items, kind="stable").astype(np.int32)
    distinct, starts = np.unique(items[order], return_index=True)
    return order, distinct.astype(np.int32), starts.astype(np.int32)
