"""The stages of our decision of a page, each alone, on what the stages before it made of the page.

They do not add up to the whole, which also tells shares and windows and makes the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from bandit import sampling, scoring
from bandit.candidates import collect_rows, collect_titles
from bandit.config.schema import Config
from bandit.feature_tables import Chosen
from bandit.features import ARTWORK, CONTEXT, ID, ROW, TITLE, encode, identities
from bandit.policy import Serving
from bandit.types import FloatArray, Page
from benchmarks.pages import ARTWORKS_A_TITLE
from benchmarks.turns import Contender, timed

STAGES: Final = {
    "found": "of it, 240 titles and 40 rows found in the catalog by their ids",
    "scores": "of it, scores alone: of 1,920 artworks and 40 rows, the context encoded each time",
    "pmf": "of it, scores to probabilities of 240 titles' artworks, default exploration",
    "draw": "of it, hashed uniforms and the draw of 240 artworks",
    "rows": "of it, the order of 40 rows drawn, with its propensities",
}


class Stages:
    """One page's stages."""

    def __init__(self, config: Config, serving: Serving, page: Page) -> None:
        self._config = config
        self._models = serving.models
        self._page = page
        catalog = serving.catalog
        titles = [catalog.title_index(str(name)) or 0 for row in page.rows for name in row.titles]
        self._titles = np.array(titles)
        self._artworks = np.concatenate(
            [np.arange(*catalog.artwork_offsets[title : title + 2]) for title in titles]
        )
        self._rows = np.array([catalog.row_index(row.id) or 0 for row in page.rows])
        self._catalog = catalog
        self._artwork_scores, self._row_scores = self.scores()
        self._pmf = self.pmf()

    def found(self) -> None:
        """Find titles and rows."""
        collect_rows(self._page.rows, self._catalog)
        asked = [title for row in self._page.rows for title in row.titles]
        collect_titles(asked, {}, self._catalog)

    def scores(self) -> tuple[FloatArray, FloatArray]:
        """Score all artworks and rows."""
        context = encode(CONTEXT, self._page.context)
        catalog, artwork, rows = self._catalog, self._models["artwork"], self._models["rows"]
        features: scoring.Groups = {
            CONTEXT: context,
            ARTWORK: Chosen(catalog.artwork_features, self._artworks),
            TITLE: Chosen(catalog.title_features, self._titles, ARTWORKS_A_TITLE),
            ID: identities(catalog.artwork_hashes.take(self._artworks)),
        }
        of_artworks = scoring.scores(
            artwork.arrays.weights, artwork.shape, features, len(self._artworks)
        )
        features = {
            CONTEXT: context,
            ROW: Chosen(catalog.row_features, self._rows),
            ID: identities(catalog.row_hashes.take(self._rows)),
        }
        return of_artworks, scoring.scores(
            rows.arrays.weights, rows.shape, features, len(self._rows)
        )

    def pmf(self) -> FloatArray:
        """Make probabilities of the scores."""
        scores = self._artwork_scores.reshape(-1, ARTWORKS_A_TITLE)
        exploration = self._config.surfaces.artwork.exploration
        return exploration.pmf(scores, np.ones(scores.shape, bool), None)

    def draw(self) -> None:
        """Draw an artwork for each title."""
        key = sampling.draw_key("bench", "artwork", "viewer", 0)
        keys = self._catalog.title_keys[self._titles]
        sampling.choose(self._pmf, sampling.uniforms(key, keys))

    def rows(self) -> None:
        """Draw the rows' order."""
        key = sampling.draw_key("bench", "rows", "viewer", 0)
        uniforms = sampling.uniforms(key, self._catalog.row_keys[self._rows])
        self._config.surfaces.rows.exploration.rank(self._row_scores, uniforms, {}, None)


def stage_contenders(
    config: Config, serving: Serving, pages: Sequence[Page]
) -> dict[str, Contender]:
    """Return each stage over one page after the other."""
    stages = [Stages(config, serving, page) for page in pages]
    return {
        "found": timed(lambda number: stages[number % len(stages)].found()),
        "scores": timed(lambda number: stages[number % len(stages)].scores()),
        "pmf": timed(lambda number: stages[number % len(stages)].pmf()),
        "draw": timed(lambda number: stages[number % len(stages)].draw()),
        "rows": timed(lambda number: stages[number % len(stages)].rows()),
    }
