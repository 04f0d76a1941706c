"""What a reward model looks at: rounds and items as columns of numbers.

A pair of a round and an item is described by the round's context, the item's features, the position
and the item's identity. An item's code is a name, never a quantity: it enters as a column of its
own (one-hot), as an unordered category of trees, or hashed into buckets, so that a model is the
same however items are numbered. Identities are left out where there are too many of them and
features tell items apart; without features they share buckets.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from bandit.types import BoolArray, Float32Array, FloatArray
from simulator.errors import LoggedDataError
from simulator.logged import CodeArray, LoggedChoices, LoggedRankings

IDENTITIES_MAX: Final = 4096
"""Most items that get a column each in a linear model; also the number of buckets past that."""
CATEGORIES_MAX: Final = 255
"""The same for the categories of trees, of which scikit-learn's take no more."""

_GOLDEN: Final = np.uint64(11400714819323198485)
"""2^64 over the golden ratio: its multiples spread evenly (Knuth, 1998, section 6.4)."""


class Space(NamedTuple):
    """What is the same for all pairs of a log."""

    items: int
    """Items are coded 0 .. items - 1."""
    contexts: int
    """d, the columns of the context; 0 where there is none."""
    positions: int
    """Positions are 0 .. positions - 1; 0 where they are not told."""
    features: Float32Array | None
    """Shape (items, f)."""


class Pairs(NamedTuple):
    """m pairs of a round and an item."""

    item: CodeArray
    """Shape (m,) item codes."""
    context: Float32Array | None
    """Shape (m, d)."""
    position: CodeArray | None
    """Shape (m,)."""

    def take(self, rows: slice | np.ndarray) -> Pairs:
        """Return some of the pairs."""
        return Pairs(
            self.item[rows],
            None if self.context is None else self.context[rows],
            None if self.position is None else self.position[rows],
        )


class Sets(NamedTuple):
    """m rounds, each with its set of items."""

    context: Float32Array | None
    """Shape (m, d)."""
    position: CodeArray | None
    """Shape (m,)."""
    candidates: CodeArray | None
    """Shape (m, K) item codes, -1 for none; None: the first K items, in order."""

    def take(self, rows: slice | np.ndarray) -> Sets:
        """Return some of the rounds."""
        return Sets(
            None if self.context is None else self.context[rows],
            None if self.position is None else self.position[rows],
            None if self.candidates is None else self.candidates[rows],
        )

    def pairs(self, wanted: BoolArray) -> Pairs:
        """Return the pairs at the places where ``wanted``, (m, K), is true, row by row."""
        row, column = np.nonzero(wanted)
        items = column if self.candidates is None else self.candidates[row, column]
        return Pairs(
            np.asarray(items, np.int32),
            None if self.context is None else self.context[row],
            None if self.position is None else self.position[row],
        )


class Design(NamedTuple):
    """A sparse matrix of m rows with equally many entries each."""

    columns: CodeArray
    """Shape (m, entries)."""
    values: FloatArray
    """Shape (m, entries)."""
    width: int
    """Number of columns."""


def space_of(logged: LoggedChoices | LoggedRankings) -> Space:
    """Return what the pairs of a log have in common.

    Raises:
        LoggedDataError: items have codes past the table of their features.
    """
    if isinstance(logged, LoggedChoices):
        largest_set, position = logged.action_count, logged.position
        positions = 0 if position is None else int(position.max(initial=-1)) + 1
    else:
        largest_set, positions = logged.item_count, logged.items.shape[1]
    codes = logged.candidates
    items = largest_set if codes is None else int(codes.max(initial=-1)) + 1
    features = logged.item_features
    if features is not None and len(features) < items:
        raise LoggedDataError(
            "item_features",
            f"has {len(features)} rows, item codes go up to {items - 1}",
            hint="give the features of every item, by its code",
        )
    contexts = 0 if logged.context is None else logged.context.shape[1]
    return Space(items if features is None else len(features), contexts, positions, features)


def logged_pairs(logged: LoggedChoices) -> Pairs:
    """Return (n,) pairs of each round with the item it chose."""
    return Pairs(logged.items(), logged.context, logged.position)


def logged_sets(logged: LoggedChoices) -> Sets:
    """Return each round with its action set."""
    return Sets(logged.context, logged.position, logged.candidates)


def identity_count(space: Space, most: int) -> int:
    """Return how many identities a model with room for ``most`` tells apart; 0: none."""
    if space.items <= most:
        return space.items
    return 0 if space.features is not None else most


def identities(item: CodeArray, space: Space, most: int) -> CodeArray:
    """Return (m,) which identity each item has, out of :func:`identity_count`."""
    if space.items <= most:
        return item
    spread = item.astype(np.uint64) * _GOLDEN >> np.uint64(32)
    return np.asarray(spread % np.uint64(most), np.int32)


def sparse_design(pairs: Pairs, space: Space, *, crossed: bool) -> Design:
    """Return the columns of a linear model, one row a pair.

    In order: context, item features, position one-hot, identity one-hot, and, if ``crossed``, the
    context times the item's features, or times its identity where there are no features.
    """
    count = len(pairs.item)
    blocks: list[tuple[CodeArray, FloatArray]] = []
    width = 0
    context = np.zeros((count, 0)) if pairs.context is None else pairs.context.astype(np.float64)
    features = np.zeros((count, 0)) if space.features is None else space.features[pairs.item]
    for dense in (context, features.astype(np.float64)):
        columns = np.arange(width, width + dense.shape[1], dtype=np.int32)
        blocks.append((np.broadcast_to(columns, dense.shape), dense))
        width += dense.shape[1]
    one = np.ones((count, 1))
    if pairs.position is not None:
        blocks.append((width + pairs.position[:, None], one))
        width += space.positions
    identity_total = identity_count(space, IDENTITIES_MAX)
    identity = identities(pairs.item, space, IDENTITIES_MAX)[:, None]
    if identity_total:
        blocks.append((width + identity, one))
        width += identity_total
    if crossed and features.shape[1]:
        products = (context[:, :, None] * features[:, None, :]).reshape(count, -1)
        columns = np.arange(width, width + products.shape[1], dtype=np.int32)
        blocks.append((np.broadcast_to(columns, products.shape), products))
        width += products.shape[1]
    elif crossed:
        blocks.append((width + identity * space.contexts + np.arange(space.contexts), context))
        width += identity_total * space.contexts
    columns = np.hstack([block[0] for block in blocks]).astype(np.int32)
    return Design(columns, np.hstack([block[1] for block in blocks]), width)


def tree_columns(pairs: Pairs, space: Space) -> tuple[FloatArray, BoolArray]:
    """Return the columns of a model of trees, one row a pair, and which of them are categories.

    In order: context, item features, position (a quantity: lower on the page), identity.
    """
    count = len(pairs.item)
    blocks: list[np.ndarray] = []
    if pairs.context is not None:
        blocks.append(pairs.context)
    if space.features is not None:
        blocks.append(space.features[pairs.item])
    if pairs.position is not None:
        blocks.append(pairs.position[:, None])
    has_identity = identity_count(space, CATEGORIES_MAX) > 0
    if has_identity:
        blocks.append(identities(pairs.item, space, CATEGORIES_MAX)[:, None])
    matrix = np.empty((count, sum(block.shape[1] for block in blocks)))
    np.concatenate(blocks, axis=1, out=matrix)
    categorical = np.zeros(matrix.shape[1], np.bool_)
    categorical[-1] = has_identity
    return matrix, categorical
