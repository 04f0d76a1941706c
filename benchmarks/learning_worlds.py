"""Two worlds to learn in: the example's viewers, and a synthetic one with other rules.

A world draws visits and answers them. Visits depend on the seed alone and feedback on the seed and
the visit's number, so that all settings are tried on the same viewers, pages and luck.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

import numpy as np

from bandit.catalog import CatalogDocument, read_catalog_file
from bandit.events import DecisionRecord, FeedbackRecord
from bandit.types import Artwork, Features, FloatArray, IndexArray, Page, PageRow, Title
from examples.viewer_model import SEES_FIRST_ROW, SEES_NEXT_ROW, ViewerPopulation
from examples.viewer_model import Visit as Viewer

WorldName = Literal["example", "synthetic"]

EXAMPLE_CATALOG: Final = Path(__file__).resolve().parents[1] / "examples" / "catalog.jsonl"
ROWS_A_PAGE: Final = 8
TITLES_A_ROW: Final = 8

TITLES: Final = 300
ARTWORKS: Final = 6
TASTES: Final = 8
VIEWED: Final = 40


class Visit(NamedTuple):
    """A viewer who asks for a page."""

    number: int
    page: Page
    chances: FloatArray
    """Shape (artworks,): P(play | seen) of each artwork of the catalog, to this viewer."""
    viewer: Viewer | None


class World(Protocol):
    """Viewers of one catalog."""

    document: CatalogDocument
    offsets: IndexArray
    """Shape (titles + 1,): title i has the artworks ``offsets[i]`` to ``offsets[i + 1] - 1``."""
    row_attention: FloatArray
    """Shape (rows of a page,): the chance that a row at a position is looked at."""

    def visit(self, number: int) -> Visit:
        """Draw the next visit."""
        ...

    def feedback(self, visit: Visit, decision: DecisionRecord) -> list[FeedbackRecord]:
        """Draw what the visitor does with the page that was served."""
        ...


def world_of(name: WorldName, seed: int) -> World:
    """Make a world."""
    return ExampleWorld(seed) if name == "example" else SyntheticWorld(seed)


class Places:
    """Where the titles and artworks of a document stand in its arrays."""

    def __init__(self, document: CatalogDocument) -> None:
        counts = [len(title.artworks) for title in document.titles]
        self.offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        self.title = {title.id: index for index, title in enumerate(document.titles)}
        pairs = [(title.id, art.id) for title in document.titles for art in title.artworks]
        self.artwork = {pair: index for index, pair in enumerate(pairs)}


class ExampleWorld:
    """The simulated viewers of ``examples/`` on pages of eight rows with eight titles."""

    def __init__(self, seed: int) -> None:
        self.document = read_catalog_file(EXAMPLE_CATALOG)
        self._seed = seed
        self._random = np.random.default_rng([seed, 1])
        self._viewers = ViewerPopulation(seed, self.document)
        self._places = Places(self.document)
        self.offsets: IndexArray = self._places.offsets
        self.row_attention: FloatArray = np.geomspace(
            SEES_FIRST_ROW, SEES_FIRST_ROW * SEES_NEXT_ROW ** (ROWS_A_PAGE - 1), ROWS_A_PAGE
        )
        self._title_of = np.repeat(np.arange(len(self.document.titles)), np.diff(self.offsets))

    def visit(self, number: int) -> Visit:
        """Draw a viewer, and rows and titles at random."""
        viewer = self._viewers.visit(self._random)
        picked = self._random.choice(len(self.document.rows), ROWS_A_PAGE, replace=False)
        rows = [self._row(int(index)) for index in picked]
        page = Page(viewer_id=viewer.viewer_id, context=viewer.context, rows=rows)
        everything = np.arange(len(self._title_of))
        chances = self._viewers.play_probability(viewer, self._title_of, everything)
        return Visit(number, page, chances, viewer)

    def _row(self, index: int) -> PageRow:
        row = self.document.rows[index]
        count = min(TITLES_A_ROW, len(row.titles))
        picked = self._random.choice(len(row.titles), count, replace=False)
        return PageRow(row.id, titles=[row.titles[place] for place in picked.tolist()])

    def feedback(self, visit: Visit, decision: DecisionRecord) -> list[FeedbackRecord]:
        """Let the viewer scan the page, as the example's viewers do."""
        if visit.viewer is None:
            return []
        artworks = {choice.title: choice.artwork for choice in decision.titles}
        shape = (len(decision.rows), TITLES_A_ROW)
        title_at, artwork_at = np.full(shape, -1), np.full(shape, 0)
        for place, row in enumerate(decision.rows):
            for column, name in enumerate(row.titles):
                title_at[place, column] = self._places.title[name]
                artwork_at[place, column] = self._places.artwork[name, artworks[name]]
        random = np.random.default_rng([self._seed, 2, visit.number])
        done = self._viewers.behave(visit.viewer, title_at, artwork_at, random)
        events: list[FeedbackRecord] = []
        for place, row in enumerate(decision.rows):
            for column, name in enumerate(row.titles):
                at = (place, column)
                if done.seen[at]:
                    events.append(_event(decision, len(events), "impression", name, row.id))
                if done.played[at]:
                    seconds, fraction = float(done.seconds[at]), float(done.fraction[at])
                    event = _event(decision, len(events), "play", name, row.id, seconds, fraction)
                    events.append(event)
                elif done.clicked[at]:
                    events.append(_event(decision, len(events), "click", name, row.id))
        return events


