"""What comes of a batch of homepages: drawn, on average, and at best."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from bandit.reward import RewardRule
from bandit.types import BoolArray, Float32Array, FloatArray, IndexArray
from simulator.environments.examination import Examination
from simulator.environments.responses import Acts, Worth, act
from simulator.environments.rewards import display_rewards
from simulator.environments.viewers import Cards, Population
from simulator.errors import SimulationError
from simulator.pages import Codes, Displays, Expected, Pages, Served

CHUNK: Final = 1024
"""Pages whose every artwork is judged at a time."""


class Scene(NamedTuple):
    """A batch of m pages and who sees them."""

    pages: Pages
    population: Population
    taste: Float32Array
    """Shape (m, taste)."""

    def chunks(self) -> Iterator[tuple[slice, Scene]]:
        """Cut into pieces of ``CHUNK`` pages."""
        for start in range(0, self.pages.size, CHUNK):
            at = slice(start, start + CHUNK)
            pages = self.pages
            cut = pages._replace(
                now_us=pages.now_us[at],
                viewers=pages.viewers[at],
                contexts=pages.contexts[at],
                segments=pages.segments[at],
                rows=pages.rows[at],
                titles=pages.titles[at],
            )
            yield at, Scene(cut, self.population, self.taste[at])


class _Seen(NamedTuple):
    """Cards that were looked at; arrays of shape (n,)."""

    page: IndexArray
    position: IndexArray
    column: IndexArray
    card: IndexArray
    """Index into the pages' cards as asked, (m, R, C) in one line."""


