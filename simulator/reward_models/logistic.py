"""Logistic regression of the reward, by scikit-learn.

Context and item features are standardised, so that the penalty, half the squared norm of the
coefficients, means the same for all; positions and identities have a coefficient each. Plain
``logistic`` is additive: it knows what earns more and who clicks more, not who likes what.
``logistic-crossed`` adds context times item features, or context times identity where items have
no features, at a cost in memory of 12 bytes a round and cross.

Rewards between 0 and 1 count in part as success, and others are mapped to [0, 1] first: see
:func:`simulator.reward_models.model.labelled` and
:class:`simulator.reward_models.model.RewardRange`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from bandit.types import Float32Array, FloatArray
from simulator.encoding import (
    IDENTITIES_MAX,
    Design,
    Space,
    identities,
    identity_count,
    sparse_design,
)
from simulator.reward_models.linear import LinearModel, constant_model
from simulator.reward_models.model import RewardRange, Training, labelled
from simulator.reward_models.threads import one_thread

_ITERATIONS_MAX = 1000
_TOLERANCE = 1e-6


class _Scaling(NamedTuple):
    """Columns' means and standard deviations."""

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def of(cls, values: Float32Array | None) -> _Scaling:
        if values is None:
            return cls(np.zeros(0), np.ones(0))
        deviation = values.std(axis=0, dtype=np.float64)
        deviation[deviation == 0] = 1.0
        return cls(values.mean(axis=0, dtype=np.float64), deviation)

    def apply(self, values: Float32Array | None) -> Float32Array | None:
        if values is None:
            return None
        return ((values - self.mean) / self.deviation).astype(np.float32)


def fit_logistic(training: Training, seed: int, *, crossed: bool = False) -> LinearModel:
    """Fit the model; ``seed`` is not used, for nothing is drawn."""
    del seed
    rewards = RewardRange.of(training.reward)
    rows = labelled(rewards.to_unit(training.reward), training.weight)
    space, pairs = training.space, training.pairs
    scaling = _Scaling.of(pairs.context)
    scaled = space._replace(features=_Scaling.of(space.features).apply(space.features))
    if rows.one_sided:
        return constant_model(rewards, space, rows)
    design = sparse_design(
        pairs._replace(context=scaling.apply(pairs.context)).take(rows.row), scaled, crossed=crossed
    )
    model = LogisticRegression(max_iter=_ITERATIONS_MAX, tol=_TOLERANCE)
    with one_thread():
        model.fit(as_csr(design), rows.label, sample_weight=rows.weight)
    return _linear(model.coef_[0], float(model.intercept_[0]), rewards, scaled, scaling, crossed)


def as_csr(design: Design) -> csr_matrix:
    """Return the design as a matrix of SciPy, (m, width)."""
    count, entries = design.values.shape
    starts = np.arange(count + 1, dtype=np.int64) * entries
    return csr_matrix(
        (design.values.ravel(), design.columns.ravel(), starts), shape=(count, design.width)
    )


def _linear(
    coefficients: FloatArray,
    intercept: float,
    rewards: RewardRange,
    space: Space,
    scaling: _Scaling,
    crossed: bool,
) -> LinearModel:
    """Read the columns of :func:`sparse_design` back, in units of the context as it came."""
    features = np.zeros((space.items, 0)) if space.features is None else space.features
    identity_total = identity_count(space, IDENTITIES_MAX)
    identity = identities(np.arange(space.items, dtype=np.int32), space, IDENTITIES_MAX)
    sizes = [space.contexts, features.shape[1], space.positions, identity_total]
    of_context, of_features, of_position, of_identity, of_cross = np.split(
        coefficients, np.cumsum(sizes)
    )
    item = features @ of_features
    if identity_total:
        item = item + of_identity[identity]
    center = scaling.mean / scaling.deviation
    cross = None
    if crossed and space.contexts:
        if features.shape[1]:
            by_item = features @ of_cross.reshape(space.contexts, -1).T
        else:
            by_item = of_cross.reshape(identity_total, -1)[identity]
        item = item - by_item @ center
        cross = np.ascontiguousarray((by_item / scaling.deviation).T)
    return LinearModel(
        rewards,
        "logistic",
        intercept - float(center @ of_context),
        of_context / scaling.deviation,
        of_position,
        np.asarray(item, np.float64),
        cross,
    )
