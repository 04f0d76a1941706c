"""Uniform: every artwork of a title and every order of rows alike."""

from __future__ import annotations

import numpy as np

from simulator.pages import Displays, Environment, Pages, Served
from simulator.policies.orders import best_order, evenly_in_turn, masked
from simulator.streams import CHOICES, stream


class UniformPolicy:
    """Chooses at random; learns nothing."""

    name = "uniform"

    def reset(self, environment: Environment, seed: int) -> None:
        """Seed the draws."""
        self._rng = stream(seed, CHOICES)
        self._counts = np.diff(environment.items.artwork_offsets).astype(np.int32)

    def serve(self, pages: Pages) -> Served:
        """Draw every choice anew."""
        keys = masked(self._rng.random(pages.rows.shape, dtype=np.float32), pages.rows)
        order = best_order(keys, pages.rows_served)
        there = pages.titles >= 0
        counts = self._counts[pages.titles] if pages.titles.size else pages.titles
        drawn = self._rng.random(pages.titles.shape, dtype=np.float32) * counts
        # A float32 just below 1 times a count may round up to the count.
        artworks = np.minimum(drawn.astype(np.int32), counts - 1)
        propensities = np.divide(1.0, counts, out=np.ones(counts.shape), where=there)
        return Served(
            order,
            evenly_in_turn(order, pages.rows),
            np.where(there, artworks, np.int32(-1)),
            propensities,
        )

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        """Learn nothing."""
