"""Scores and their uncertainty from a model's arrays, a whole page at once.

A model is linear in hashed features: every feature of every namespace, the constant where the model
has one, and the crosses of namespaces that its shape names, hashed as :mod:`bandit.crosses` says.
Scores equal those of VW up to the rounding of float32.

One walk serves both sums. A score is ``Σ weight · x``, and the variance of a score under a diagonal
Gaussian posterior is ``Σ variance · x²``: the same sum over squared values, because the square of a
product is the product of the squares.

Candidates chosen from a table are scored by its vocabulary, :mod:`bandit.vocabulary_sums`, in all
terms that cross them with nothing but what all candidates share; other terms, and candidates given
with their features, are summed straight from hashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np

from bandit.config.model_rules import check_model
from bandit.config.schema import ModelConfig
from bandit.crosses import cross_sum
from bandit.errors import ModelError
from bandit.feature_tables import Chosen
from bandit.features import CONSTANT_HASH, Encoded, FeatureMatrix
from bandit.namespaces import DEFAULT_INTERACTIONS, NAMESPACES, Interaction
from bandit.types import Float32Array, FloatArray, IndexArray, Surface
from bandit.vocabulary_sums import Term, vocabulary_sum

Group = Encoded | FeatureMatrix | Chosen
Groups = Mapping[str, Group]
"""Features by namespace: an ``Encoded`` is shared by all candidates, a ``FeatureMatrix`` has a row
for each, and what is ``Chosen`` lies in a table."""


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
    return _total(weights, shape, _present(shape, groups, count), count, squared=False)


def spreads(variances: Float32Array, shape: ModelShape, groups: Groups, count: int) -> FloatArray:
    """Return the posterior standard deviation of each candidate's score, ``sqrt(Σ variance·x²)``.

    ``variances`` has shape (2^bits,), none below 0; arguments and errors are those of
    :func:`scores`.
    """
    present = {
        name: group if isinstance(group, Chosen) else group._replace(values=np.square(group.values))
        for name, group in _present(shape, groups, count).items()
    }
    total = _total(variances, shape, present, count, squared=True)
    result: FloatArray = np.sqrt(total, out=total)
    return result


def _add_to_candidates(total: FloatArray, sums: Float32Array, repeats: int | IndexArray) -> None:
    """Add what (n,) things have to each of their (count,) candidates, in place."""
    if isinstance(repeats, int):
        total.reshape(len(sums), repeats)[...] += sums[:, None]
    else:
        total += sums.repeat(repeats)


def _present(shape: ModelShape, groups: Groups, count: int) -> dict[str, Group]:
    """Return the groups that the model reads and that have features; all fit the candidates."""
    present: dict[str, Group] = {}
    for name in shape.namespaces:
        group = groups.get(name)
        if group is None:
            continue
        if isinstance(group, Encoded):
            rows, width = count, len(group.hashes)
        elif isinstance(group, Chosen):
            rows, width = group.candidates, len(group.table.order)
        else:
            rows, width = group.hashes.shape
        if width and rows != count:
            raise ModelError(
                f"namespace {name!r} has {rows} rows for {count} candidates",
                hint="give one row of features a candidate, or features shared by all",
            )
        if width:
            present[name] = group
    return present


def _total(
    table: Float32Array, shape: ModelShape, groups: Groups, count: int, *, squared: bool
) -> FloatArray:
    """Sum a table's entries times the features' values over all terms, for each candidate."""
    if len(table) != 1 << shape.bits:
        raise ModelError(
            f"{len(table)} weights do not fit a model of {shape.bits} bits",
            hint="score a model with the shape it was trained with",
        )
    total = np.zeros(count)
    if not count:
        return total
    if shape.constant:
        total += table[CONSTANT_HASH & (len(table) - 1)]
    plan = _plan(shape, tuple((name, type(group)) for name, group in groups.items()))
    for names in plan.direct:
        total += cross_sum(table, [_matrix(groups[name], squared=squared) for name in names])
    shared = {name: group for name, group in groups.items() if isinstance(group, Encoded)}
    for name, group in groups.items():
        if isinstance(group, Chosen):
            terms = [
                Term([shared[other] for other in before], [shared[other] for other in after])
                for before, after in plan.by_vocabulary[name]
            ]
            sums = vocabulary_sum(table, group, terms, squared=squared)
            _add_to_candidates(total, sums, group.repeats)
    return total


class _Plan(NamedTuple):
    """How the terms of a model are summed, given what kinds of groups there are."""

    direct: list[Interaction]
    by_vocabulary: dict[str, list[tuple[Interaction, Interaction]]]
    """For each namespace that lies in a table: what stands before and after it in each term that
    crosses it with nothing but what all candidates share."""


@lru_cache(maxsize=256)
def _plan(shape: ModelShape, kinds: tuple[tuple[str, type[Group]], ...]) -> _Plan:
    plan = _Plan([], {})
    kind_of = dict(kinds)
    for names in (*((name,) for name in kind_of), *shape.interactions):
        if not all(name in kind_of for name in names):
            continue
        own = [name for name in names if kind_of[name] is not Encoded]
        if len(own) == 1 and kind_of[own[0]] is Chosen:
            place = names.index(own[0])
            crosses = plan.by_vocabulary.setdefault(own[0], [])
            crosses.append((names[:place], names[place + 1 :]))
        else:
            plan.direct.append(names)
    return plan


def _matrix(group: Group, *, squared: bool) -> FeatureMatrix:
    """Bring a group to rows: one where it is shared, else one a candidate."""
    if isinstance(group, Encoded):
        return FeatureMatrix(group.hashes[None], group.values[None])
    if isinstance(group, FeatureMatrix):
        return group
    matrix = group.matrix()
    return matrix._replace(values=np.square(matrix.values)) if squared else matrix