class Outcomes:
    """What viewers do, by a rule of rewards and a way of looking at pages."""

    def __init__(
        self,
        rule: RewardRule,
        worth: Worth,
        examination: Examination,
        *,
        leaves_after_play: bool,
        feedback_delay_s: float,
    ) -> None:
        self._rule = rule
        self._worth = worth
        self.examination = examination
        self._leaves = leaves_after_play
        self._delay_s = feedback_delay_s

    def draw(self, scene: Scene, served: Served, random: np.random.Generator) -> Displays:
        """Draw what is seen and done.

        Raises:
            SimulationError: an artwork is none of its title's.
        """
        pages = scene.pages
        depths = self.examination.depths(pages.size, random)
        # A uniform for each card as asked: in whatever order the rows are served, a viewer has
        # the same luck with a title.
        luck = random.random(pages.titles.size, dtype=np.float32)
        seen = _seen(pages, served, depths)
        cards = _cards(scene, seen.page, seen.card, served.artworks.ravel()[seen.card])
        appeal = scene.population.appeal(scene.taste, cards)
        length_s = scene.population.catalog.minutes[cards.title] * 60
        acts = act(appeal, length_s, luck[seen.card], random)
        if self._leaves:
            seen, acts = _until_first_play(seen, acts, pages.size)
        return Displays(
            page=seen.page.astype(np.int32),
            position=seen.position.astype(np.int32),
            column=seen.column.astype(np.int32),
            clicked=acts.clicked,
            played=acts.played,
            seconds=acts.seconds.astype(np.float32),
            fraction=acts.fraction.astype(np.float32),
            reward=display_rewards(self._rule, *acts),
            delay_s=self._delays(acts.clicked, random),
        )

    def _delays(self, clicked: BoolArray, random: np.random.Generator) -> Float32Array:
        delays = np.zeros(len(clicked), np.float32)
        at = np.flatnonzero(clicked)
        delays[at] = random.exponential(1.0, len(at)) * self._delay_s
        return delays

    def expected(self, scene: Scene, served: Served) -> Expected:
        """Return what is earned on average."""
        parts = [
            self._expected(part, served.order[at], served.artworks[at])
            for at, part in scene.chunks()
        ]
        return Expected(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _expected(self, scene: Scene, order: Codes, artworks: Codes) -> Expected:
        pages = scene.pages
        columns = np.arange(pages.titles.shape[2])
        page = np.arange(pages.size)[:, None, None]
        card = (page * pages.rows.shape[1] + np.maximum(order, 0)[:, :, None]) * len(columns)
        card = card + columns
        there = (pages.titles.ravel()[card] >= 0) & (order >= 0)[:, :, None]
        place = np.where(there, artworks.ravel()[card], 0)
        cards = _cards(scene, page, card, place)
        appeal = scene.population.appeal(scene.taste, cards)
        worth = np.where(there, self._worth.of(appeal, cards.title), 0.0)
        reach = self.examination.row_attention()[None, :]
        along = self.examination.column_attention()
        if self._leaves:
            play = np.where(there, appeal.chance(), 0.0)
            none_before, none_at_all = self._without_play(play)
            default = self._worth.default * there
            worth = none_before * worth + (1 - none_before) * default
            above = np.cumprod(none_at_all, axis=1)[:, :-1]
            reach = reach * np.hstack([np.ones((pages.size, 1)), above])
        rewards = (worth * along).sum(axis=2)
        displays = (there * along).sum(axis=2)
        return Expected((rewards * reach).sum(axis=1), (displays * reach).sum(axis=1))

    def _without_play(self, play: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the chances of no play before a card in its row, and none in the whole row.

        Args:
            play: (m, S, C) chance of a play of each card, if seen.

        Returns:
            (m, S, C), given that the card is seen; (m, S), over how far the row is looked at.
        """
        none = np.cumprod(1 - play, axis=2)
        before = np.concatenate([np.ones((*play.shape[:2], 1)), none[:, :, :-1]], axis=2)
        along = self.examination.column_attention()
        ends_at = along - np.append(along[1:], 0.0)
        return before, (none * ends_at).sum(axis=2)

    def best(self, scene: Scene) -> Served:
        """Return the artworks, and the order of rows, that earn most when seen."""
        parts = [self._best(part) for _, part in scene.chunks()]
        order, artworks = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Served(order, np.ones(order.shape), artworks, np.ones(artworks.shape))

    def _best(self, scene: Scene) -> tuple[Codes, Codes]:
        cards, there = _every_artwork(scene)
        appeal = scene.population.appeal(scene.taste, cards)
        worth = np.where(there, self._worth.of(appeal, cards.title), -1.0)
        artworks = worth.argmax(axis=3)
        gaps = scene.pages.titles < 0
        top = np.where(gaps, 0.0, worth.max(axis=3)) @ self.examination.column_attention()
        order = np.argsort(-top, axis=1, kind="stable")[:, : scene.pages.rows_served]
        return order.astype(np.int32), np.where(gaps, -1, artworks).astype(np.int32)

    def artwork_chances(self, scene: Scene) -> FloatArray:
        """Return (m, artworks): P(play | seen) of every artwork of the document."""
        title_of = scene.population.catalog.title_of()
        everything = Cards(
            np.arange(scene.pages.size)[:, None],
            np.zeros((1, 1), np.int32),
            title_of.astype(np.int32)[None, :],
            np.arange(len(title_of))[None, :],
        )
        appeal = scene.population.appeal(scene.taste, everything)
        nowhere = appeal._replace(row=np.zeros_like(appeal.row))
        return nowhere.chance().astype(np.float64)

    def row_worth(self, scene: Scene) -> FloatArray:
        """Return (m, R): chances of a play along each row, over all artworks alike."""
        cards, there = _every_artwork(scene)
        play = np.where(there, scene.population.appeal(scene.taste, cards).chance(), 0.0)
        mean = play.sum(axis=3) / np.maximum(there.sum(axis=3), 1)
        return np.asarray(mean @ self.examination.column_attention())


def _seen(pages: Pages, served: Served, depths: Codes) -> _Seen:
    rows, columns = pages.titles.shape[1:]
    positions = served.order.shape[1]
    lengths = (pages.titles >= 0).sum(axis=2, dtype=np.int32)
    order = np.maximum(served.order, 0)
    placed = np.where(served.order >= 0, np.take_along_axis(lengths, order, axis=1), 0)
    counts = np.minimum(depths, placed).ravel()
    cell = np.repeat(np.arange(len(counts)), counts)
    column = np.arange(len(cell)) - np.repeat(np.cumsum(counts) - counts, counts)
    page = cell // positions
    first = (np.arange(pages.size)[:, None] * rows + order) * columns
    return _Seen(page, cell - page * positions, column, first.ravel()[cell] + column)


def _cards(scene: Scene, page: IndexArray, card: IndexArray, place: Codes) -> Cards:
    """Return cards shown with the artworks at ``place`` among their titles'; gaps as title 0.

    Raises:
        SimulationError: a title has no such artwork.
    """
    catalog = scene.population.catalog
    title = np.maximum(scene.pages.titles.ravel()[card], 0)
    first, after = catalog.offsets[title], catalog.offsets[title + 1]
    artwork = first + place
    wrong = (place < 0) | (artwork >= after)
    if wrong.any():
        at = int(np.broadcast_to(page, wrong.shape)[wrong][0])
        raise SimulationError(
            f"artworks served are none of their titles' (first at page {at} of the batch)",
            hint="give each title the place of one of its own artworks, from 0",
        )
    row = scene.pages.rows.ravel()[card // scene.pages.titles.shape[2]]
    return Cards(page, row, title, artwork)


def _every_artwork(scene: Scene) -> tuple[Cards, BoolArray]:
    """Return (m, R, C, K) all artworks of all titles of the pages, and which of them there are."""
    catalog = scene.population.catalog
    titles = scene.pages.titles
    known = np.maximum(titles, 0)[..., None]
    place = np.arange(int(catalog.artwork_counts.max()))
    there = (place < catalog.artwork_counts[known]) & (titles >= 0)[..., None]
    artwork = np.where(there, catalog.offsets[known] + place, catalog.offsets[known])
    page = np.arange(scene.pages.size)[:, None, None, None]
    return Cards(page, scene.pages.rows[:, :, None, None], known, artwork), there


def _until_first_play(seen: _Seen, acts: Acts, pages: int) -> tuple[_Seen, Acts]:
    """Take away what would have come after the first play; its row was seen as it stood."""
    plays = np.flatnonzero(acts.played)
    with_play, first = np.unique(seen.page[plays], return_index=True)
    ends_at = np.full(pages, len(acts.played))
    ends_at[with_play] = plays[first]
    last_row = np.full(pages, np.iinfo(np.int64).max)
    last_row[with_play] = seen.position[plays[first]]
    kept = np.flatnonzero(seen.position <= last_row[seen.page])
    after = kept > ends_at[seen.page[kept]]
    acts = Acts(*(np.where(after, np.zeros_like(part[kept]), part[kept]) for part in acts))
    return _Seen(*(part[kept] for part in seen)), acts
