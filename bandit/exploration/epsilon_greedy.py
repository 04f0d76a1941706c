"""Epsilon-greedy: mostly the best score, now and then any candidate."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from bandit.exploration.strategy import Strategy, evenly, on_best
from bandit.types import BoolArray, FloatArray, IndexArray


class EpsilonGreedy(Strategy, frozen=True, tag="epsilon_greedy"):
    """With probability ``epsilon`` any eligible candidate, else the best score."""

    epsilon: Annotated[
        float, Meta(ge=0, le=1, description="Probability of a uniform random choice.")
    ] = 0.02

    def _probabilities(
        self, scores: FloatArray, eligible: BoolArray, counts: IndexArray, spreads: FloatArray
    ) -> FloatArray:
        return (1.0 - self.epsilon) * on_best(scores) + self.epsilon * evenly(eligible, counts)
