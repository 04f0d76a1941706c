"""Editorial order: the first artwork of each title, the rows as they were asked for."""

from __future__ import annotations

import numpy as np

from simulator.pages import Displays, Environment, Pages, Served
from simulator.policies.orders import best_order


class EditorialPolicy:
    """What a service without any learning shows."""

    name = "editorial"

    def reset(self, environment: Environment, seed: int) -> None:
        """Do nothing: there is nothing to know."""

    def serve(self, pages: Pages) -> Served:
        """Serve everything as it stands."""
        descending = -np.arange(pages.rows.shape[1], dtype=np.float32)
        scores = np.where(pages.rows >= 0, descending, np.float32(-np.inf))
        order = best_order(scores, pages.rows_served)
        artworks = np.where(pages.titles >= 0, np.int32(0), np.int32(-1))
        return Served(order, np.ones(order.shape), artworks, np.ones(artworks.shape))

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        """Learn nothing."""
