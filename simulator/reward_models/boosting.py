"""Gradient boosted trees of the reward, by scikit-learn's histogram boosting.

Trees find interactions of context, item and position by themselves. Identities are categories
without order. The loss is the log loss, rewards being treated as for logistic regression. Rewards
are noisy, and trees fit noise: they are small, and growing stops when a tenth of the training
rounds, held out, is predicted no better. On logs of 3,000 to 100,000 rounds of a logistic world
errors are 4 to 47 % below those of scikit-learn's defaults, the most on the smallest.

All runs on one thread. A prediction takes 3 µs: a million rounds of 80 actions 4 minutes, less in
proportion where the target leaves actions out or contexts repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from bandit.types import BoolArray, FloatArray
from simulator.encoding import Pairs, Sets, Space, tree_columns
from simulator.reward_models.linear import LinearModel, constant_model
from simulator.reward_models.model import RewardRange, Training, labelled
from simulator.reward_models.threads import one_thread

_LEAVES: Final = 15
_LEAF_ROWS: Final = 50
_TREES_MAX: Final = 300
_HELD_OUT: Final = 0.1
_RAREST_LEAST: Final = 10
"""Rows that either label must have among those held out, for them to tell anything."""
_TREES_OF_RARE: Final = 20
"""Trees where nothing is held out."""


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
        with one_thread():
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
    """Fit the model; ``seed`` chooses the rounds held out."""
    rewards = RewardRange.of(training.reward)
    rows = labelled(rewards.to_unit(training.reward), training.weight)
    if rows.one_sided:
        return constant_model(rewards, training.space, rows)
    drawn = np.random.default_rng(seed).random(len(training.reward))
    # Whole rounds: the two labels of one reward must not end up on either side.
    held_out = (drawn < _HELD_OUT)[rows.row]
    matrix, categorical = tree_columns(training.pairs.take(rows.row), training.space)
    stops = min(_rarest(rows.label[held_out]), _rarest(rows.label[~held_out])) >= _RAREST_LEAST
    learned = ~held_out if stops else np.ones(len(held_out), np.bool_)
    trees = HistGradientBoostingClassifier(
        max_iter=_TREES_MAX if stops else _TREES_OF_RARE,
        max_leaf_nodes=_LEAVES,
        min_samples_leaf=_LEAF_ROWS,
        categorical_features=categorical,
        early_stopping=stops,
        random_state=seed,
    )
    validation = {
        "X_val": matrix[held_out],
        "y_val": rows.label[held_out],
        "sample_weight_val": rows.weight[held_out],
    }
    with one_thread():
        trees.fit(
            matrix[learned],
            rows.label[learned],
            sample_weight=rows.weight[learned],
            **(validation if stops else {}),
        )
    return BoostedModel(training.space, rewards, trees)


def _rarest(label: np.ndarray) -> int:
    return int(np.bincount(label, minlength=2).min())
