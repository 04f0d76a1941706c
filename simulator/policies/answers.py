"""From answers by name, as a service gives them, to what was served as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from bandit.catalog import CatalogDocument
from simulator.errors import SimulationError
from simulator.pages import Pages, Served


class NamedRow(NamedTuple):
    """A row as served."""

    id: str
    propensity: float


class NamedTitle(NamedTuple):
    """A title as served."""

    id: str
    artwork: str
    propensity: float


class Places:
    """Where the items of a document stand."""

    def __init__(self, document: CatalogDocument) -> None:
        self.titles = {title.id: place for place, title in enumerate(document.titles)}
        self.rows = {row.id: place for place, row in enumerate(document.rows)}
        self._artworks = [
            {artwork.id: place for place, artwork in enumerate(title.artworks)}
            for title in document.titles
        ]

    def artwork(self, title: int, artwork: str) -> int:
        """Return the place of an artwork among its title's."""
        return self._artworks[title][artwork]


class Answers:
    """Collects the answers to the pages of one batch."""

    def __init__(self, places: Places, pages: Pages) -> None:
        count, rows_served = pages.size, pages.rows_served
        self._places = places
        self._pages = pages
        self._order = np.full((count, rows_served), -1, np.int32)
        self._order_propensities = np.ones((count, rows_served))
        self._artworks = np.full(pages.titles.shape, -1, np.int32)
        self._artwork_propensities = np.ones(pages.titles.shape)
        self._chosen = np.full(len(places.titles), -1, np.int32)
        self._propensity = np.ones(len(places.titles))

    def add(self, page: int, rows: Sequence[NamedRow], titles: Iterable[NamedTitle]) -> None:
        """Take up what was answered for one page.

        Raises:
            SimulationError: the answer names what the page does not hold.
        """
        try:
            self._add_rows(page, rows[: self._pages.rows_served])
            self._add_titles(page, titles)
        except (KeyError, ValueError) as error:
            raise SimulationError(
                f"the answer to page {self._pages.first + page} names {error}, which was not asked",
                hint="let the service hold the environment's catalog",
            ) from error

    def _add_rows(self, page: int, rows: Sequence[NamedRow]) -> None:
        asked = self._pages.rows[page].tolist()
        index_of = {place: index for index, place in enumerate(asked)}
        count = len(rows)
        self._order[page, :count] = [index_of[self._places.rows[row.id]] for row in rows]
        self._order_propensities[page, :count] = [row.propensity for row in rows]

    def _add_titles(self, page: int, titles: Iterable[NamedTitle]) -> None:
        asked = self._pages.titles[page]
        there = asked >= 0
        self._chosen[asked[there]] = -1
        self._propensity[asked[there]] = 1.0
        for title in titles:
            place = self._places.titles[title.id]
            self._chosen[place] = self._places.artwork(place, title.artwork)
            self._propensity[place] = title.propensity
        self._artworks[page][there] = self._chosen[asked[there]]
        self._artwork_propensities[page][there] = self._propensity[asked[there]]

    def served(self) -> Served:
        """Return all answers."""
        return Served(
            self._order, self._order_propensities, self._artworks, self._artwork_propensities
        )
