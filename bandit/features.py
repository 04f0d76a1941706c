"""The one encoder: (namespace, name, value) → hashed index and value, to serve and to train.

Hashes equal those of VW's text parser for the line that :func:`to_vw_text` writes, so that a model
opened with stock VW makes sense. VW hashes with 32-bit MurmurHash3 (Appleby 2008), seeding a
feature's hash with its namespace's; a name of digits alone is taken as a number and added to the
seed. Only the lowest ``bits`` bits are used in the end, and crosses of features are built so that
those depend on the lowest bits of their parts alone: encoded features fit models of every size.

A number is a feature of its value. A string is the feature ``name=value`` of value 1, a list of
strings one such feature for each distinct member, and a list of numbers the features ``name[0]``,
``name[1]``, …. Zeros are left out, as VW's parser does: they contribute nothing; so are numbers too
small to tell from zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote

import mmh3
import numpy as np

from bandit.types import Features, FeatureValue, Float32Array, HashArray

CONTEXT: Final = "context"
TITLE: Final = "title"
ARTWORK: Final = "artwork"
ROW: Final = "row"
ID: Final = "id"
POSITION: Final = "position"

CONSTANT_HASH: Final = 11650396
"""The index at which VW keeps its intercept."""

CROSS_PRIME: Final = 16777619
"""The FNV prime with which VW combines hashes: cross(a, b) = (CROSS_PRIME · a) ⊕ b."""

_STRINGS_CACHED_MAX: Final = 65_536
"""Hashes kept of names with their values: 29 MB of a worker's memory where all of them are long."""
_TOKENS_CACHED_MAX: Final = 16_384
"""Hashes kept of other tokens, and tokens kept for catalogs: 4 MB each where all are long."""

_CACHED_LENGTH_MAX: Final = 96
"""Longest name with its value, or token, whose hash is kept: those that clients make up must not
fill the memory of a worker. A value of 256 letters can come to a token of 3 kB."""

VALUE_LEAST: Final = 1e-9
"""Numbers smaller than this count as zero: crosses of them would be lost in float32."""

_KEPT_IN_VALUES: Final = "!#$&'()*+,-./;<=>?@[]^_`{}~"
"""Characters of a string value that stand as they are besides letters and digits."""


class Encoded(NamedTuple):
    """Features of one thing in one namespace."""

    hashes: HashArray
    """Shape (F,): 32-bit hashes, to be masked to the model's bits."""
    values: Float32Array
    """Shape (F,): finite and not zero."""


class FeatureMatrix(NamedTuple):
    """Features of M things in one namespace, padded with hash 0 and value 0."""

    hashes: HashArray
    """Shape (M, F)."""
    values: Float32Array
    """Shape (M, F)."""

    def take(self, indices: Sequence[int] | np.ndarray) -> FeatureMatrix:
        """Return the features of the things at ``indices``, shape (len(indices), F)."""
        return FeatureMatrix(self.hashes[indices], self.values[indices])

    def one(self, index: int) -> Encoded:
        """Return the features of one thing, without padding."""
        present = self.values[index] != 0
        return Encoded(self.hashes[index][present], self.values[index][present])


EMPTY: Final = Encoded(np.empty(0, np.uint32), np.empty(0, np.float32))


def hash_name(name: str, seed: int) -> int:
    """Hash a name as VW does, to 32 bits."""
    if name.isascii() and name.isdigit():
        return (int(name) + seed) & 0xFFFFFFFF
    return mmh3.hash(name.encode(), seed, signed=False)


@lru_cache(maxsize=64)
def namespace_hash(namespace: str) -> int:
    """Return the hash of a namespace, the seed of its features' hashes."""
    return hash_name(namespace, 0)


@lru_cache(maxsize=_TOKENS_CACHED_MAX)
def feature_hash(namespace: str, token: str) -> int:
    """Return the 32-bit hash of a feature's token within a namespace."""
    return hash_name(token, namespace_hash(namespace))


@lru_cache(maxsize=_TOKENS_CACHED_MAX)
def string_token(name: str, value: str) -> str:
    """Return the token of a string feature.

    What VW's text gives a meaning (space, line break, tab, ``|``, ``:``) is percent-encoded in the
    value, and so is the percent sign.

    >>> string_token("city", "New York")
    'city=New%20York'
    """
    return f"{name}={quote(value, safe=_KEPT_IN_VALUES)}"


