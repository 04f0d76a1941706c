"""Scores and their uncertainty from a model's arrays, a whole page at once.

A model is linear in hashed features: every feature of every namespace, the constant where the model
has one, and the crosses of namespaces that its shape names. A cross of two features is a feature
whose value is their product and whose index is ``((CROSS_PRIME · h1) ⊕ h2) & mask``; a third one
is nested, ``((CROSS_PRIME · ((CROSS_PRIME · h1) ⊕ h2)) ⊕ h3) & mask``. This is how VW builds them,
so scores equal those of VW up to the rounding of float32.

One walk serves both sums. A score is ``Σ weight · x``, and the variance of a score under a diagonal
Gaussian posterior is ``Σ variance · x²``: the same sum over squared values, because the square of a
product is the product of the squares.

In a cross, features shared by all candidates lie on leading axes and those of each candidate on
trailing ones, so that a cross of the context with descriptions is one gather and one weighted sum
over the context. Candidates that have the same features with values of their own, as those
described by embeddings do, get one row of hashes together: their weights are gathered once for all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from bandit.config.model_rules import check_model
from bandit.config.schema import ModelConfig
from bandit.errors import ModelError
from bandit.features import CONSTANT_HASH, CROSS_PRIME, Encoded, FeatureMatrix
from bandit.namespaces import DEFAULT_INTERACTIONS, NAMESPACES, Interaction
from bandit.types import BoolArray, Float32Array, FloatArray, HashArray, IndexArray, Surface

Groups = Mapping[str, Encoded | FeatureMatrix]
"""Features by namespace: an ``Encoded`` is shared by all candidates, a ``FeatureMatrix`` has a row
for each."""

_GATHERED_MAX: Final = 1 << 21
"""Most weights gathered at once: with indices and temporaries about 40 MB."""

_WORTHWHILE: Final = 1 << 16
"""Weights of a term from which on it is asked whether candidates have the same features."""
_SAMPLED: Final = 16
"""Candidates looked at first, to tell whether most have the same features."""


class ModelShape(msgspec.Struct, frozen=True):
    """What a surface's model looks at: its size, its crosses, and whether it has a constant."""

    surface: Surface
    bits: int
    interactions: tuple[Interaction, ...]
    constant: bool

    @classmethod
    def of(cls, surface: Surface, config: ModelConfig) -> ModelShape:
        """Resolve a configuration to the shape it asks for.

        Raises:
            ConfigError: such a model cannot be made.
        """
        check_model(surface, config)
        if config.interactions is None:
            interactions = DEFAULT_INTERACTIONS[surface]
        else:
            interactions = tuple(tuple(names) for names in config.interactions)
        return cls(surface, config.bits, interactions, config.constant)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that the model reads, in their fixed order."""
        return NAMESPACES[self.surface]


def scores(weights: Float32Array, shape: ModelShape, groups: Groups, count: int) -> FloatArray:
    """Return the expected reward of each candidate.

    Args:
        weights: shape (2^bits,), finite.
        shape: the model's shape; a namespace missing from ``groups`` contributes nothing.
        groups: the candidates' features.
        count: the number of candidates.

    Returns:
        Shape (count,).

    Raises:
        ModelError: arrays and shape do not fit each other.
    """
    return _total(weights, shape, _matrices(shape, groups, count), count)


def spreads(variances: Float32Array, shape: ModelShape, groups: Groups, count: int) -> FloatArray:
    """Return the posterior standard deviation of each candidate's score, ``sqrt(Σ variance·x²)``.

    ``variances`` has shape (2^bits,), none below 0; arguments and errors are those of
    :func:`scores`.
    """
    squared = {
        name: FeatureMatrix(matrix.hashes, np.square(matrix.values))
        for name, matrix in _matrices(shape, groups, count).items()
    }
    result: FloatArray = np.sqrt(_total(variances, shape, squared, count))
    return result


def _matrices(shape: ModelShape, groups: Groups, count: int) -> dict[str, FeatureMatrix]:
    """Bring groups to one form: one row where shared, else ``count``; empty ones are left out."""
    matrices = {}
    for name in shape.namespaces:
        group = groups.get(name)
        if group is None or group.hashes.size == 0:
            continue
        if isinstance(group, Encoded):
            matrices[name] = FeatureMatrix(group.hashes[None], group.values[None])
        elif len(group.hashes) == count:
            matrices[name] = group
        else:
            raise ModelError(
                f"namespace {name!r} has {len(group.hashes)} rows for {count} candidates",
                hint="give one row of features a candidate, or features shared by all",
            )
    return matrices


def _total(
    table: Float32Array, shape: ModelShape, matrices: Mapping[str, FeatureMatrix], count: int
) -> FloatArray:
    """Sum a table's entries times the features' values over all terms, for each candidate."""
    if len(table) != 1 << shape.bits:
        raise ModelError(
            f"{len(table)} weights do not fit a model of {shape.bits} bits",
            hint="score a model with the shape it was trained with",
        )
    total = np.zeros(count)
    if shape.constant:
        total += float(table[CONSTANT_HASH & (len(table) - 1)])
    linear = ((name,) for name in shape.namespaces)
    for names in (*linear, *shape.interactions):
        if all(name in matrices for name in names):
            total += _term(table, [matrices[name] for name in names])
    return total


def _term(table: Float32Array, factors: Sequence[FeatureMatrix]) -> Float32Array:
    """Sum one term over its features; shape (1,) or (count,)."""
    own = [factor for factor in factors if len(factor.hashes) > 1]
    size = max(len(f.hashes) for f in factors) * math.prod(f.hashes.shape[1] for f in factors)
    alike = _alike(own) if own and size >= _WORTHWHILE else None
    if alike is None:
        return _cross_sum(table, factors)
    total = np.empty(len(alike), np.float32)
    one = int(alike.argmax())
    total[alike] = _cross_sum(
        table,
        [
            f if len(f.hashes) == 1 else FeatureMatrix(f.hashes[[one]], f.values[alike])
            for f in factors
        ],
    )
    if not alike.all():
        others = np.flatnonzero(~alike)
        total[others] = _cross_sum(table, [_candidates(factor, others) for factor in factors])
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


def _cross_sum(table: Float32Array, factors: Sequence[FeatureMatrix]) -> Float32Array:
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
        return np.concatenate([_cross_sum(table, half) for half in halves])
    widest = widths.index(max(widths))
    half = widths[widest] // 2
    total = np.zeros(1, np.float32)
    for columns in (slice(half), slice(half, None)):
        part = list(factors)
        hashes, values = factors[widest]
        part[widest] = FeatureMatrix(hashes[:, columns], values[:, columns])
        total = total + _cross_sum(table, part)
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
