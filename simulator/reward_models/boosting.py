"""Gradient boosted trees of the reward, by scikit-learn's histogram boosting.

Trees find interactions of context, item and position by themselves. Identities are categories
without order. The loss is the log loss, rewards being treated as for logistic regression.

Fitting runs on one thread: several would sum gradients in an order that depends on their number,
and the numbers must not depend on the machine. Predictions go tree by tree for every row apart, and
may use them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from bandit.types import BoolArray, FloatArray
from simulator.encoding import Pairs, Sets, Space, tree_columns
from simulator.reward_models.linear import LinearModel, constant_model
from simulator.reward_models.model import RewardRange, Training, labelled


@dataclass(frozen=True, slots=True)
class BoostedModel:
    """Implements :class:`simulator.reward_models.model.RewardModel`."""

    space: Space
    rewards: RewardRange
    trees: HistGradientBoostingClassifier

    def predict(self, pairs: Pairs) -> FloatArray:
        """Return (m,) the expected reward of each pair."""
        if not len(pairs.item):
            return np.zeros(0)
        matrix, _ = tree_columns(pairs, self.space)
        return self.rewards.from_unit(self.trees.predict_proba(matrix)[:, 1])

    def table(self, sets: Sets, wanted: BoolArray) -> FloatArray:
        """Return (m, K) the expected reward of every item of each set, 0 where it is not wanted.

        Rounds that look alike are predicted once: contexts are often few.
        """
        at = None if sets.position is None else sets.position[:, None]
        parts = [np.zeros((len(wanted), 1)), sets.context, at, sets.candidates]
        key = np.hstack([np.asarray(part, np.float64) for part in parts if part is not None])
        _, first, alike = np.unique(key, axis=0, return_index=True, return_inverse=True)
        of_look = np.zeros((len(first), wanted.shape[1]), np.bool_)
        np.logical_or.at(of_look, alike, wanted)
        result = np.zeros(of_look.shape)
        result[of_look] = self.predict(sets.take(first).pairs(of_look))
        return np.asarray(result[alike])


def fit_boosting(training: Training, seed: int) -> BoostedModel | LinearModel:
    """Fit the model."""
    rewards = RewardRange.of(training.reward)
    rows = labelled(rewards.to_unit(training.reward), training.weight)
    if rows.one_sided:
        return constant_model(rewards, training.space, rows)
    matrix, categorical = tree_columns(training.pairs.take(rows.row), training.space)
    trees = HistGradientBoostingClassifier(
        categorical_features=categorical, early_stopping=False, random_state=seed
    )
    with threadpool_limits(limits=1, user_api="openmp"):
        trees.fit(matrix, rows.label, sample_weight=rows.weight)
    return BoostedModel(training.space, rewards, trees)