class SyntheticWorld:
    """Viewers with a taste in eight dimensions, which the context tells as plain numbers.

    300 titles × 6 artworks; 40 titles outside rows are all seen on each page. The log-odds of a
    play are a base, the taste for the artwork's subject and mood, and an offset of the artwork's
    own: the rules of the throw-away environment that the first measurements were made in.
    """

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng([seed, 3])
        self._seed = seed
        self._random = np.random.default_rng([seed, 4])
        subjects = random.integers(0, 8, (TITLES, ARTWORKS))
        moods = random.integers(0, 6, (TITLES, ARTWORKS))
        self.document = CatalogDocument(
            [_synthetic_title(i, subjects[i], moods[i], random) for i in range(TITLES)]
        )
        self._places = Places(self.document)
        self.offsets: IndexArray = self._places.offsets
        self.row_attention: FloatArray = np.ones(0)
        self._directions = random.normal(0, 0.35, (8, TASTES))[subjects.ravel()]
        self._directions += random.normal(0, 0.25, (6, TASTES))[moods.ravel()]
        self._offset = random.normal(0, 0.3, TITLES * ARTWORKS)

    def visit(self, number: int) -> Visit:
        """Draw a taste, and titles at random."""
        taste = self._random.normal(0, 1, TASTES)
        picked = self._random.choice(TITLES, VIEWED, replace=False)
        names: list[str | Title] = [f"t{index}" for index in picked.tolist()]
        context: Features = {f"taste{place}": float(part) for place, part in enumerate(taste)}
        page = Page(viewer_id=f"v{number}", context=context, titles=names)
        odds = self._directions @ taste + self._offset - 3.0
        return Visit(number, page, 1 / (1 + np.exp(-odds)), None)

    def feedback(self, visit: Visit, decision: DecisionRecord) -> list[FeedbackRecord]:
        """Report every title as seen and some as played."""
        random = np.random.default_rng([self._seed, 5, visit.number])
        luck = random.random(len(decision.titles))
        fractions = random.beta(1.6, 0.9, len(decision.titles))
        events: list[FeedbackRecord] = []
        for index, choice in enumerate(decision.titles):
            name = choice.title
            events.append(_event(decision, len(events), "impression", name, None))
            if luck[index] < visit.chances[self._places.artwork[name, choice.artwork]]:
                fraction = float(fractions[index])
                watched = 5400.0 * fraction
                event = _event(decision, len(events), "play", name, None, watched, fraction)
                events.append(event)
        return events


def _synthetic_title(
    index: int, subjects: IndexArray, moods: IndexArray, random: np.random.Generator
) -> Title:
    artworks = [
        Artwork(f"a{place}", {"subject": f"s{subjects[place]}", "mood": f"m{moods[place]}"})
        for place in range(ARTWORKS)
    ]
    return Title(f"t{index}", artworks, {"genre": f"g{random.integers(12)}"})


def _event(
    decision: DecisionRecord,
    number: int,
    kind: Literal["impression", "click", "play"],
    title: str,
    row: str | None,
    seconds: float | None = None,
    fraction: float | None = None,
) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=f"{decision.decision_id}-{number}",
        decision_id=decision.decision_id,
        type=kind,
        title=title,
        row=row,
        seconds=seconds,
        fraction=fraction,
    )
