"""The encoded features of what a decision offered, for training.

They come from the catalog version that the decision names, or stand in its record; both were
encoded by :mod:`bandit.features`, as they were when the page was scored. What the catalog holds is
taken out of its arrays once and kept, for the few versions in use at a time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

from bandit.catalog import INLINE_VERSION, Catalog, CatalogDocument, empty_catalog
from bandit.engine import Candidate
from bandit.errors import CatalogError
from bandit.events import DecisionRecord
from bandit.features import (
    ARTWORK,
    EMPTY,
    ID,
    POSITION,
    ROW,
    TITLE,
    Encoded,
    encode,
    encode_id,
    encode_position,
)

_Key = TypeVar("_Key")

_CANDIDATES_KEPT: Final = 1 << 16
"""Candidates of one kind kept for a catalog; once so many are, it begins anew. Some 100 MB."""

_CATALOGS_KEPT: Final = 4
"""Versions whose features are kept: pages of an old version come in for a window's time."""


class ItemFeatures:
    """Candidates taken out of one catalog, each once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._artworks: dict[tuple[str, str], Candidate] = {}
        self._rows: dict[tuple[str, int | None], Candidate] = {}

    def artwork(self, title: str, artwork: str) -> Candidate | None:
        """Return a title's artwork, None if there is no such."""
        found = self._artworks.get((title, artwork))
        if found is None:
            index = self._catalog.title_index(title)
            place = None if index is None else self._catalog.find_artwork(index, artwork)
            if index is None or place is None:
                return None
            found = Candidate(
                {
                    TITLE: self._catalog.title_features.one(index),
                    ARTWORK: self._catalog.artwork_features.one(place),
                    ID: self._catalog.artwork_identity(place),
                }
            )
            _keep(self._artworks, (title, artwork), found)
        return found

    def artworks(self, title: str) -> tuple[list[str], list[Candidate]]:
        """Return the ids and candidates of all artworks of a title, in order."""
        index = self._catalog.title_index(title)
        if index is None:
            return [], []
        start, end = self._catalog.artwork_offsets[index : index + 2].tolist()
        ids = self._catalog.artwork_ids[start:end]
        found = [self.artwork(title, artwork) for artwork in ids]
        return ids, [candidate for candidate in found if candidate is not None]

    def row(self, row: str, position: int | None) -> Candidate:
        """Return a row at a position, or without any; an unknown one has its identity alone."""
        found = self._rows.get((row, position))
        if found is None:
            index = self._catalog.row_index(row)
            features = EMPTY if index is None else self._catalog.row_features.one(index)
            found = _row(row, features, position)
            _keep(self._rows, (row, position), found)
        return found


def _keep(kept: dict[_Key, Candidate], key: _Key, candidate: Candidate) -> None:
    if len(kept) >= _CANDIDATES_KEPT:
        kept.clear()
    kept[key] = candidate


def _row(row: str, features: Encoded, position: int | None) -> Candidate:
    groups = {ROW: features, ID: encode_id(row)}
    if position is not None:
        groups[POSITION] = encode_position(position)
    return Candidate(groups)


class PageFeatures:
    """What one decision offered."""

    def __init__(self, decision: DecisionRecord, items: ItemFeatures) -> None:
        self._items = items
        self._inline_titles = {title.id for title in decision.inline_titles}
        self._inline_rows = {row.id: row.features for row in decision.inline_rows}
        self._inline: ItemFeatures | None = None
        if decision.inline_titles:
            document = CatalogDocument(decision.inline_titles, [])
            self._inline = ItemFeatures(Catalog.build(document, version=INLINE_VERSION))

    def artwork(self, title: str, artwork: str) -> Candidate | None:
        """Return the artwork served for a title, None if it cannot be found."""
        return self._source(title).artwork(title, artwork)

    def artworks(self, title: str) -> tuple[list[str], list[Candidate]]:
        """Return the ids and candidates of all artworks of a title, none if it is unknown."""
        return self._source(title).artworks(title)

    def row(self, row: str, position: int | None) -> Candidate:
        """Return a row at a position, or without any."""
        given = self._inline_rows.get(row)
        if given is None:
            return self._items.row(row, position)
        return _row(row, encode(ROW, given), position)

    def _source(self, title: str) -> ItemFeatures:
        if self._inline is not None and title in self._inline_titles:
            return self._inline
        return self._items


class CatalogFeatures:
    """The features of every catalog version in use."""

    def __init__(self, catalog_of: Callable[[str], Catalog]) -> None:
        self._catalog_of = catalog_of
        self._kept: OrderedDict[str, ItemFeatures] = OrderedDict()

    def of(self, decision: DecisionRecord) -> PageFeatures:
        """Return the features of what a decision offered.

        A version that is lost counts as empty: its titles will not be found.
        """
        version = decision.catalog
        items = self._kept.get(version)
        if items is None:
            try:
                catalog = self._catalog_of(version)
            except CatalogError:
                catalog = empty_catalog()
            items = self._kept[version] = ItemFeatures(catalog)
            if len(self._kept) > _CATALOGS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(version)
        return PageFeatures(decision, items)
