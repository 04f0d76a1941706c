"""What the features that lie in a table add to scores: once a distinct feature, then a gather.

What a feature adds, its own weight and its crosses with what all candidates share, is the same for
all that have it, up to its value. So it is worked out once for each distinct feature, u; a thing's
sum is ``Σ_f x_f · u[place_f]`` over its few features, and what describes a title is summed once for
all its artworks. A block of columns of one feature each, as embeddings are, is a matrix product.

Why not columns of partial sums over all artworks, one for each context feature, kept per snapshot:
they were tried. Measured on the standard page, 240 titles × 8 artworks with 20 context features:

==================================  ================  ==================
what                                20,000 artworks   1,000,000 artworks
==================================  ================  ==================
scores by vocabulary                80 µs             104 µs
scores by columns, kept apart       36-60 µs          226-275 µs
130 columns built at every swap     0.08 s            22 s
130 columns held by every worker    10 MB             520 MB
==================================  ================  ==================

The table holds for a vocabulary of about 100 distinct features, V. The time of columns does not
depend on V; here a page pays for its own distinct features, and never more than for all of its
places. 20 context features and 1,920 × 10 places, drawn evenly from all of V (the worst case) or
from 500 of them, in µs:

==================  =====  ======  =======  ========  ==========
V                   66     2,000   20,000   200,000   1,000,000
==================  =====  ======  =======  ========  ==========
all of V            34     168     604      873       924
500 of them         34     84      95       672       667
==================  =====  ======  =======  ========  ==========

Why equal features are not found by sorting where V is large: to sort the places takes 0.4 to 1.3
ms, more than to weigh each of them anew; to mark them takes time and memory with V.

A vocabulary needs nothing built, warmed, bounded or thrown out when a snapshot or a catalog is
swapped: a page pays for its own features alone, however large the catalog is. What columns save on
a small one, a twentieth of a millisecond, is not worth that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from bandit.crosses import cross_sum
from bandit.feature_tables import Chosen
from bandit.features import CROSS_PRIME, Encoded, FeatureMatrix
from bandit.types import Float32Array, HashArray, IndexArray

_SMALL: Final = 128
"""A vocabulary so small is weighed whole, however few of its features a page has."""

_FEW: Final = 512
"""So many features, of a vocabulary or of a page, are not looked through for equal ones."""

_SPARSE: Final = 8
"""Nor is a page in a vocabulary that is so many times as large as the features of the page."""

_GATHERED_MAX: Final = 1 << 18
"""Most weights gathered at once; :mod:`bandit.crosses` splits what is more."""

_PRIME: Final = np.uint32(CROSS_PRIME)

Weigh = Callable[[HashArray], Float32Array]
"""From (V,) features to what each adds to a score for each unit of its value."""


class Term(NamedTuple):
    """A cross of a table's features with what all candidates share, or those features alone."""

    before: Sequence[Encoded]
    """The shared factors that are hashed before the table's."""
    after: Sequence[Encoded]
    """Those that are hashed after it."""


def vocabulary_sum(
    table: Float32Array, chosen: Chosen, terms: Sequence[Term], *, squared: bool
) -> Float32Array:
    """Return (n,) the sum of all terms for each of the things chosen.

    Args:
        table: shape (2^bits,), a number for each hashed index.
        chosen: the candidates.
        terms: which crosses are summed; with ``squared``, their values are squared already.
        squared: whether to take the squares of the candidates' values.
    """
    features, things, _ = chosen
    weigh = partial(_added, table, terms)
    places = features.places.take(things, axis=0, mode="clip")
    own, dense = _weighed(weigh, features.vocabulary, places, features.dense_places)
    sums = np.zeros(len(things), np.float32)
    if own.shape[1]:
        if len(features.values):
            values = features.values.take(things, axis=0, mode="clip")
            own *= np.square(values) if squared else values
        # A product with ones adds rows up at a third of the time of a sum over a short axis.
        sums += own @ np.ones(own.shape[1], np.float32)
    if len(dense):
        values = features.dense_values.take(things, axis=0, mode="clip")
        sums += (np.square(values) if squared else values) @ dense
    return sums


def _weighed(
    weigh: Weigh, vocabulary: HashArray, places: np.ndarray, dense_places: IndexArray
) -> tuple[Float32Array, Float32Array]:
    """Return what the features at ``places`` add, in its shape, and those at ``dense_places``.

    What is not there, at place 0, adds nothing.
    """
    size = places.size + len(dense_places)
    known = len(vocabulary)
    if known > _SMALL and size <= known and (size <= _FEW or size * _SPARSE < known):
        every = np.concatenate((dense_places, places.ravel()))
        each = weigh(vocabulary.take(every, mode="clip"))
        own = each[len(dense_places) :].reshape(places.shape)
        # Not a product: what place 0 is taken to add may be past float32.
        return np.where(places != 0, own, np.float32(0)), each[: len(dense_places)]
    if known <= _FEW:
        weights = weigh(vocabulary)
    else:
        seen = np.zeros(known, np.bool_)
        seen[places] = True
        seen[dense_places] = True
        distinct = np.flatnonzero(seen)
        weights = np.empty(known, np.float32)
        weights[distinct] = weigh(vocabulary.take(distinct, mode="clip"))
    weights[0] = 0.0
    return weights.take(places, mode="clip"), weights.take(dense_places, mode="clip")


def _added(table: Float32Array, terms: Sequence[Term], hashes: HashArray) -> Float32Array:
    """Return what all terms make of each of (V,) features of value 1."""
    mask = np.uint32(len(table) - 1)
    total = np.zeros(len(hashes), np.float32)
    for before, after in terms:
        shared = [*before, *after]
        if not shared:
            total += table.take(hashes & mask, mode="clip")
        elif len(shared) == 1 and len(shared[0].hashes) * len(hashes) <= _GATHERED_MAX:
            first, second = (shared[0].hashes, hashes) if before else (hashes, shared[0].hashes)
            prefix, last = (first * _PRIME) & mask, second & mask
            indices = prefix[:, None] ^ last if before else last[:, None] ^ prefix
            total += shared[0].values @ table.take(indices, mode="clip")
        else:
            own = FeatureMatrix(hashes[:, None], np.ones((len(hashes), 1), np.float32))
            total += cross_sum(table, [*map(_row, before), own, *map(_row, after)])
    return total


def _row(shared: Encoded) -> FeatureMatrix:
    return FeatureMatrix(shared.hashes[None], shared.values[None])
