"""A model that stays as it was taught: for targets that are judged, served and learn no more."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.pages import Codes
from simulator.policies.models import Asked, Kind, Model, Observed, Problem
from simulator.policies.orders import Scores


class Frozen:
    """A taught model that no start resets and no display changes."""

    def __init__(self, model: Model) -> None:
        """Take a model that was started and taught, or that knows nothing to learn."""
        self._model = model

    @property
    def kind(self) -> Kind:
        """How scores become choices."""
        return self._model.kind

    def start(self, problem: Problem) -> None:
        """Keep what was learned."""

    def learn(self, observed: Observed) -> None:
        """Learn nothing."""

    def scores(self, asked: Asked, sets: Codes, rng: np.random.Generator) -> Scores:
        """Return the model's scores; see :meth:`simulator.policies.models.Model.scores`."""
        return self._model.scores(asked, sets, rng)

    def pmf(self, asked: Asked, sets: Codes) -> FloatArray:
        """Return the model's probabilities; see :meth:`simulator.policies.models.Model.pmf`."""
        return self._model.pmf(asked, sets)
