"""Thompson sampling with a diagonal Gaussian posterior (Thompson, 1933).

Why quadrature and not one draw from the posterior: the propensity must be known. The candidate is
drawn from the very probabilities that are computed and logged, so a logged propensity is exact;
only its distance from the ideal Thompson probability is subject to the quadrature's error.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta

from bandit.exploration.best_of_gaussians import probability_of_best
from bandit.exploration.strategy import Floor, Strategy
from bandit.types import BoolArray, FloatArray, IndexArray


class Thompson(Strategy, frozen=True, tag="thompson"):
    """Each candidate with the probability that its score, drawn from its posterior, is the best."""

    scale: Annotated[
        float,
        Meta(ge=0, description="Factor on the posterior's standard deviations; 0 is greedy."),
    ] = 0.05
    min_probability: Floor = 0.002

    @property
    def needs_spreads(self) -> bool:
        """Whether spreads must be given: always."""
        return True

    def _probabilities(
        self, scores: FloatArray, eligible: BoolArray, counts: IndexArray, spreads: FloatArray
    ) -> FloatArray:
        with np.errstate(over="ignore"):
            return probability_of_best(scores, self.scale * spreads)
