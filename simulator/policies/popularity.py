"""Popularity: what earned most so far is shown, to everybody alike.

An item's score is its mean reward, drawn towards a prior as if it had been seen some times before:
``(Σ reward + strength · prior) / (displays + strength)``, where the prior is the mean reward of all
displays unless one is given. Displays hold only what was seen, so that an item low on the page is
not taken to be disliked; that a place itself may earn clicks is not corrected for.

Studies on data that others wrote rank by the number of plays ("TopPop" of Cremonesi, Koren and
Turrin, RecSys 2010). In a run of its own such a policy would count what it showed itself, and what
was shown first would stay; so it is the mean that counts, as in bandits.

Under the prior by default an item that nobody has seen ties with the average display. Once the best
are shown, that is an average of the best, so that what is unseen comes before the worse half of
them: a little optimism, which finds good items that came late. ``prior=0`` trusts nothing unseen;
``prior=1`` with a ``strength`` near 0 shows everything once, as plain greedy means are often begun.
"""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.pages import Codes
from simulator.policies.models import (
    Asked,
    Kind,
    Observed,
    Problem,
    gathered,
)
from simulator.policies.orders import Scores, softmax
from simulator.policies.ties import best_pmf


class Popularity:
    """Mean rewards; greedy, or with a ``temperature`` in units of reward a softmax."""

    def __init__(
        self, *, strength: float = 10.0, prior: float | None = None, temperature: float = 0.0
    ) -> None:
        self._strength = strength
        self._prior = prior
        self._temperature = temperature
        self.kind: Kind = "softmax" if temperature > 0 else "greedy"

    def start(self, problem: Problem) -> None:
        """Begin with the prior alone."""
        self._rewards = np.zeros(len(problem.items))
        self._displays = np.zeros(len(problem.items))

    def learn(self, observed: Observed) -> None:
        """Add up rewards and displays."""
        count = len(self._rewards)
        self._rewards += np.bincount(observed.items, observed.rewards, count)
        self._displays += np.bincount(observed.items, minlength=count)

    def means(self) -> FloatArray:
        """Return (N,) what each item is taken to earn."""
        prior = self._prior
        if prior is None:
            prior = float(self._rewards.sum() / max(self._displays.sum(), 1.0))
        return (self._rewards + self._strength * prior) / (self._displays + self._strength)

    def scores(self, asked: Asked, sets: Codes, rng: np.random.Generator) -> Scores:
        """Return means, or logits; see :meth:`simulator.policies.models.Model.scores`."""
        return self._scores(sets)

    def pmf(self, asked: Asked, sets: Codes) -> FloatArray:
        """Return probabilities; see :meth:`simulator.policies.models.Model.pmf`."""
        scores = self._scores(sets)
        return softmax(scores) if self.kind == "softmax" else best_pmf(scores)

    def _scores(self, sets: Codes) -> Scores:
        means = self.means()
        return gathered((means / self._temperature if self._temperature > 0 else means)[None], sets)
