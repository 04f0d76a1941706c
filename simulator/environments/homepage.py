"""``homepage``: viewers of a streaming homepage, who scan rows of titles, click and play.

What viewers like is told in :mod:`simulator.environments.viewers`, what they look at in
:mod:`simulator.environments.examination`, what they do with it in
:mod:`simulator.environments.responses`.

By default a viewer looks at places drawn beforehand, whatever is shown there, and may play more
than one title. So what a display earns on average depends on nothing but its own title, artwork
and row, as estimators of single choices take for granted. With ``leaves_after_play`` the first
play ends the visit: what lies below is not seen, so that a good artwork higher up takes displays
away from those below, and an estimator of single choices judges the displays that there were.

Why a run's world (tastes, viewers, pages asked for) follows the run's seed unless ``world_seed``
is set: policies compared over seeds then meet several worlds; truth and repeated logs of one
world need it set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from bandit.catalog import CatalogDocument
from bandit.reward import RewardRule
from bandit.types import Float32Array, FloatArray, Page, PageRow
from simulator.environments.catalog_arrays import CatalogArrays
from simulator.environments.catalogs import document_at, example_document, synthetic_document
from simulator.environments.examination import (
    SEES_FIRST_ROW,
    SEES_NEXT_COLUMN,
    SEES_NEXT_ROW,
    Examination,
)
from simulator.environments.frame import BatchedEnvironment
from simulator.environments.item_features import items_of
from simulator.environments.responses import Worth
from simulator.environments.templates import Templates, make_templates
from simulator.environments.viewers import (
    AGE_BANDS,
    DEVICES,
    MEMBERSHIPS,
    Population,
    Visits,
    context_features,
    context_names,
)
from simulator.environments.visit_outcomes import Outcomes, Scene
from simulator.pages import Displays, Expected, Items, Pages, Served
from simulator.streams import TEMPLATES, stream

ARTWORKS: Final = 6
TITLES: Final = 300

AtLeastOne = Annotated[int, Meta(ge=1)]


class HomepageSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Settings of ``homepage``."""

    catalog: Annotated[
        str, Meta(description="Path of a catalog file; empty: the example's, or a synthetic one.")
    ] = ""
    titles: Annotated[
        AtLeastOne | None, Meta(description="Titles of a synthetic catalog, in place of a file's.")
    ] = None
    artworks: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | None,
        Meta(description="Artworks of each title of a synthetic catalog."),
    ] = None
    rows: Annotated[int, Meta(ge=1, description="Rows that a page asks for.")] = 12
    rows_served: Annotated[
        AtLeastOne | None, Meta(description="Rows served, from the top; unset: all of them.")
    ] = None
    titles_a_row: Annotated[int, Meta(ge=1, description="Most titles a row asks for.")] = 8
    templates: Annotated[
        int, Meta(ge=1, description="Different pages that are asked for in a run.")
    ] = 256
    viewers: Annotated[int, Meta(ge=1, description="Viewers there are.")] = 5000
    page_every_s: Annotated[float, Meta(gt=0, description="Seconds between two pages.")] = 1.0
    sees_first_row: Annotated[
        float, Meta(gt=0, le=1, description="Chance that a viewer looks at the first row.")
    ] = SEES_FIRST_ROW
    sees_next_row: Annotated[
        float, Meta(gt=0, le=1, description="Chance of looking at a row, given the one above it.")
    ] = SEES_NEXT_ROW
    sees_next_title: Annotated[
        float, Meta(gt=0, le=1, description="Chance of seeing a title, given the one before it.")
    ] = SEES_NEXT_COLUMN
    leaves_after_play: Annotated[
        bool, Meta(description="Whether a visit ends at its first play.")
    ] = False
    feedback_delay_s: Annotated[
        float, Meta(ge=0, description="Mean seconds until a click or play is told, exponential.")
    ] = 5.0
    drift: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How far tastes move within a run; at 1 those of its end have nothing "
            "to do with those of its start.",
        ),
    ] = 0.0
    new_titles: Annotated[
        float, Meta(ge=0, lt=1, description="Share of titles that are not offered at first.")
    ] = 0.0
    new_titles_at: Annotated[
        float, Meta(ge=0, le=1, description="From which part of the run on they are offered.")
    ] = 0.5
    world_seed: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Draws tastes and viewers; unset: the seed of each run does."),
    ] = None
    rule: Annotated[RewardRule, Meta(description="How feedback is rewarded.")] = RewardRule()


