"""What each feature adds to a score, exactly: a linear model's score is a sum, taken apart.

A score is ``Σ weight · x`` over the constant, every feature of every namespace, and every cross of
features that the model's shape names (:mod:`bandit.scoring`). Each summand is one contribution,
under a name that people can read; all together they equal the score up to the rounding of float32,
in which scores are summed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from typing import Final, NamedTuple
from urllib.parse import unquote

import numpy as np

from bandit.explained import Contribution
from bandit.features import CONSTANT_HASH, CROSS_PRIME, ID, Encoded, encode, tokens
from bandit.namespaces import Interaction
from bandit.scoring import ModelShape
from bandit.types import Features, Float32Array, FloatArray, HashArray, IndexArray

CONSTANT: Final = "constant"
CROSS: Final = " × "


class Named(NamedTuple):
    """The features of one thing in one namespace, and what to call them."""

    names: list[str]
    features: Encoded


class _Term(NamedTuple):
    """What one cross, or one namespace alone, adds."""

    names: list[list[str]]
    """One list a factor."""
    values: FloatArray
    """One axis a factor."""
    is_alike: bool
    """Whether all candidates have it."""


class Contributions:
    """All that makes one score."""

    def __init__(self, terms: list[_Term]) -> None:
        self._terms = terms
        self._ends = np.cumsum([term.values.size for term in terms], dtype=np.intp)
        flat = [term.values.ravel() for term in terms]
        self.values: FloatArray = np.concatenate(flat) if flat else np.zeros(0)
        """Shape (C,): what each contribution adds to the score."""
        self.alike: float = sum(float(term.values.sum()) for term in terms if term.is_alike)
        """What all candidates have in common: it moves none of them before another."""
        sizes = [np.abs(term.values.ravel()) * (not term.is_alike) for term in terms]
        self._sizes = np.concatenate(sizes) if sizes else np.zeros(0)

    def largest(self, most: int) -> list[Contribution]:
        """Return the ``most`` largest by size of those that tell candidates apart, largest first.

        Those that add nothing are left out.
        """
        places = np.argsort(-self._sizes, kind="stable")[:most].tolist()
        return [
            Contribution(self._name(place), float(self.values[place]))
            for place in places
            if self._sizes[place] != 0
        ]

    def _name(self, place: int) -> str:
        number = int(np.searchsorted(self._ends, place, side="right"))
        term = self._terms[number]
        within = place - (int(self._ends[number - 1]) if number else 0)
        at = np.unravel_index(within, term.values.shape)
        return CROSS.join(names[index] for names, index in zip(term.names, at, strict=True))


def readable(namespace: str, token: str) -> str:
    """Return a feature's name as people read it.

    >>> readable("artwork", "city=New%20York")
    'artwork.city=New York'
    """
    text = unquote(token)
    return text if namespace == ID else f"{namespace}.{text}"


def named(namespace: str, features: Features) -> Named:
    """Encode features and keep their names; a number's stands before it, as in ``year:1927``."""
    names = [
        readable(namespace, token) + ("" if "=" in token and value == 1.0 else f":{value:g}")
        for name, feature in features.items()
        for token, value in tokens(name, feature)
    ]
    return Named(names, encode(namespace, features))


def contributions(
    weights: Float32Array,
    shape: ModelShape,
    groups: Mapping[str, Named],
    alike: Collection[str] = (),
) -> Contributions:
    """Take one candidate's score apart.

    Args:
        weights: shape (2^bits,).
        shape: the model's; namespaces missing from ``groups`` contribute nothing.
        groups: the candidate's features by namespace, the shared ones among them.
        alike: the namespaces that all candidates have in common.
    """
    mask = len(weights) - 1
    terms = []
    if shape.constant:
        constant = np.array([weights[CONSTANT_HASH & mask]], np.float64)
        terms.append(_Term([[CONSTANT]], constant, is_alike=True))
    for names in _present(shape, groups):
        factors = [groups[name] for name in names]
        places = cross_indices([factor.features.hashes for factor in factors], mask)
        values = reduce(np.multiply.outer, [_wide(factor.features) for factor in factors])
        is_alike = all(name in alike for name in names)
        terms.append(
            _Term([factor.names for factor in factors], weights[places] * values, is_alike)
        )
    return Contributions(terms)


def crosses(shape: ModelShape, groups: Mapping[str, Named]) -> int:
    """Return how many contributions :func:`contributions` would find, the constant aside."""
    return sum(
        int(np.prod([len(groups[name].names) for name in names]))
        for names in _present(shape, groups)
    )


def cross_indices(factors: Sequence[HashArray], mask: int) -> IndexArray:
    """Return the weights' places of all crosses of one feature of each factor, one axis a factor.

    They are hashed as :mod:`bandit.crosses` says.
    """

    def crossed(before: HashArray, hashes: HashArray) -> HashArray:
        return np.asarray((before * np.uint32(CROSS_PRIME))[..., None] ^ hashes)

    return (reduce(crossed, factors) & np.uint32(mask)).astype(np.intp)


def _present(shape: ModelShape, groups: Mapping[str, Named]) -> list[Interaction]:
    """Return the model's terms that have features, namespaces alone first."""
    terms: list[Interaction] = [(name,) for name in shape.namespaces]
    return [
        names
        for names in [*terms, *shape.interactions]
        if all(name in groups and groups[name].names for name in names)
    ]


def _wide(features: Encoded) -> FloatArray:
    return features.values.astype(np.float64)