@lru_cache(maxsize=_STRINGS_CACHED_MAX)
def string_hash(namespace: str, name: str, value: str) -> int:
    """Return the hash of a string feature: that of its token."""
    # Kept here, and nowhere else a second time.
    return feature_hash.__wrapped__(namespace, string_token.__wrapped__(name, value))


def _string_hash(namespace: str, name: str, value: str) -> int:
    """Return :func:`string_hash`, kept only where name and value are short."""
    is_short = len(name) + len(value) <= _CACHED_LENGTH_MAX
    return (string_hash if is_short else string_hash.__wrapped__)(namespace, name, value)


def _token(name: str, value: str) -> str:
    """Return :func:`string_token`, kept only where it is short."""
    is_short = len(name) + len(value) <= _CACHED_LENGTH_MAX
    return string_token(name, value) if is_short else string_token.__wrapped__(name, value)


def _hash(namespace: str, token: str) -> int:
    """Return :func:`feature_hash`, kept only where the token is short."""
    is_short = len(token) <= _CACHED_LENGTH_MAX
    return (
        feature_hash(namespace, token) if is_short else feature_hash.__wrapped__(namespace, token)
    )


def _is_set(value: list[float | str]) -> bool:
    return bool(value) and isinstance(value[0], str)


def tokens(name: str, value: FeatureValue) -> Iterable[tuple[str, float]]:
    """Yield the (token, value) pairs of one feature, zeros left out."""
    if isinstance(value, str):
        yield _token(name, value), 1.0
    elif isinstance(value, list):
        for index, member in enumerate(dict.fromkeys(value) if _is_set(value) else value):
            if isinstance(member, str):
                yield _token(name, member), 1.0
            elif not abs(member) < VALUE_LEAST:
                yield f"{name}[{index}]", float(member)
    elif not abs(value) < VALUE_LEAST:
        yield name, float(value)


def encode(namespace: str, features: Features) -> Encoded:
    """Encode all features of one thing in a namespace, in their order."""
    hashes: list[int] = []
    values: list[float] = []
    for name, value in features.items():
        if isinstance(value, str):
            hashes.append(_string_hash(namespace, name, value))
            values.append(1.0)
        elif isinstance(value, list):
            for index, member in enumerate(dict.fromkeys(value) if _is_set(value) else value):
                if isinstance(member, str):
                    hashes.append(_string_hash(namespace, name, member))
                    values.append(1.0)
                elif not abs(member) < VALUE_LEAST:
                    hashes.append(_hash(namespace, f"{name}[{index}]"))
                    values.append(float(member))
        elif not abs(value) < VALUE_LEAST:
            hashes.append(_hash(namespace, name))
            values.append(value)
    if not hashes:
        return EMPTY
    return Encoded(np.array(hashes, np.uint32), np.array(values, np.float32))


def encode_id(item_id: str) -> Encoded:
    """Encode the identity of an artwork or row as a feature of its own."""
    return encode(ID, {"id": item_id})


def identities(hashes: HashArray) -> FeatureMatrix:
    """Return the identities of n things, from their (n,) hashes, as features: shape (n, 1)."""
    return FeatureMatrix(hashes[:, None], np.ones((len(hashes), 1), np.float32))


def encode_position(position: int) -> Encoded:
    """Encode a row's place on the page, counted from 0, as a category."""
    return encode(POSITION, {"at": str(position)})


def stack(encoded: Sequence[Encoded]) -> FeatureMatrix:
    """Stack the features of several things into one padded matrix."""
    width = max((len(one.hashes) for one in encoded), default=0)
    hashes = np.zeros((len(encoded), width), np.uint32)
    values = np.zeros((len(encoded), width), np.float32)
    for index, one in enumerate(encoded):
        hashes[index, : len(one.hashes)] = one.hashes
        values[index, : len(one.values)] = one.values
    return FeatureMatrix(hashes, values)


def to_vw_text(namespace: str, features: Features) -> str:
    """Write features as a namespace of VW's text format.

    >>> to_vw_text("context", {"age": 30, "city": "New York"})
    '|context age:30.0 city=New%20York'
    """
    words = [
        token if value == 1.0 and "=" in token else f"{token}:{value!r}"
        for name, feature in features.items()
        for token, value in tokens(name, feature)
    ]
    return " ".join([f"|{namespace}", *words])