class Homepage(BatchedEnvironment):
    """The environment; see the module."""

    name = "homepage"

    def __init__(
        self,
        pages: int,
        batch: int,
        settings: HomepageSettings | None = None,
        *,
        document: CatalogDocument | None = None,
    ) -> None:
        """Make the environment, on a given document or on the one that the settings name.

        Raises:
            SimulationError: the document lacks what viewers feel something about.
            MissingDataError: the catalog file is not there.
        """
        settings = settings or HomepageSettings()
        super().__init__(pages, batch, settings.page_every_s)
        self.settings = settings
        self.document = document or document_of(settings)
        self.items: Items = items_of(self.document)
        self.rule = settings.rule
        self.catalog = CatalogArrays.of(self.document)
        self.context_names = context_names(self.catalog.genres)
        self.segment_names = tuple(f"{age}, {device}" for age in AGE_BANDS for device in DEVICES)
        self.rows_served = min(settings.rows_served or settings.rows, settings.rows)
        self._outcomes = Outcomes(
            settings.rule,
            Worth(settings.rule, self.catalog.minutes),
            Examination(
                self.rows_served,
                settings.titles_a_row,
                settings.sees_first_row,
                settings.sees_next_row,
                settings.sees_next_title,
            ),
            leaves_after_play=settings.leaves_after_play,
            feedback_delay_s=settings.feedback_delay_s,
        )
        self._world: int | None = None
        self._population: Population
        self._templates: list[Templates]

    def _begin(self, seed: int) -> None:
        world = seed if self.settings.world_seed is None else self.settings.world_seed
        if world == self._world:
            return
        settings = self.settings
        self._population = Population(self.catalog, settings.viewers, world, settings.drift)
        random = stream(world, TEMPLATES)
        shape = settings.rows, settings.titles_a_row
        everything = np.ones(len(self.document.titles), np.bool_)
        stages = [everything]
        if settings.new_titles:
            stages.insert(0, random.random(len(everything)) >= settings.new_titles)
        self._templates = [
            make_templates(self.document, offered, settings.templates, shape, random)
            for offered in stages
        ]
        self._world = world

    def _visits(self, first: int, count: int, random: np.random.Generator) -> Pages:
        visits = self._population.visits(count, random)
        contexts = np.zeros((count, len(self.context_names)), np.float32)
        np.put_along_axis(contexts, visits.groups.astype(np.intp), 1.0, axis=1)
        age_band, device = visits.groups[:, 0], visits.groups[:, 1] - len(AGE_BANDS)
        template = random.integers(0, self.settings.templates, count)
        early, late = self._templates[0], self._templates[-1]
        new = np.arange(first, first + count) >= self.settings.new_titles_at * self.pages_total
        if early is late or new.all() or not new.any():
            stage = late if new.all() else early
            rows, titles = stage.rows[template], stage.titles[template]
        else:
            rows = np.where(new[:, None], late.rows[template], early.rows[template])
            titles = np.where(new[:, None, None], late.titles[template], early.titles[template])
        return Pages(
            first=first,
            now_us=self._instants(first, count),
            viewers=visits.viewers.astype(np.int64),
            contexts=contexts,
            segments=(age_band * len(DEVICES) + device).astype(np.int32),
            rows=rows,
            titles=titles,
            rows_served=self.rows_served,
        )

    def _scene(self, pages: Pages) -> Scene:
        """Return what is needed to know of a batch's viewers."""
        return Scene(pages, self._population, self._tastes(pages))

    def _tastes(self, pages: Pages) -> Float32Array:
        groups = np.nonzero(pages.contexts)[1].reshape(pages.size, MEMBERSHIPS)
        visits = Visits(pages.viewers, groups.astype(np.int32))
        return self._population.tastes(visits, self._progress(pages.first))

    def _respond(self, pages: Pages, served: Served, random: np.random.Generator) -> Displays:
        return self._outcomes.draw(self._scene(pages), served, random)

    def page(self, pages: Pages, index: int) -> Page:
        """Return one page of a batch as a request: viewer, context by name, rows with titles."""
        titles, rows = self.document.titles, self.document.rows
        asked = [
            PageRow(rows[row].id, titles=[titles[title].id for title in shown if title >= 0])
            for row, shown in zip(
                pages.rows[index].tolist(), pages.titles[index].tolist(), strict=True
            )
        ]
        groups = np.flatnonzero(pages.contexts[index])
        return Page(
            viewer_id=f"viewer-{pages.viewers[index]}",
            context=context_features(groups, self.catalog.genres),
            rows=asked,
            max_rows=pages.rows_served,
        )

    def expected(self, pages: Pages, served: Served) -> Expected:
        """Return what a served batch of this run earns on average: exact, given these viewers.

        Exact with ``leaves_after_play`` too: rows are reached with a probability that follows row
        by row from the chances of a play above.

        Raises:
            SimulationError: no run was started.
        """
        _ = self.seed
        return self._outcomes.expected(self._scene(pages), served)

    def best(self, pages: Pages) -> Served:
        """Return what an oracle would serve.

        Each title gets the artwork of the greatest expected reward when seen, and rows stand in
        the order of what they earn when they are reached. Without ``leaves_after_play`` nothing
        earns more a page: a card's reward then depends on its own artwork alone, and of all
        orders the one that pairs the greater worth with the greater attention has the greatest
        sum (the rearrangement inequality; Hardy, Littlewood and Pólya, 1934, theorem 368). With
        it, this is the greedy choice, which leaves out of account that a play ends the visit.

        Raises:
            SimulationError: no run was started.
        """
        _ = self.seed
        return self._outcomes.best(self._scene(pages))

    def artwork_chances(self, pages: Pages) -> FloatArray:
        """Return (m, artworks): P(play | seen) of every artwork of the document, on any row.

        Rows' affinities are left out: a title may stand on any.
        """
        return self._outcomes.artwork_chances(self._scene(pages))

    def row_worth(self, pages: Pages) -> FloatArray:
        """Return (m, R): the chances of a play, summed over a row's titles with any artwork.

        It is weighed by the attention along the row: what a row is worth to a policy that orders
        rows and knows nothing of artworks.
        """
        return self._outcomes.row_worth(self._scene(pages))

    def row_attention(self) -> FloatArray:
        """Return (S,): the chance that a viewer gets to each position."""
        return self._outcomes.examination.row_attention()


def document_of(settings: HomepageSettings) -> CatalogDocument:
    """Return the catalog that the settings name: a file's, the example's or a synthetic one.

    Raises:
        MissingDataError: the file, or the example, is not there.
        CatalogError: the file is no catalog.
    """
    if settings.titles is not None or settings.artworks is not None:
        return synthetic_document(settings.titles or TITLES, settings.artworks or ARTWORKS)
    return document_at(Path(settings.catalog)) if settings.catalog else example_document()
