"""Two worlds to learn in: the homepage of the simulator, and a synthetic one with other rules.

A world draws visits and answers them. Visits depend on the seed alone and feedback on the seed and
the visit's number, so that all settings are tried on the same viewers, pages and luck.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, Protocol

import numpy as np

from bandit.catalog import CatalogDocument
from bandit.events import DecisionRecord, FeedbackRecord
from bandit.types import Artwork, Features, FloatArray, IndexArray, Page, Title
from simulator.environments.homepage import Homepage, HomepageSettings
from simulator.pages import Pages
from simulator.policies.answers import Answers, NamedRow, NamedTitle, Places
from simulator.policies.feedback import Reporter

WorldName = Literal["example", "synthetic"]

ROWS_A_PAGE: Final = 8
TITLES_A_ROW: Final = 8
TEMPLATES: Final = 500
VISITS_MAX: Final = 1_000_000

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
    row_worth: Mapping[str, float]
    """What each row of the page is worth to this viewer when it is reached."""


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


class ExampleWorld:
    """The viewers of ``homepage``, with the example's catalog, on eight rows of eight titles.

    Visits end at their first play, as in the example itself.
    """

    def __init__(self, seed: int) -> None:
        settings = HomepageSettings(
            rows=ROWS_A_PAGE,
            titles_a_row=TITLES_A_ROW,
            templates=TEMPLATES,
            leaves_after_play=True,
        )
        self._homepage = Homepage(VISITS_MAX, 1, settings)
        self.document = self._homepage.document
        self.offsets: IndexArray = self._homepage.items.artwork_offsets
        self.row_attention: FloatArray = self._homepage.row_attention()
        self._places = Places(self.document)
        self._reporter = Reporter(self.document)
        self._pages: Pages | None = self._homepage.reset(seed)

    def visit(self, number: int) -> Visit:
        """Draw a viewer who asks for one of the pages."""
        pages = self._asked()
        page = self._homepage.page(pages, 0)
        worth = self._homepage.row_worth(pages)[0].tolist()
        by_row = {row.id: value for row, value in zip(page.rows, worth, strict=True)}
        return Visit(number, page, self._homepage.artwork_chances(pages)[0], by_row)

    def _asked(self) -> Pages:
        if self._pages is None:
            raise ValueError(f"a world has {VISITS_MAX} visits")
        return self._pages

    def feedback(self, visit: Visit, decision: DecisionRecord) -> list[FeedbackRecord]:
        """Let the viewer scan the page, as the example's viewers do."""
        pages = self._asked()
        answers = Answers(self._places, pages)
        answers.add(
            0,
            [NamedRow(row.id, row.propensity) for row in decision.rows],
            [
                NamedTitle(choice.title, choice.artwork, choice.propensity)
                for choice in decision.titles
            ],
        )
        served = answers.served()
        step = self._homepage.step(served)
        self._pages = step.pages
        reports = self._reporter.report(pages, served, step.displays, [decision.decision_id])
        return [report.event for report in reports]


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
        self._first = {f"t{index}": index * ARTWORKS for index in range(TITLES)}
        self.offsets: IndexArray = np.arange(0, (TITLES + 1) * ARTWORKS, ARTWORKS)
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
        return Visit(number, page, 1 / (1 + np.exp(-odds)), {})

    def feedback(self, visit: Visit, decision: DecisionRecord) -> list[FeedbackRecord]:
        """Report every title as seen and some as played."""
        random = np.random.default_rng([self._seed, 5, visit.number])
        luck = random.random(len(decision.titles))
        fractions = random.beta(1.6, 0.9, len(decision.titles))
        events: list[FeedbackRecord] = []
        for index, choice in enumerate(decision.titles):
            name = choice.title
            events.append(_event(decision, len(events), "impression", name))
            shown = self._first[name] + int(choice.artwork.removeprefix("a"))
            if luck[index] < visit.chances[shown]:
                fraction = float(fractions[index])
                watched = 5400.0 * fraction
                event = _event(decision, len(events), "play", name, watched, fraction)
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
    kind: Literal["impression", "play"],
    title: str,
    seconds: float | None = None,
    fraction: float | None = None,
) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=f"{decision.decision_id}-{number}",
        decision_id=decision.decision_id,
        type=kind,
        title=title,
        seconds=seconds,
        fraction=fraction,
    )
