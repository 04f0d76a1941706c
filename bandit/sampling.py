"""Draws without state: the same salt, viewer, item and window give the same draw anywhere.

Strings are hashed with BLAKE2b to 64-bit keys, their lengths with them so that no two lists of
parts look alike. A draw's key and an item's key are mixed by the finaliser of SplitMix64 (Steele,
Lea and Flood, 2014) into a uniform. Nothing is remembered, so a viewer keeps the same images
within a window whichever process answers, and a logged decision can be drawn again.

The limit of stickiness: over salts, a draw follows the probabilities that are logged as long as
these owe nothing to that very draw, as on the first page of a viewer's window, in the explore
share, or under a model that stands still. Within a window the uniform is drawn once, though, and
not once a page. Where a model has meanwhile learned from what this draw had shown, and moved the
probabilities, the artwork of a later page in the window is no longer distributed as logged, given
the viewer's past, nor on average. The more of what is learned is one viewer's, and the faster, the
more that matters: 20 viewers on 400 pages before a fast online learner gave the target ``uniform``
a mean weight of 0.974 (4.3 standard errors below 1), and 1 with windows shorter than a visit's
distance. Stickiness is wanted all the same; so evaluate on the explore share, or with short
windows, where few viewers make up much of the traffic.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import numpy as np

from bandit.clock import to_us
from bandit.types import FloatArray, IndexArray, KeyArray, Share

_GOLDEN_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_BY_27, _BY_30, _BY_31 = np.uint64(27), np.uint64(30), np.uint64(31)
_ALL: Final = (1 << 64) - 1

_FEW: Final = 8
"""So many items are mixed faster one by one than as an array."""


def item_key(item_id: str) -> int:
    """Return an item's 64-bit key, which never changes: catalogs may keep it."""
    return int.from_bytes(blake2b(item_id.encode(), digest_size=8).digest(), "little")


def item_keys(ids: Sequence[str]) -> KeyArray:
    """Return (N,) the keys of all items."""
    return np.fromiter((item_key(item_id) for item_id in ids), dtype=np.uint64, count=len(ids))


def window_index(salt: str, who: str, now_us: int, stickiness_s: float) -> int:
    """Return the number of the window of ``stickiness_s`` seconds that ``now_us`` lies in.

    Each viewer's windows start at a phase of their own, so that they do not all see another page
    at the same instant.
    """
    length_us = max(1, to_us(stickiness_s))
    phase_us = _phase_key(salt, who) % length_us
    return (now_us + phase_us) // length_us


def draw_key(salt: str, purpose: str, who: str, window: int) -> int:
    """Return the 64-bit key of all draws for one purpose, of one viewer, in one window."""
    return _key("draw", salt, purpose, who, str(window))


def uniforms(key: int, items: KeyArray) -> FloatArray:
    """Return (N,) one uniform in the open interval (0, 1) for each item under a draw key.

    They are odd multiples of 2^-53: neither 0 nor 1 occurs, and logarithms of both sides exist.
    """
    if len(items) <= _FEW:
        return np.array([uniform(key, item) for item in items.tolist()])
    keys = _mix(items ^ np.uint64(key))
    keys += np.uint64(key)
    keys = _mix(keys)
    keys >>= np.uint64(12)
    drawn = keys.astype(np.float64)
    drawn += 0.5
    drawn *= 2.0**-52
    return drawn


def uniform(key: int, item: int) -> float:
    """Return the uniform of one item: what an array of them gives, for a tenth of its cost."""
    keyed = _mix_one((_mix_one(item ^ key) + key) & _ALL)
    return ((keyed >> 12) + 0.5) * 2.0**-52


def choose(pmf: FloatArray, drawn: FloatArray) -> IndexArray:
    """Return (N,) for each title the candidate where its distribution function passes the uniform.

    Args:
        pmf: (N, K) rows sum to about 1, with at least one positive entry.
        drawn: (N,) uniforms in [0, 1).

    A candidate without probability is never chosen, however the sums round.
    """
    cumulated = pmf.cumsum(axis=1)
    # A double below 1, at most 1 - 2^-53, times the total rounds to less than the total: the sums
    # pass the target at the last candidate with probability, or before.
    reached = cumulated <= (drawn * cumulated[:, -1])[:, None]
    return np.asarray(reached.argmin(axis=1))


def share_of(salt: str, who: str, holdout: float, explore: float) -> Share:
    """Return the share a viewer belongs to.

    The viewer's one uniform decides: below ``holdout``, at or above 1 - ``explore``, or between.
    So when a share grows its viewers stay in it, and others join.

    Raises:
        ValueError: a share is negative, or both come to more than 1.
    """
    if not (holdout >= 0 and explore >= 0 and holdout + explore <= 1 + 1e-9):
        raise ValueError(f"holdout {holdout} and explore {explore} must be shares of one whole")
    if holdout == explore == 0:
        return "learned"
    place = _place(salt, who)
    if place < holdout:
        return "holdout"
    return "explore" if place >= 1.0 - explore else "learned"


# Both surfaces of a page ask these of the same viewer, one after the other.
@lru_cache(maxsize=64)
def _phase_key(salt: str, who: str) -> int:
    return _key("window", salt, who)


@lru_cache(maxsize=64)
def _place(salt: str, who: str) -> float:
    return uniform(_key("share", salt), item_key(who))


def _key(*parts: str) -> int:
    """Hash strings to 64 bits; the lengths keep ("ab", "c") apart from ("a", "bc")."""
    data = bytearray()
    for part in parts:
        encoded = part.encode()
        data += len(encoded).to_bytes(8, "little")
        data += encoded
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def _mix(keys: KeyArray) -> KeyArray:
    """Finalise as SplitMix64 does: every bit of a key moves every bit of the result."""
    keys = keys + _GOLDEN_GAMMA
    keys ^= keys >> _BY_30
    keys *= _MIX_1
    keys ^= keys >> _BY_27
    keys *= _MIX_2
    keys ^= keys >> _BY_31
    return keys


def _mix_one(key: int) -> int:
    """Do what :func:`_mix` does, to one key."""
    key = (key + int(_GOLDEN_GAMMA)) & _ALL
    key = ((key ^ (key >> 30)) * int(_MIX_1)) & _ALL
    key = ((key ^ (key >> 27)) * int(_MIX_2)) & _ALL
    return key ^ (key >> 31)
