"""No exploration but the floor: the best score always."""

from __future__ import annotations

from bandit.exploration.strategy import Strategy, on_best
from bandit.types import BoolArray, FloatArray, IndexArray


class Greedy(Strategy, frozen=True, tag="greedy"):
    """The best score; of equals the first."""

    def _probabilities(
        self, scores: FloatArray, eligible: BoolArray, counts: IndexArray, spreads: FloatArray
    ) -> FloatArray:
        return on_best(scores)
