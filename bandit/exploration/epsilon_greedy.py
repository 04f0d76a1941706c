"""Epsilon-greedy: mostly the best score, now and then any candidate."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta

from bandit.exploration.strategy import Strategy, best_candidates, evenly
from bandit.types import BoolArray, FloatArray, IndexArray


class EpsilonGreedy(Strategy, frozen=True, tag="epsilon_greedy"):
    """With probability ``epsilon`` any eligible candidate, else the best score."""

    epsilon: Annotated[
        float, Meta(ge=0, le=1, description="Probability of a uniform random choice.")
    ] = 0.02

    def _probabilities(
        self, scores: FloatArray, eligible: BoolArray, counts: IndexArray, spreads: FloatArray
    ) -> FloatArray:
        probabilities = evenly(eligible, counts)
        probabilities *= self.epsilon
        probabilities[np.arange(len(scores)), best_candidates(scores)] += 1.0 - self.epsilon
        return probabilities
