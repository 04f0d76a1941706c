"""Predictions that are linear in the context for each item, however they were learned.

With a score of the form

    intercept + context · β + position's + item's + context · (item's column of a matrix)

the scores of all K items of m rounds are one product of matrices and some sums, and no row of
features is ever made for a pair that was not logged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bandit.types import BoolArray, FloatArray
from simulator.encoding import Pairs, Sets, Space
from simulator.reward_models.model import Labelled, RewardRange


@dataclass(frozen=True, slots=True)
class LinearModel:
    """Implements :class:`simulator.reward_models.model.RewardModel`."""

    rewards: RewardRange
    link: Literal["identity", "logistic"]
    intercept: float
    context: FloatArray
    """Shape (d,)."""
    position: FloatArray
    """Shape (positions,)."""
    item: FloatArray
    """Shape (items,): identity and features together."""
    cross: FloatArray | None
    """Shape (d, items); None where context and items do not interact."""

    def predict(self, pairs: Pairs) -> FloatArray:
        """Return (m,) the expected reward of each pair."""
        scores = self._common(pairs.context, pairs.position, len(pairs.item))
        scores += self.item[pairs.item]
        if self.cross is not None and pairs.context is not None:
            columns = np.ascontiguousarray(self.cross.T)[pairs.item]
            scores += np.einsum("md,md->m", pairs.context, columns)
        return self._linked(scores)

    def table(self, sets: Sets, wanted: BoolArray) -> FloatArray:
        """Return (m, K) the expected reward of every item of each set."""
        count, items = wanted.shape
        scores = np.empty(wanted.shape)
        scores[:] = self._common(sets.context, sets.position, count)[:, None]
        context = sets.context
        if sets.candidates is None:
            scores += self.item[:items]
            if self.cross is not None and context is not None:
                scores += context.astype(np.float64) @ self.cross[:, :items]
            return self._linked(scores)
        codes = np.maximum(sets.candidates, 0)
        scores += self.item[codes]
        if self.cross is not None and context is not None:
            columns = np.ascontiguousarray(self.cross.T)[codes]
            scores += np.einsum("md,mkd->mk", context, columns)
        return self._linked(scores)

    def _common(
        self, context: np.ndarray | None, position: np.ndarray | None, count: int
    ) -> FloatArray:
        scores = np.full(count, self.intercept)
        if context is not None:
            scores += np.einsum("md,d->m", context, self.context)
        if position is not None:
            scores += self.position[position]
        return scores

    def _linked(self, scores: FloatArray) -> FloatArray:
        if self.link == "logistic":
            with np.errstate(over="ignore"):
                scores = 1 / (1 + np.exp(-scores))
        return self.rewards.from_unit(scores)


def constant_model(rewards: RewardRange, space: Space, rows: Labelled) -> LinearModel:
    """Return the model of rows that are all labelled alike."""
    nothing = np.zeros(space.contexts), np.zeros(space.positions), np.zeros(space.items)
    return LinearModel(rewards, "identity", float(rows.label[:1].sum()), *nothing, cross=None)
