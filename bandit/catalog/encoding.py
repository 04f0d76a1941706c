"""Many things encoded at once: what :func:`bandit.features.encode` does, without an array each.

Features are taken in the order of their names, as stored documents hold them: sums over them are
then equal to the last bit, whether a catalog was built from what was sent or from what was stored.

Numbers that are zero keep their column, with the value 0: the components of an embedding then
stand in the same columns in all things, whichever of them are zero.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np

from bandit.feature_tables import FeatureTable
from bandit.features import ID, VALUE_LEAST, feature_hash, string_token, tokens
from bandit.types import Features, FeatureValue, HashArray


def encode_many(namespace: str, items: Iterable[Features]) -> FeatureTable:
    """Encode the features of M things in one namespace."""
    places = array("q")
    values = array("d")
    ends = array("q")
    # Local to the call: a large catalog's tokens are too many for the encoder's own cache.
    known: dict[str, int] = {"": 0}
    # Most features of most catalogs are texts of a few values each: half the time is saved by
    # quoting each of them once.
    texts: dict[tuple[str, str], int] = {}
    for features in items:
        for name in sorted(features):
            value = features[name]
            if isinstance(value, str):
                place = texts.get((name, value))
                if place is None:
                    place = known.setdefault(string_token(name, value), len(known))
                    texts[name, value] = place
                places.append(place)
                values.append(1.0)
                continue
            for token, number in _columns(name, value):
                places.append(known.setdefault(token, len(known)))
                values.append(number)
        ends.append(len(places))
    del known[""]
    vocabulary = np.array([0, *(feature_hash(namespace, token) for token in known)], np.uint32)
    return _table(vocabulary, np.array(places), np.array(values), np.array(ends))


def encode_identities(ids: Sequence[str]) -> HashArray:
    """Return (M,) the hash of the identity of each of M things, a feature of value 1."""
    hashes = [feature_hash(ID, token) for name in ids for token, _ in tokens("id", name)]
    return np.array(hashes, np.uint32)


def _columns(name: str, value: FeatureValue) -> Iterable[tuple[str, float]]:
    """Yield (token, value) pairs as :func:`tokens` does, but zeros as well."""
    if isinstance(value, list) and not any(isinstance(member, str) for member in value):
        for index, member in enumerate(value):
            yield f"{name}[{index}]", _told_from_zero(member)
    elif isinstance(value, list | str):
        yield from tokens(name, value)
    else:
        yield name, _told_from_zero(value)


def _told_from_zero(value: float | str) -> float:
    return 0.0 if abs(float(value)) < VALUE_LEAST else float(value)


def _table(
    vocabulary: HashArray, places: np.ndarray, values: np.ndarray, ends: np.ndarray
) -> FeatureTable:
    """Lay flat features out as one row a thing; ``ends`` tells where each thing's features end."""
    counts = np.diff(ends.astype(np.intp), prepend=0)
    shape = (len(ends), int(counts.max(initial=0)))
    present = np.arange(shape[1]) < counts[:, None]
    laid_places, laid_values = np.zeros(shape, np.intp), np.zeros(shape, np.float32)
    laid_places[present] = places
    laid_values[present] = values
    return FeatureTable.of(vocabulary, laid_places, laid_values)
