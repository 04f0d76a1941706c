"""From outcomes to training examples, and to the figures that tell whether anything is learned.

Pure, given the catalogs. What is learned, per surface:

* ``artwork``: one example a seen title; its reward is earned by the title's feedback on the page.
  A title with a single artwork is learned as well: what it tells of its features holds for the
  artworks of other titles.
* ``rows``: one example a seen row that was not pinned; its reward is made of those of its seen
  titles, each from its feedback in that row. The position is a feature here and not in serving,
  so that the attention a high place earns is not taken for a preference for the row. Pinned rows
  are counted only: they stand where nobody chose to put them.

In ``apprentice`` mode the model learns what the baseline does, whoever watched what: of each seen
title the artwork served has reward 1 and the others 0, and a row served at position p has reward
1/(1 + p), without the position as a feature, so that higher scores come to stand higher. In
``log_only`` mode nothing is learned. Figures are kept for every share in every mode, of every
display: those that :mod:`bandit.thinning` leaves out of what is learned as well.

A decision that stands for others, which a full queue did not let into the log, is learned with
that weight; figures count it once, as what was seen of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bandit import thinning
from bandit.catalog import Catalog
from bandit.config.schema import Config
from bandit.config.surfaces import SurfaceConfig
from bandit.engine import TrainingExample
from bandit.events import DecisionRecord, FeedbackRecord
from bandit.exposure import Seen, seen
from bandit.features import CONTEXT, Encoded, encode
from bandit.joiner import Outcome
from bandit.page_features import CatalogFeatures, PageFeatures
from bandit.statistics import LearningCounts, ShareStatistics
from bandit.thinning import Display
from bandit.types import RowChoice, Surface, TitleChoice


class _Page(NamedTuple):
    """What all examples of one page have in common."""

    features: PageFeatures
    shared: Mapping[str, Encoded]


class Learned(NamedTuple):
    """What one outcome has to teach."""

    examples: dict[Surface, list[TrainingExample]]
    titles: list[tuple[TitleChoice, Display]]
    """Those seen; of the learned share or not."""
    rows: list[tuple[RowChoice, Display]]
    """Those seen, the pinned ones too."""
    missing: int
    """Displays that would be learned, had their features been found."""
    unplaced: int
    """Events that name a title the page did not hold."""

    @property
    def displays(self) -> dict[Surface, list[Display]]:
        """What was seen of each surface."""
        return {
            "artwork": [display for _, display in self.titles],
            "rows": [display for _, display in self.rows],
        }


class Trainer:
    """Turns outcomes into examples, by the configuration."""

    def __init__(self, config: Config, catalog_of: Callable[[str], Catalog]) -> None:
        """``catalog_of`` finds a catalog version; a CatalogError means that it is lost."""
        self._surfaces = config.surfaces
        self._rule = config.reward
        self._features = CatalogFeatures(catalog_of)

    def train(self, outcome: Outcome) -> Learned:
        """Return what an outcome has to teach."""
        decision = outcome.decision
        artwork_seen = seen(decision, outcome.events, self._surfaces.artwork.exposure)
        rows_seen = artwork_seen
        if self._surfaces.rows.exposure != self._surfaces.artwork.exposure:
            rows_seen = seen(decision, outcome.events, self._surfaces.rows.exposure)
        titles = self._title_displays(decision, artwork_seen)
        rows = self._row_displays(decision, rows_seen)
        examples: dict[Surface, list[TrainingExample]] = {}
        missing = 0
        if titles or rows:
            page = _Page(self._features.of(decision), {CONTEXT: encode(CONTEXT, decision.context)})
            if self._learns("artwork", self._surfaces.artwork, decision):
                examples["artwork"], missing = self._of_titles(decision, titles, page)
            if self._learns("rows", self._surfaces.rows, decision):
                examples["rows"] = self._of_rows(decision, rows, page)
        return Learned(examples, titles, rows, missing, artwork_seen.unplaced)

    def count(self, outcome: Outcome, learned: Learned, counts: LearningCounts) -> None:
        """Add what was learned to the running counts."""
        decision = outcome.decision
        closed_by = outcome.closed_by
        counts.outcomes[closed_by] = counts.outcomes.get(closed_by, 0) + 1
        counts.missing_items += learned.missing
        counts.unplaced_events += learned.unplaced
        for surface, examples in learned.examples.items():
            counts.examples[surface] = counts.examples.get(surface, 0) + len(examples)
        for surface, displays in learned.displays.items():
            share = decision.shares.get(surface)
            if share is not None:
                _add(counts.shares[surface][share], displays)
        if decision.greedy_match is not None:
            counts.match_pages += 1
            counts.match_sum += decision.greedy_match

    def _learns(self, surface: Surface, settings: SurfaceConfig, decision: DecisionRecord) -> bool:
        return settings.mode != "log_only" and decision.shares.get(surface) in settings.learn_from

    def _title_displays(
        self, decision: DecisionRecord, found: Seen
    ) -> list[tuple[TitleChoice, Display]]:
        titles, reward, judged = found.titles, self._rule.reward, self._judged
        shown = [choice for choice in decision.titles if choice.title in titles]
        return [
            (choice, judged(reward(events), events))
            for choice in shown
            for events in (titles[choice.title],)
        ]

    def _row_displays(
        self, decision: DecisionRecord, found: Seen
    ) -> list[tuple[RowChoice, Display]]:
        displays = []
        for index, row in enumerate(decision.rows):
            titles = found.rows.get(index)
            if titles is not None:
                rewards = [self._rule.reward(events) for events in titles.values()]
                events = [event for several in titles.values() for event in several]
                displays.append((row, self._judged(self._rule.row_reward(rewards), events)))
        return displays

    def _judged(self, reward: float, events: Sequence[FeedbackRecord]) -> Display:
        touches = [event for event in events if event.type != "impression"]
        if not touches:
            return Display(reward, events)
        clicked = any(event.type == "click" for event in touches)
        is_quick_abandon = self._rule.is_quick_abandon
        played = any(event.type == "play" and not is_quick_abandon(event) for event in touches)
        return Display(reward, events, clicked, played)

    def _of_titles(
        self, decision: DecisionRecord, titles: Sequence[tuple[TitleChoice, Display]], page: _Page
    ) -> tuple[list[TrainingExample], int]:
        """Return the titles' examples, and how many titles have none for want of features."""
        settings = self._surfaces.artwork
        online = settings.mode == "online"
        named = [(choice.title, display) for choice, display in titles]
        examples: list[TrainingExample] = []
        missing = 0
        for (choice, display), weight in zip(
            titles, self._weights("artwork", settings, decision, named), strict=True
        ):
            if not weight:
                continue
            if online and settings.model.cb_type == "regression":
                found = _of_title(choice, display.reward, weight, page)
            else:
                found = _of_artworks(choice, display.reward, weight, page, online=online)
            examples += found
            missing += not found
        return examples, missing

    def _of_rows(
        self, decision: DecisionRecord, rows: Sequence[tuple[RowChoice, Display]], page: _Page
    ) -> list[TrainingExample]:
        """Return the examples of the rows that were not pinned."""
        settings = self._surfaces.rows
        free = [(row, display) for row, display in rows if not row.pinned]
        named = [(row.id, display) for row, display in free]
        return [
            self._of_row(decision, row, display.reward, weight, page)
            for (row, display), weight in zip(
                free, self._weights("rows", settings, decision, named), strict=True
            )
            if weight
        ]

    def _weights(
        self,
        surface: Surface,
        settings: SurfaceConfig,
        decision: DecisionRecord,
        displays: Sequence[tuple[str, Display]],
    ) -> list[float]:
        """Return the weight of each display, 0 for those left out.

        An apprentice imitates what was touched and what was not alike, and leaves nothing out.
        """
        let_in = decision.pass_probability
        stands_for = 1.0 / let_in if let_in else math.inf
        if settings.mode == "apprentice" or settings.zero_reward_share == 1.0:
            return [stands_for] * len(displays)
        drawn = thinning.weights(
            displays,
            settings.zero_reward_share,
            salt=self._surfaces.salt,
            surface=surface,
            decision_id=decision.decision_id,
        )
        return [weight and weight * stands_for for weight in drawn]

    def _of_row(
        self, decision: DecisionRecord, row: RowChoice, reward: float, weight: float, page: _Page
    ) -> TrainingExample:
        settings = self._surfaces.rows
        shared = page.shared
        if settings.mode == "apprentice":
            candidate = page.features.row(row.id, None)
            return TrainingExample(shared, [candidate], 0, 1.0, 1.0 / (1 + row.position), weight)
        if settings.model.cb_type == "regression":
            candidate = page.features.row(row.id, row.position)
            return TrainingExample(shared, [candidate], 0, row.propensity, reward, weight)
        eligible = _open_rows(decision, row.position)
        candidates = [page.features.row(name, row.position) for name in eligible]
        chosen = eligible.index(row.id)
        return TrainingExample(shared, candidates, chosen, row.propensity, reward, weight)


