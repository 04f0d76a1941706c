"""The sum of one cross of features over candidates, straight from their hashes.

A cross of two features is a feature whose value is their product and whose index is
``((CROSS_PRIME · h1) ⊕ h2) & mask``; a third one is nested, ``((CROSS_PRIME · ((CROSS_PRIME · h1) ⊕
h2)) ⊕ h3) & mask``. This is how VW builds them.

Features shared by all candidates lie on leading axes and those of each candidate on trailing ones,
so that a cross of the context with descriptions is one gather and one weighted sum over the
context. Candidates that have the same features with values of their own, as those described by
embeddings do, get one row of hashes together: their weights are gathered once for all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from bandit.features import CROSS_PRIME, FeatureMatrix
from bandit.types import BoolArray, Float32Array, HashArray, IndexArray

_GATHERED_MAX: Final = 1 << 21
"""Most weights gathered at once: with indices and temporaries about 40 MB."""

_WORTHWHILE: Final = 1 << 16
"""Weights of a term from which on it is asked whether candidates have the same features."""
_SAMPLED: Final = 16
"""Candidates looked at first, to tell whether most have the same features."""


def cross_sum(table: Float32Array, factors: Sequence[FeatureMatrix]) -> Float32Array:
    """Sum the cross of one feature of each factor, or the features of one, over all such.

    Args:
        table: shape (2^bits,), a number for each hashed index.
        factors: in the order in which they are hashed; each has one row, which all candidates
            share, or a row for each candidate.

    Returns:
        Shape (count,), or (1,) where all is shared: Σ table[index] · the product of the values.
    """
    if len(factors) == 1:
        ((hashes, values),) = factors
        gathered = table.take(hashes & np.uint32(len(table) - 1), mode="clip")
        if hashes.shape[1] == 1:
            return np.asarray((gathered * values)[:, 0])
        return np.asarray(np.einsum("rk,rk->r", gathered, values))
    own = [factor for factor in factors if len(factor.hashes) > 1]
    size = max(len(f.hashes) for f in factors) * math.prod(f.hashes.shape[1] for f in factors)
    alike = _alike(own) if own and size >= _WORTHWHILE else None
    if alike is None:
        return _bounded_sum(table, factors)
    total = np.empty(len(alike), np.float32)
    one = int(alike.argmax())
    total[alike] = _bounded_sum(
        table,
        [
            f if len(f.hashes) == 1 else FeatureMatrix(f.hashes[[one]], f.values[alike])
            for f in factors
        ],
    )
    if not alike.all():
        others = np.flatnonzero(~alike)
        total[others] = _bounded_sum(table, [_candidates(factor, others) for factor in factors])
    return total


def _alike(own: Sequence[FeatureMatrix]) -> BoolArray | None:
    """Return (count,) which candidates have the very same features, None where few have."""
    alike = np.ones(len(own[0].hashes), np.bool_)
    for hashes, values in own:
        # Of such the widest has all features; the few that lack some are packed to the left.
        widest = hashes[int((values[:, -1] != 0).argmax())]
        sampled = (hashes[:: max(1, len(hashes) // _SAMPLED)] == widest).all(axis=1)
        if 2 * np.count_nonzero(sampled) <= len(sampled):
            return None
        alike &= (hashes == widest).all(axis=1)
    return alike if np.count_nonzero(alike) > 1 else None


def _bounded_sum(table: Float32Array, factors: Sequence[FeatureMatrix]) -> Float32Array:
    """Sum one term over its features; shape (1,) or (count,). Bounded in memory by halving."""
    rows = max(len(factor.values) for factor in factors)
    widths = [factor.hashes.shape[1] for factor in factors]
    hashed = max(len(factor.hashes) for factor in factors)
    gathered = hashed * math.prod(widths)
    products = rows * math.prod(f.hashes.shape[1] for f in factors if len(f.values) > 1)
    if max(gathered, products) <= _GATHERED_MAX:
        return _gathered_sum(table, factors, rows)
    if rows > 1 and (hashed > 1 or gathered <= _GATHERED_MAX):
        parts = np.array_split(np.arange(rows), 2)
        halves = [[_candidates(factor, part) for factor in factors] for part in parts]
        return np.concatenate([_bounded_sum(table, half) for half in halves])
    widest = widths.index(max(widths))
    half = widths[widest] // 2
    total = np.zeros(1, np.float32)
    for columns in (slice(half), slice(half, None)):
        part = list(factors)
        hashes, values = factors[widest]
        part[widest] = FeatureMatrix(hashes[:, columns], values[:, columns])
        total = total + _bounded_sum(table, part)
    return total


def _candidates(factor: FeatureMatrix, part: IndexArray) -> FeatureMatrix:
    """Return a factor for a part of the candidates."""
    hashes, values = factor
    return FeatureMatrix(
        hashes if len(hashes) == 1 else hashes[part], values if len(values) == 1 else values[part]
    )


def _gathered_sum(table: Float32Array, factors: Sequence[FeatureMatrix], rows: int) -> Float32Array:
    shared = [factor for factor in factors if len(factor.values) == 1]
    own = [factor for factor in factors if len(factor.values) > 1]
    gathered = np.take(table, _cross_indices(factors, len(table) - 1), mode="clip")
    flat = gathered.reshape(math.prod(f.hashes.shape[1] for f in shared), -1)
    over_shared = np.einsum("s,sk->k", _products(shared, 1)[0], flat)
    products = _products(own, rows)
    result: Float32Array
    if over_shared.size < products.size:
        result = np.einsum("rk,k->r", products, over_shared)
    else:
        result = np.einsum("rk,rk->r", products, over_shared.reshape(rows, -1))
    return result


def _products(factors: Sequence[FeatureMatrix], rows: int) -> Float32Array:
    """Return the products of the factors' values, shape (rows, product of widths)."""
    product = np.ones((rows, 1), np.float32)
    for factor in factors:
        product = (product[:, :, None] * factor.values[:, None, :]).reshape(rows, -1)
    return product


def _cross_indices(factors: Sequence[FeatureMatrix], mask: int) -> IndexArray:
    """Return the hashed indices of a cross.

    One axis a factor: the shared ones' first, then the candidates' axis, then the candidates' own
    ones', each group in the order of the factors.
    """
    rows_axis = sum(len(factor.values) == 1 for factor in factors)
    shared_axis, own_axis = 0, rows_axis + 1
    aligned: list[HashArray] = []
    for factor in factors:
        rows, width = factor.hashes.shape
        sizes = [1] * (len(factors) + 1)
        sizes[rows_axis] = rows
        if len(factor.values) == 1:
            sizes[shared_axis] = width
            shared_axis += 1
        else:
            sizes[own_axis] = width
            own_axis += 1
        aligned.append(factor.hashes.reshape(sizes))
    last = (aligned[-1] & np.uint32(mask)).astype(np.intp)
    if len(aligned) == 1:
        return last
    prefix = aligned[0] * np.uint32(CROSS_PRIME)
    for hashes in aligned[1:-1]:
        prefix = (prefix ^ hashes) * np.uint32(CROSS_PRIME)
    return (prefix & np.uint32(mask)).astype(np.intp) ^ last
