"""A first look through outcomes: what is on the pages, and whether anything is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from bandit.catalog import CatalogDocument
from bandit.events import DecisionRecord
from bandit.joiner import Outcome
from bandit.types import SURFACES, Features, Surface
from simulator.datasets.faults import NO_PROPENSITY, REPEATED, Fault, Faults
from simulator.datasets.page_items import ArtworkItems, ItemTable, artwork_tokens, row_items
from simulator.datasets.seen_ids import SeenIds
from simulator.datasets.vocabulary import Columns, Tokens, Vocabulary, tokens_of

NO_SEGMENT: Final = "(none)"
"""The segment of a page whose context lacks the feature that tells segments apart."""

UNKNOWN_ROW: Final = Fault(
    "items", "are rows that were not among the candidates", "such records were not written by us"
)


class PageScan:
    """Gathers what is on the pages, batch after batch."""

    def __init__(self, segment: str | None) -> None:
        self._segment = segment
        self._ids = SeenIds()
        self._vocabulary = Vocabulary()
        self._inline: dict[str, Tokens] = {}
        self._inline_largest = 0
        self._chosen: set[tuple[str, str, str]] = set()
        """Catalog version, title and artwork."""
        self._titles: set[str] = set()
        self._inline_rows: dict[str, Features] = {}
        self._rows: set[str] = set()
        self._segments: set[str] = set()
        self.faults = Faults()
        self.dropped: set[int] = set()
        """Numbers of the pages with something wrong."""
        self.pages = 0
        self.has_titles = False
        self.longest = 0
        """L: rows served on the longest page."""
        self.most_rows = 0
        """R: candidate rows of the page that has most."""

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Look at the next pages."""
        decisions = [outcome.decision for outcome in outcomes]
        for decision in decisions:
            self._vocabulary.add(tokens_of(decision.context))
            for surface in SURFACES:
                self._segments.add(segment_of(decision, self._segment, surface))
            self.has_titles |= bool(decision.titles)
            self._look_at_rows(decision)
            self._look_at_titles(decision)
        names = [decision.decision_id for decision in decisions]
        wrong = {
            REPEATED: self._ids.take(names),
            NO_PROPENSITY: np.array([_has_unlawful(one) for one in decisions], np.bool_),
            UNKNOWN_ROW: np.array([_has_strange_row(one) for one in decisions], np.bool_),
        }
        good = self.faults.take(len(decisions), wrong, names)
        self.dropped.update((np.flatnonzero(~good) + self.pages).tolist())
        self.pages += len(decisions)

    def _look_at_rows(self, decision: DecisionRecord) -> None:
        self._rows.update(decision.row_candidates)
        self.longest = max(self.longest, len(decision.rows))
        self.most_rows = max(self.most_rows, len(decision.row_candidates))
        for row in decision.inline_rows:
            self._inline_rows[row.id] = row.features

    def _look_at_titles(self, decision: DecisionRecord) -> None:
        given = {title.id for title in decision.inline_titles}
        for title in decision.inline_titles:
            self._inline.update(artwork_tokens(title))
            self._inline_largest = max(self._inline_largest, len(title.artworks))
        for choice in decision.titles:
            if choice.title not in given:
                self._chosen.add((decision.catalog, choice.title, choice.artwork))
                self._titles.add(choice.title)

    def items(self, documents: Mapping[str, CatalogDocument]) -> ArtworkItems:
        """Return the artworks of all pages, once all were looked at."""
        return ArtworkItems(documents, self._titles, self._inline, self._inline_largest)

    def row_table(self, documents: Mapping[str, CatalogDocument]) -> ItemTable:
        """Return the rows of all pages, once all were looked at."""
        return row_items(documents, self._rows, self._inline_rows)

    def contexts(self) -> Columns:
        """Return the columns of contexts."""
        return self._vocabulary.columns()

    def segments(self) -> list[str]:
        """Return the names of all segments, in order."""
        return sorted(self._segments)

    def unknown_choices(self, items: ArtworkItems) -> set[tuple[str, str, str]]:
        """Return the choices (catalog version, title, artwork) that no catalog holds."""
        return {
            (version, title, artwork)
            for version, title, artwork in self._chosen
            if (offered := items.in_catalog(version, title)) is None
            or artwork not in offered.artworks
        }


def segment_of(decision: DecisionRecord, segment: str | None, surface: Surface) -> str:
    """Return a page's segment: its share of a surface, or the value of a context feature."""
    if segment is None or segment == "share":
        return decision.shares.get(surface, NO_SEGMENT)
    value = decision.context.get(segment)
    if value is None:
        return NO_SEGMENT
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else f"{value:g}"


def _has_unlawful(decision: DecisionRecord) -> bool:
    found = [choice.propensity for choice in decision.titles]
    found += [row.propensity for row in decision.rows]
    return any(not 0 < propensity <= 1 for propensity in found)


def _has_strange_row(decision: DecisionRecord) -> bool:
    offered = set(decision.row_candidates)
    return any(row.id not in offered for row in decision.rows)
