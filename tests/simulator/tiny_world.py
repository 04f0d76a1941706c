"""Two tiny environments whose truth is a formula: a homepage, and rows alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.catalog import CatalogDocument
from bandit.reward import RewardRule
from bandit.types import Artwork, Page, PageRow, Row, Title
from simulator.errors import SimulationError
from simulator.pages import Codes, Displays, Expected, Items, Pages, Served, Step

MOODS = ("face", "action", "calm")
START_US = 1_800_000_000_000_000
WORTH = 0.75
RULE = RewardRule()
Chances = npt.NDArray[np.float64]


class Size(NamedTuple):
    """How large a world is; no titles make one of rows alone."""

    titles: int = 24
    rows: int = 6
    rows_asked: int = 5
    columns: int = 4
    rows_served: int = 3


HOMEPAGE = Size()
CAROUSEL = Size(titles=0, rows=90, rows_asked=90, columns=0, rows_served=5)


class TinyWorld:
    """Viewers like one of three moods; an artwork or row of that mood is played oftener."""

    def __init__(self, size: Size = HOMEPAGE, *, batches: int = 5, batch: int = 40) -> None:
        self.name = "tiny"
        self.size = size
        self._batches = batches
        self._batch = batch
        self.context_names = ("face", "action", "calm", "noise")
        self.segment_names = MOODS
        self.rule = RULE
        titles = [_title(index) for index in range(size.titles)]
        rows = [
            Row(
                f"r{index}",
                {"mood": MOODS[index % 3]},
                [title.id for title in titles[index :: size.rows]],
            )
            for index in range(size.rows)
        ]
        self.document = CatalogDocument(titles, rows)
        counts = [len(title.artworks) for title in titles]
        offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.intp)]).astype(np.intp)
        within = np.concatenate([np.arange(count) for count in counts] or [np.zeros(0, int)])
        self._mood_of_artwork = (within % 3).astype(np.int32)
        self._mood_of_row = (np.arange(size.rows) % 3).astype(np.int32)
        eye = np.eye(3, dtype=np.float32)
        self.items = Items(offsets, eye[self._mood_of_artwork], eye[self._mood_of_row])
        self._pages: Pages | None = None

    def reset(self, seed: int) -> Pages:
        self._rng = np.random.default_rng(seed)
        self._made = 0
        self._pages = self._next()
        return self._pages

    def _next(self) -> Pages:
        rng, size, count = self._rng, self.size, self._batch
        viewers = rng.integers(0, 50, count)
        tastes = (viewers % 3).astype(np.int32)
        contexts = np.zeros((count, 4), np.float32)
        contexts[np.arange(count), tastes] = 1.0
        contexts[:, 3] = rng.random(count)
        shuffled = np.argsort(rng.random((count, size.rows)), axis=1)
        rows: Codes = shuffled[:, : size.rows_asked].astype(np.int32)
        titles = np.full((count, size.rows_asked, size.columns), -1, np.int32)
        if size.columns:
            rows[::7, -1] = -1
            place = np.arange(size.columns, dtype=np.int32)
            titles[:] = np.where(
                rows[:, :, None] >= 0, rows[:, :, None] + size.rows * place, np.int32(-1)
            )
            titles[:, 1, -1] = -1
        first = self._made * count
        self._made += 1
        now_us = START_US + (first + np.arange(count)) * 1_000_000
        return Pages(first, now_us, viewers, contexts, tastes, rows, titles, size.rows_served)

    def step(self, served: Served) -> Step:
        pages = self._pages
        if pages is None:
            raise SimulationError("no run is under way", hint="call reset()")
        chances, seen = self._chances(pages, served)
        looked = self._rng.random(seen.shape) < seen
        played = looked & (self._rng.random(seen.shape) < chances)
        clicked = played & (self._rng.random(seen.shape) < 0.5)
        page, position, column = (axis.astype(np.int32) for axis in np.nonzero(looked))
        plays = played[looked]
        displays = Displays(
            page,
            position,
            column,
            clicked[looked],
            plays,
            np.where(plays, 600.0, 0.0).astype(np.float32),
            np.where(plays, 0.5, 0.0).astype(np.float32),
            np.where(plays, WORTH, 0.0),
            np.where(plays, 20.0, 1.0).astype(np.float32),
        )
        self._pages = self._next() if self._made < self._batches else None
        return Step(displays, self._pages)

    def page(self, pages: Pages, index: int) -> Page:
        rows = [
            PageRow(f"r{row}", titles=[f"t{title}" for title in titles if title >= 0])
            for row, titles in zip(
                pages.rows[index].tolist(), pages.titles[index].tolist(), strict=True
            )
            if row >= 0
        ]
        context = dict(zip(self.context_names, pages.contexts[index].tolist(), strict=True))
        return Page(
            viewer_id=f"v{pages.viewers[index]}",
            context=dict(context),
            rows=rows,
            max_rows=pages.rows_served,
        )

    def expected(self, pages: Pages, served: Served) -> Expected:
        chances, seen = self._chances(pages, served)
        return Expected((WORTH * chances * seen).sum(axis=(1, 2)), seen.sum(axis=(1, 2)))

    def best(self, pages: Pages) -> Served:
        chances = self._best_chances(pages)
        there = pages.titles >= 0
        if self.size.columns:
            worth = (chances * _columns(self.size)).sum(axis=2)
            best = np.where(there, pages.segments[:, None, None], np.int32(-1))
        else:
            worth = chances[:, :, 0]
            best = np.full(pages.titles.shape, -1, np.int32)
        worth = np.where(pages.rows >= 0, worth, -np.inf)
        ranked = np.argsort(-worth, axis=1, kind="stable")[:, : pages.rows_served]
        order: Codes = ranked.astype(np.int32)
        order[np.take_along_axis(worth, order.astype(np.intp), 1) == -np.inf] = -1
        return Served(order, np.ones(order.shape), best, np.ones(best.shape))

    def _best_chances(self, pages: Pages) -> Chances:
        if not self.size.columns:
            return self._row_chances(pages)[:, :, None]
        return np.where(pages.titles >= 0, 0.4 - 0.25 * self._off_row(pages)[:, :, None], 0.0)

    def _off_row(self, pages: Pages) -> npt.NDArray[np.bool_]:
        return np.asarray(self._mood_of_row[pages.rows] != pages.segments[:, None])

    def _row_chances(self, pages: Pages) -> Chances:
        return np.where(pages.rows >= 0, 0.4 - 0.35 * self._off_row(pages), 0.0)

    def _chances(self, pages: Pages, served: Served) -> tuple[Chances, Chances]:
        """Return (m, S, C) the chance of a play, if seen, and of being seen."""
        order = np.maximum(served.order, 0)[:, :, None].astype(np.intp)
        there = (served.order >= 0)[:, :, None]
        attention = 0.8 ** np.arange(pages.rows_served)[None, :, None]
        if not self.size.columns:
            chances = np.take_along_axis(self._row_chances(pages)[:, :, None], order, 1)
            return np.where(there, chances, 0.0), np.where(there, attention, 0.0)
        titles = np.take_along_axis(pages.titles, order, 1)
        artworks = np.take_along_axis(served.artworks, order, 1)
        there = there & (titles >= 0)
        moods = self._mood_of_artwork[self.items.artwork_offsets[titles] + artworks]
        best = np.take_along_axis(self._best_chances(pages), order, 1)
        chances = best * np.where(moods == pages.segments[:, None, None], 1.0, 0.3)
        return np.where(there, chances, 0.0), np.where(there, attention * _columns(self.size), 0.0)


def _columns(size: Size) -> Chances:
    return np.asarray(0.9 ** np.arange(size.columns)[None, None, :])


def _title(index: int) -> Title:
    count = 3 + index % 3
    return Title(
        f"t{index}",
        [Artwork(f"a{place}", {"mood": MOODS[place % 3]}) for place in range(count)],
        {"genre": f"g{index % 4}"},
    )


def codes(values: list[list[int]]) -> Codes:
    """Return an array of codes."""
    return np.array(values, np.int32)
