"""Thompson sampling (Thompson, 1933) by segment of viewers, with Beta priors.

Each item has in each segment a Beta belief of what it earns. A draw is made for every item of every
round, and the best is shown. The default prior, one success in a hundred, is the "pessimistic" one
of Bendada, Salha and Bontempelli (RecSys 2020), whose best policy this was on Deezer's carousels.
Rewards between 0 and 1 count as parts of a success.
"""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray, IndexArray
from simulator.errors import SimulationError
from simulator.pages import Codes
from simulator.policies.models import Asked, Kind, Observed, Problem
from simulator.policies.orders import Scores


class SegmentThompson:
    """Beta beliefs by segment and item."""

    kind: Kind = "thompson"

    def __init__(self, *, successes: float = 1.0, failures: float = 99.0) -> None:
        self._prior = (successes, failures)

    def start(self, problem: Problem) -> None:
        """Begin with the prior."""
        shape = (max(1, problem.segments), len(problem.items))
        self._successes = np.full(shape, self._prior[0], np.float64)
        self._failures = np.full(shape, self._prior[1], np.float64)

    def learn(self, observed: Observed) -> None:
        """Count successes and failures."""
        if ((observed.rewards < 0) | (observed.rewards > 1)).any():
            raise SimulationError(
                "Beta beliefs need rewards between 0 and 1", hint="scale the rewards to [0, 1]"
            )
        shape = self._successes.shape
        place = observed.asked.segments.astype(np.intp) * shape[1] + observed.items
        gained = np.bincount(place, observed.rewards, shape[0] * shape[1]).reshape(shape)
        shown = np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape)
        self._successes += gained
        self._failures += np.maximum(shown - gained, 0.0)

    def scores(self, asked: Asked, sets: Codes, rng: np.random.Generator) -> Scores:
        """Draw; see :meth:`simulator.policies.models.Model.scores`."""
        drawn = rng.beta(*self._beliefs(asked.segments, sets))
        return np.where(sets >= 0, drawn, -np.inf)

    def pmf(self, asked: Asked, sets: Codes) -> FloatArray:
        """Return the probability that each draw is the best, by quadrature."""
        # SciPy is wanted for this alone: policies that only serve do without.
        from simulator.policies.best_of_betas import probability_of_best

        segments = asked.segments
        of_round: slice | IndexArray = slice(None)
        if len(sets) == 1:
            # Rounds differ by their segments alone, of which there are few.
            segments, of_round = np.unique(segments, return_inverse=True)
        successes, failures = self._beliefs(segments, sets)
        there = np.broadcast_to(sets >= 0, successes.shape)
        width = sets.shape[-1]
        flat = probability_of_best(
            successes.reshape(-1, width), failures.reshape(-1, width), there.reshape(-1, width)
        )
        return flat.reshape(successes.shape)[of_round]

    def _beliefs(self, segments: Codes, sets: Codes) -> tuple[FloatArray, FloatArray]:
        of_round = segments.reshape(-1, *[1] * (sets.ndim - 1))
        items = np.maximum(sets, 0)
        return self._successes[of_round, items], self._failures[of_round, items]
