"""LinUCB and linear Thompson sampling, on either posterior.

LinUCB (Li et al., WWW 2010) serves the greatest ``mean + alpha · deviation``; linear Thompson
sampling (Agrawal and Goyal, ICML 2013) draws rewards from the posterior, its deviations times
``scale``, and serves the greatest.
"""

from __future__ import annotations

import numpy as np

from bandit.exploration.best_of_gaussians import probability_of_best
from bandit.types import FloatArray
from simulator.pages import Codes
from simulator.policies.models import Asked, Kind, Observed, Problem, gathered
from simulator.policies.orders import Scores
from simulator.policies.posterior import Posterior
from simulator.policies.ties import best_pmf


class LinUCB:
    """Optimism: the upper end of what is believed."""

    kind: Kind = "greedy"

    def __init__(self, posterior: Posterior, *, alpha: float) -> None:
        self._posterior = posterior
        self._alpha = np.float32(alpha)

    def start(self, problem: Problem) -> None:
        """Begin with the prior."""
        self._posterior.start(problem)

    def learn(self, observed: Observed) -> None:
        """Take up displays."""
        self._posterior.learn(observed)

    def scores(self, asked: Asked, sets: Codes, rng: np.random.Generator) -> Scores:
        """Return upper ends; see :meth:`simulator.policies.models.Model.scores`."""
        return self._upper(asked, sets)

    def pmf(self, asked: Asked, sets: Codes) -> FloatArray:
        """Return all probability on the best."""
        return best_pmf(self._upper(asked, sets))

    def _upper(self, asked: Asked, sets: Codes) -> Scores:
        means, deviations = self._posterior.beliefs(asked)
        return gathered(means + self._alpha * deviations, sets)


class LinThompson:
    """A draw from what is believed."""

    kind: Kind = "thompson"

    def __init__(self, posterior: Posterior, *, scale: float) -> None:
        self._posterior = posterior
        self._scale = scale

    def start(self, problem: Problem) -> None:
        """Begin with the prior."""
        self._posterior.start(problem)

    def learn(self, observed: Observed) -> None:
        """Take up displays."""
        self._posterior.learn(observed)

    def scores(self, asked: Asked, sets: Codes, rng: np.random.Generator) -> Scores:
        """Draw; see :meth:`simulator.policies.models.Model.scores`."""
        return self._posterior.draw(asked, sets, rng, self._scale)

    def pmf(self, asked: Asked, sets: Codes) -> FloatArray:
        """Return the probability that each item's draw is the best, by quadrature."""
        means, deviations = self._posterior.contest(asked, sets)
        width = sets.shape[-1]
        pmf = np.zeros(means.shape).reshape(-1, width)
        filled = np.broadcast_to(sets >= 0, means.shape).reshape(-1, width).any(axis=1)
        pmf[filled] = probability_of_best(
            means.reshape(-1, width)[filled],
            self._scale * deviations.reshape(-1, width)[filled],
        )
        return pmf.reshape(means.shape)
