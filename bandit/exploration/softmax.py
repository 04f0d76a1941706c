"""Softmax (Boltzmann) exploration."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta

from bandit.exploration.strategy import Floor, Strategy
from bandit.types import BoolArray, FloatArray, IndexArray


class Softmax(Strategy, frozen=True, tag="softmax"):
    """Probabilities proportional to exp(score / temperature)."""

    temperature: Annotated[
        float,
        Meta(
            gt=0,
            description="Difference in expected reward that makes a candidate e times as likely.",
        ),
    ] = 0.02
    min_probability: Floor = 0.002

    def _probabilities(
        self, scores: FloatArray, eligible: BoolArray, counts: IndexArray, spreads: FloatArray
    ) -> FloatArray:
        with np.errstate(over="ignore"):
            weights = np.exp((scores - scores.max(axis=1, keepdims=True)) / self.temperature)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))
