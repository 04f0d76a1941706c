"""A model's weights under names: hashes cannot be reversed, so known features are hashed again.

Each feature of the known vocabularies, and each cross of them that the model's shape names, is
looked up among the weights. Which matter is told by size times typical use: the size of the weight
times the mean size of the feature's value over all things, a cross's being the product. So a large
weight of something that nearly nothing has does not come before what moves most pages. Where
several names share a weight, the one used most stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Final, NamedTuple

import numpy as np

from bandit.contributions import CONSTANT, CROSS, cross_indices, readable
from bandit.engine import ModelArrays
from bandit.explained import NamedWeight
from bandit.features import CONSTANT_HASH, feature_hash
from bandit.scoring import ModelShape
from bandit.types import FloatArray, HashArray, IndexArray
from bandit.vocabularies import Vocabulary

TERM_MAX: Final = 2_000_000
"""Most names tried for one cross of namespaces: the least used features go without. Some 60 MB."""


class NamedWeights(NamedTuple):
    """The weights that matter most, and how many of those that are not zero have names."""

    weights: list[NamedWeight]
    named: int
    unnamed: int


class _Words(NamedTuple):
    names: list[str]
    hashes: HashArray
    uses: FloatArray

    def first(self, most: int) -> _Words:
        return _Words(self.names[:most], self.hashes[:most], self.uses[:most])


class _Found(NamedTuple):
    matter: float
    place: int
    name: str


def named_weights(
    arrays: ModelArrays, shape: ModelShape, vocabularies: Mapping[str, Vocabulary], most: int
) -> NamedWeights:
    """Return the ``most`` weights that matter most, by what ``vocabularies`` name.

    Args:
        arrays: the model's, each of shape (2^bits,).
        shape: what the model crosses.
        vocabularies: by namespace.
        most: how many.
    """
    weights = arrays.weights
    mask = len(weights) - 1
    is_named = np.zeros(len(weights), np.bool_)
    found: list[_Found] = []
    if shape.constant:
        place = CONSTANT_HASH & mask
        is_named[place] = True
        if weights[place]:
            found.append(_Found(abs(float(weights[place])), place, CONSTANT))
    words = {name: _words(name, known) for name, known in vocabularies.items() if known.tokens}
    for names in [*((name,) for name in shape.namespaces), *shape.interactions]:
        if all(name in words for name in names):
            factors = _bounded([words[name] for name in names])
            places = cross_indices([factor.hashes for factor in factors], mask)
            is_named[places.ravel()] = True
            found += _largest(np.abs(weights[places]), places, factors, most)
    is_used = weights != 0
    named = int(np.count_nonzero(is_used & is_named))
    return NamedWeights(_named(found, arrays, most), named, int(np.count_nonzero(is_used)) - named)


def _words(namespace: str, known: Vocabulary) -> _Words:
    hashes = [feature_hash.__wrapped__(namespace, token) for token in known.tokens]
    names = [readable(namespace, token) for token in known.tokens]
    return _Words(names, np.array(hashes, np.uint32), np.array(known.uses))


def _bounded(factors: list[_Words]) -> list[_Words]:
    """Return factors whose crosses are no more than are tried; each keeps what is used most."""
    kept = list(factors)
    while np.prod([float(len(factor.names)) for factor in kept]) > TERM_MAX:
        widest = max(range(len(kept)), key=lambda index: len(kept[index].names))
        kept[widest] = kept[widest].first(len(kept[widest].names) // 2)
    return kept


def _largest(
    sizes: FloatArray, places: IndexArray, factors: list[_Words], most: int
) -> list[_Found]:
    matters = (sizes * reduce(np.multiply.outer, [factor.uses for factor in factors])).ravel()
    # Twice as many, as several names may share a weight.
    best = np.argsort(-matters, kind="stable")[: 2 * most]
    found = []
    for one in best[matters[best] > 0].tolist():
        at = np.unravel_index(one, sizes.shape)
        name = CROSS.join(factor.names[index] for factor, index in zip(factors, at, strict=True))
        found.append(_Found(float(matters[one]), int(places.ravel()[one]), name))
    return found


def _named(found: list[_Found], arrays: ModelArrays, most: int) -> list[NamedWeight]:
    by_place: dict[int, str] = {}
    for one in sorted(found, key=lambda one: (-one.matter, one.name)):
        by_place.setdefault(one.place, one.name)
        if len(by_place) == most:
            break
    variances = arrays.variances
    return [
        NamedWeight(
            name,
            float(arrays.weights[place]),
            float(np.sqrt(variances[place])) if len(variances) else None,
        )
        for place, name in by_place.items()
    ]
