"""The features of many things in one namespace, as places in a vocabulary: built once, then mapped.

Things of a kind share their features: thousands of artworks have a few hundred distinct ones. So a
table holds each distinct feature's hash once, and for each thing the places of its features in that
vocabulary, and their values. Whatever a page makes of a feature is then worked out once for all
things that have it.

A column in which all things that fill it have the same feature, as the components of an embedding
are, needs no place a thing: it is kept in a block of its own, of values alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bandit.features import Encoded, FeatureMatrix
from bandit.types import Float32Array, HashArray, IndexArray


class FeatureTable(NamedTuple):
    """Features of M things, F each: D in columns of one feature, F - D wherever they come.

    A feature that a thing lacks has the value 0, and outside dense columns the place 0.
    """

    vocabulary: HashArray
    """Shape (V,): the hash of each distinct feature; the first, 0, stands for none."""
    places: np.ndarray
    """Shape (M, F - D), an unsigned integer type: places in the vocabulary."""
    values: Float32Array
    """Shape (M, F - D), or (0, F - D) where all features that are there have the value 1."""
    dense_places: IndexArray
    """Shape (D,): the one feature of each dense column."""
    dense_values: Float32Array
    """Shape (M, D)."""
    order: IndexArray
    """Shape (F,): for each feature by name, its column among the dense ones, then the others."""

    @classmethod
    def of(cls, vocabulary: HashArray, places: IndexArray, values: Float32Array) -> FeatureTable:
        """Split (M, F) places and values into dense columns and others."""
        places = np.where(values == 0, 0, places)
        highest = places.max(axis=0, initial=0)
        dense = ((places == highest) | (values == 0)).all(axis=0) & (highest > 0)
        kind = np.min_scalar_type(max(0, len(vocabulary) - 1))
        own = values[:, ~dense]
        return cls(
            vocabulary,
            np.ascontiguousarray(places[:, ~dense].astype(kind)),
            np.ascontiguousarray(own[:0] if ((own == 0) | (own == 1)).all() else own),
            highest[dense].astype(np.intp),
            np.ascontiguousarray(values[:, dense]),
            np.argsort(np.concatenate([np.flatnonzero(dense), np.flatnonzero(~dense)])),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], name: str) -> FeatureTable:
        """Return the table that :meth:`to_arrays` laid out under a name; nothing is copied."""
        return cls(*(arrays[f"{name}.{field}"] for field in cls._fields))

    def to_arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the table as C-contiguous arrays with names that start with ``name``."""
        return {f"{name}.{field}": array for field, array in self._asdict().items()}

    def take(self, indices: Sequence[int] | np.ndarray) -> FeatureMatrix:
        """Return the features of the things at ``indices``, in the order of their names."""
        dense = self.vocabulary[self.dense_places]
        own = self.vocabulary[self.places[indices]]
        hashes = np.hstack([np.broadcast_to(dense, (len(own), len(dense))), own])
        values = np.hstack([self.dense_values[indices], self._values(indices)])
        return FeatureMatrix(hashes[:, self.order], values[:, self.order])

    def one(self, index: int) -> Encoded:
        """Return the features of one thing, without those it lacks."""
        places = np.concatenate([self.dense_places, self.places[index]])[self.order]
        values = np.concatenate([self.dense_values[index], self._values(index)])[self.order]
        present = values != 0
        return Encoded(self.vocabulary[places[present]], values[present])

    def _values(self, indices: int | Sequence[int] | np.ndarray) -> Float32Array:
        if len(self.values):
            return np.asarray(self.values[indices])
        return np.asarray(self.places[indices] != 0, np.float32)


class Chosen(NamedTuple):
    """Candidates whose features lie in a table."""

    table: FeatureTable
    things: IndexArray
    """Shape (n,): which things of the table, in the candidates' order."""
    repeats: int | IndexArray = 1
    """How many candidates in a row share the features of a thing: each, or (n,) one by one."""

    @property
    def candidates(self) -> int:
        """How many there are."""
        if isinstance(self.repeats, int):
            return len(self.things) * self.repeats
        return int(self.repeats.sum())

    def matrix(self) -> FeatureMatrix:
        """Return the features of each candidate."""
        return self.table.take(self.things.repeat(self.repeats))
