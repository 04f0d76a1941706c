"""Many things encoded at once: what :func:`bandit.features.encode` does, without an array each.

Features are taken in the order of their names, as stored documents hold them: sums over them are
then equal to the last bit, whether a catalog was built from what was sent or from what was stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bandit.features import ID, FeatureMatrix, feature_hash, tokens
from bandit.types import Features


def encode_many(namespace: str, items: Iterable[Features]) -> FeatureMatrix:
    """Encode the features of M things in one namespace, shape (M, F)."""
    hashes: list[int] = []
    values: list[float] = []
    ends: list[int] = []
    # Local to the call: a large catalog's tokens are too many for the encoder's own cache.
    known: dict[str, int] = {}
    for features in items:
        for name in sorted(features):
            for token, value in tokens(name, features[name]):
                found = known.get(token)
                if found is None:
                    found = known[token] = feature_hash(namespace, token)
                hashes.append(found)
                values.append(value)
        ends.append(len(hashes))
    return _pad(hashes, values, ends)


def encode_identities(ids: Sequence[str]) -> FeatureMatrix:
    """Encode the identity of M things, shape (M, 1)."""
    hashes = [feature_hash(ID, token) for name in ids for token, _ in tokens("id", name)]
    return FeatureMatrix(
        np.array(hashes, np.uint32).reshape(-1, 1), np.ones((len(ids), 1), np.float32)
    )


def _pad(hashes: list[int], values: list[float], ends: list[int]) -> FeatureMatrix:
    """Lay flat features out as one row a thing; ``ends`` tells where each thing's features end."""
    counts = np.diff(np.array(ends, np.intp), prepend=0)
    shape = (len(ends), int(counts.max(initial=0)))
    present = np.arange(shape[1]) < counts[:, None]
    matrix = FeatureMatrix(np.zeros(shape, np.uint32), np.zeros(shape, np.float32))
    matrix.hashes[present] = hashes
    matrix.values[present] = values
    return matrix
