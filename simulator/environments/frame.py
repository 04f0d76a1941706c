"""What every environment does alike: a run's batches, its random streams, and its refusals.

A batch's visits are drawn from (seed, number of its first page), and what its viewers do from
another stream of the same key. So viewers and instants depend on the seed alone, whatever is
served, and what viewers do depends on nothing but the seed and what they were shown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from bandit.clock import MICROSECONDS
from bandit.types import BoolArray, FloatArray
from simulator.errors import SimulationError
from simulator.pages import Codes, Displays, Pages, Served, Step
from simulator.streams import RESPONSES, VISITS, stream

STARTS_AT_US: Final = 1_767_225_600 * MICROSECONDS
"""When every run begins: 1 January 2026, 00:00 UTC."""


class BatchedEnvironment(ABC):
    """A run of ``pages`` pages, ``batch`` at a time, one every ``page_every_s`` seconds."""

    def __init__(self, pages: int, batch: int, page_every_s: float = 1.0) -> None:
        self.pages_total = _at_least_one("pages", pages)
        self.batch = _at_least_one("batch", batch)
        self._page_every_us = max(1, round(page_every_s * MICROSECONDS))
        self._seed: int | None = None
        self._pages: Pages | None = None

    @abstractmethod
    def _begin(self, seed: int) -> None:
        """Draw what stays for a whole run."""

    @abstractmethod
    def _visits(self, first: int, count: int, random: np.random.Generator) -> Pages:
        """Draw the page requests ``first`` to ``first + count - 1``."""

    @abstractmethod
    def _respond(self, pages: Pages, served: Served, random: np.random.Generator) -> Displays:
        """Draw what the viewers of a batch do with what was served."""

    def reset(self, seed: int) -> Pages:
        """Start a run.

        Raises:
            SimulationError: the seed is negative.
        """
        if seed < 0:
            raise SimulationError(f"the seed {seed} is negative", hint="give a seed of 0 or more")
        self._seed = seed
        self._begin(seed)
        self._pages = self._draw(0)
        return self._pages

    def step(self, served: Served) -> Step:
        """Let the viewers of the last batch see what was served.

        Raises:
            SimulationError: no run was started, or it is over, or what was served does not fit.
        """
        pages = self._pages
        if self._seed is None:
            raise SimulationError("no run was started", hint="call reset(seed) before step")
        if pages is None:
            raise SimulationError("the run is over", hint="call reset(seed) to start another")
        check_served(pages, served)
        displays = self._respond(pages, served, stream(self.seed, RESPONSES, pages.first))
        after = pages.first + pages.size
        self._pages = self._draw(after) if after < self.pages_total else None
        return Step(displays, self._pages)

    def _draw(self, first: int) -> Pages:
        count = min(self.batch, self.pages_total - first)
        return self._visits(first, count, stream(self.seed, VISITS, first))

    @property
    def seed(self) -> int:
        """The seed of the run under way.

        Raises:
            SimulationError: no run was started.
        """
        if self._seed is None:
            raise SimulationError("no run was started", hint="call reset(seed) first")
        return self._seed

    def _instants(self, first: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return (count,) the instants of pages, in microseconds."""
        return STARTS_AT_US + np.arange(first, first + count, dtype=np.int64) * self._page_every_us

    def _progress(self, first: int) -> float:
        """Return how much of the run lies before a page, from 0 to 1."""
        return first / self.pages_total


def check_served(pages: Pages, served: Served) -> None:
    """Check that what was served fits the pages.

    Raises:
        SimulationError: a shape differs, a row is served twice or is none of the page, or a
            propensity is neither within (0, 1] nor NaN.
    """
    size, rows = pages.rows.shape
    _check_shape("order", served.order, (size, pages.rows_served))
    _check_shape("order_propensities", served.order_propensities, (size, pages.rows_served))
    _check_shape("artworks", served.artworks, pages.titles.shape)
    _check_shape("artwork_propensities", served.artwork_propensities, pages.titles.shape)
    wrong = ~_distinct_rows(served.order, rows)
    _refuse(wrong, "order", "serves a row twice, or one that the page does not have")
    _check_propensities("order_propensities", served.order_propensities)
    _check_propensities("artwork_propensities", served.artwork_propensities)


def _distinct_rows(order: Codes, rows: int) -> BoolArray:
    """Return (m,): whether entries are distinct rows, -1 aside."""
    if order.shape[1] == 0:
        return np.ones(len(order), np.bool_)
    lawful = (order.min(axis=1) >= -1) & (order.max(axis=1) < rows)
    if rows <= _BITS:
        # One bit a row: a sum of distinct powers of two has as many bits set as it has terms.
        bits = np.where(order >= 0, np.int64(1) << order.astype(np.int64), 0)
        return np.asarray(lawful & (bits.sum(axis=1) == np.bitwise_or.reduce(bits, axis=1)))
    ordered = np.sort(order, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    return np.asarray(lawful & ~repeated.any(axis=1))


_BITS: Final = 48


def _check_shape(name: str, given: Codes | FloatArray, wanted: tuple[int, ...]) -> None:
    if given.shape != wanted:
        raise SimulationError(
            f"{name} served has the shape {given.shape}, these pages need {wanted}",
            hint="serve the batch that reset or the last step returned, all of it",
        )


def _check_propensities(name: str, given: FloatArray) -> None:
    """Refuse what is no probability; NaN tells that the policy does not know."""
    if given.size and not (given.min() > 0 and given.max() <= 1):
        wrong = ((given <= 0) | (given > 1)).reshape(len(given), -1).any(axis=1)
        _refuse(np.asarray(wrong), name, "are not within (0, 1]")


def _refuse(wrong: BoolArray, name: str, what: str) -> None:
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise SimulationError(
            f"{name} served {what} (first at page {first} of the batch)",
            hint="mend the policy: each of its draws must be lawful",
        )


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise SimulationError(f"{name} is {value}", hint=f"give {name} of 1 or more")
    return value
