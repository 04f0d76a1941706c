"""SquareCB: inverse-gap weighting (Abe and Long, 1999; Foster and Rakhlin, 2020)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta

from bandit.exploration.strategy import Strategy, best_candidates
from bandit.types import BoolArray, FloatArray, IndexArray


class SquareCB(Strategy, frozen=True, tag="squarecb"):
    """The further a score is below the best, the less likely its candidate.

    With K eligible candidates, candidate a other than the best b has the probability
    1 / (K + gamma (s_b - s_a)), and b the rest (Foster and Rakhlin, 2020, algorithm 1). Of equally
    best candidates the first takes the rest.
    """

    gamma: Annotated[
        float,
        Meta(
            gt=0,
            description="How strongly a gap in expected reward tells against a candidate: one "
            "that is 1 / gamma below the best gets 1 / (K + 1) of K candidates.",
        ),
    ] = 8000.0

    def _probabilities(
        self, scores: FloatArray, eligible: BoolArray, counts: IndexArray, spreads: FloatArray
    ) -> FloatArray:
        with np.errstate(over="ignore"):
            gaps = scores.max(axis=1, keepdims=True) - scores
            probabilities: FloatArray = 1.0 / (counts[:, None] + self.gamma * gaps)
        every = np.arange(len(scores))
        best = best_candidates(scores)
        probabilities[every, best] = 0.0
        probabilities[every, best] = 1.0 - probabilities.sum(axis=1)
        return probabilities
