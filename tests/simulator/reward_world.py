"""A world whose expected rewards are known, for models to recover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.logged import CodeArray, LoggedChoices

ITEMS, POSITIONS = 6, 3


@dataclass(frozen=True)
class World:
    """Rewards by a logistic model of context, item and position, with interactions or without."""

    taste: float
    """How much the context and item features interact."""
    seed: int = 0

    def truth(self, logged: LoggedChoices, item: CodeArray) -> FloatArray:
        """Return (n,) the expected reward of an item in each round."""
        rng = np.random.default_rng(self.seed)
        of_context, of_item = rng.normal(size=3) * 0.5, rng.normal(size=ITEMS) * 0.7
        cross = rng.normal(size=(3, 2)) * self.taste
        assert logged.context is not None
        assert logged.item_features is not None
        assert logged.position is not None
        scores = -0.5 + logged.context @ of_context + of_item[item]
        scores += np.array([0.6, 0.0, -0.6])[logged.position]
        scores += np.einsum("nd,df,nf->n", logged.context, cross, logged.item_features[item])
        return np.asarray(1 / (1 + np.exp(-scores)), np.float64)

    def log(self, rounds: int, seed: int = 1, *, viewers: int | None = None) -> LoggedChoices:
        """Return rounds of a uniform policy."""
        rng = np.random.default_rng(seed)
        action = rng.integers(0, ITEMS, rounds).astype(np.int32)
        logged = LoggedChoices(
            action,
            np.zeros(rounds),
            np.full(rounds, 1 / ITEMS),
            ITEMS,
            position=rng.integers(0, POSITIONS, rounds).astype(np.int32),
            context=rng.normal(size=(rounds, 3)).astype(np.float32),
            item_features=np.random.default_rng(7).normal(size=(ITEMS, 2)).astype(np.float32),
            cluster=None if viewers is None else rng.integers(0, viewers, rounds),
        )
        logged.reward[:] = rng.random(rounds) < self.truth(logged, action)
        return logged


class Softmax(NamedTuple):
    """A target that likes items by their code, and, if ``by_context``, by the context."""

    by_context: bool = False
    name: str = "softmax"

    def pmf(self, logged: LoggedChoices) -> FloatArray:
        """Return (n, K)."""
        width = logged.action_count
        codes = np.broadcast_to(np.arange(width, dtype=np.int32), (len(logged), width))
        if logged.candidates is not None:
            codes = logged.candidates
        scores = codes * 0.3
        if self.by_context and logged.context is not None:
            scores = scores * logged.context[:, :1]
        weights = np.where(logged.eligible(), np.exp(scores), 0.0)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def chosen_probability(self, logged: LoggedChoices) -> FloatArray:
        """Return (n,)."""
        return self.pmf(logged)[np.arange(len(logged)), logged.action]