def _add(statistics: ShareStatistics, displays: Sequence[Display]) -> None:
    clicks = plays = 0
    total = statistics.reward
    for reward, _, clicked, played in displays:
        total += reward
        clicks += clicked
        plays += played
    statistics.displays += len(displays)
    statistics.clicks += clicks
    statistics.plays += plays
    statistics.reward = total


def _of_title(
    choice: TitleChoice, reward: float, weight: float, page: _Page
) -> list[TrainingExample]:
    """Return the example of the artwork served, none if its features cannot be found."""
    candidate = page.features.artwork(choice.title, choice.artwork)
    if candidate is None:
        return []
    return [TrainingExample(page.shared, [candidate], 0, choice.propensity, reward, weight)]


def _of_artworks(
    choice: TitleChoice, reward: float, weight: float, page: _Page, *, online: bool
) -> list[TrainingExample]:
    """Return the examples in which all of a title's artworks stand, none if they are not found."""
    ids, candidates = page.features.artworks(choice.title)
    if choice.artwork not in ids:
        return []
    chosen = ids.index(choice.artwork)
    if online:
        return [TrainingExample(page.shared, candidates, chosen, choice.propensity, reward, weight)]
    return [
        TrainingExample(page.shared, candidates, index, 1.0, float(index == chosen), weight)
        for index in range(len(candidates))
    ]


def _open_rows(decision: DecisionRecord, position: int) -> list[str]:
    """Return the rows that could have stood at a position, given those above."""
    taken = {row.id for row in decision.rows if row.pinned or row.position < position}
    # A row pinned below the last place served stands nowhere, and could not have been drawn.
    taken |= decision.pins.keys()
    return [name for name in decision.row_candidates if name not in taken]
