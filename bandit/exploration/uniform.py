"""Uniform exploration: every candidate alike, whatever its score."""

from __future__ import annotations

from bandit.exploration.strategy import Strategy, evenly
from bandit.types import BoolArray, FloatArray, IndexArray


class Uniform(Strategy, frozen=True, tag="uniform"):
    """Every eligible candidate with the same probability."""

    def _probabilities(
        self, scores: FloatArray, eligible: BoolArray, counts: IndexArray, spreads: FloatArray
    ) -> FloatArray:
        return evenly(eligible, counts)
