"""The things that pages choose among: every artwork with its title, every row, and their features.

An artwork's code stands for the pair of title and artwork, in alphabetical order, whatever catalog
version it came from. Where its features changed from version to version, those of the version used
last hold for all rounds: a code has one line of features. Only titles and rows that some page asked
for are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from bandit.catalog import CatalogDocument
from bandit.events import DecisionRecord
from bandit.types import Features, Float32Array, Title
from simulator.datasets.vocabulary import Columns, Tokens, Vocabulary, tokens_of
from simulator.logged import CodeArray


class ActionSet(NamedTuple):
    """The artworks of a title, in editorial order."""

    artworks: tuple[str, ...]
    codes: CodeArray
    """Shape (artworks,)."""


class ItemTable(NamedTuple):
    """Items by code."""

    names: list[str]
    features: Float32Array
    """Shape (items, f)."""
    columns: Columns

    @property
    def code_of(self) -> dict[str, int]:
        """Name → code."""
        return {name: code for code, name in enumerate(self.names)}


def item_table(tokens: Mapping[str, Tokens]) -> ItemTable:
    """Return the table of items whose tokens are given by name."""
    vocabulary = Vocabulary()
    for thing in tokens.values():
        vocabulary.add(thing)
    columns = vocabulary.columns()
    names = sorted(tokens)
    return ItemTable(names, columns.encode([tokens[name] for name in names]), columns)


class ArtworkItems:
    """Every artwork of the titles that pages asked for."""

    def __init__(
        self,
        documents: Mapping[str, CatalogDocument],
        wanted: Collection[str],
        inline: Mapping[str, Tokens],
        inline_largest: int,
    ) -> None:
        """Take catalog versions in the order of their first use, and what pages gave themselves.

        ``inline`` are the tokens of artworks given with pages, as :func:`artwork_tokens` makes
        them, and ``inline_largest`` the most artworks that one such title had.
        """
        tokens: dict[str, Tokens] = {}
        kept = {
            version: {title.id: title for title in document.titles if title.id in wanted}
            for version, document in documents.items()
        }
        for titles in kept.values():
            for title in titles.values():
                tokens.update(artwork_tokens(title))
        tokens.update(inline)
        self.table = item_table(tokens)
        self._codes = self.table.code_of
        self._sets = {
            (version, title.id): self._action_set(title)
            for version, titles in kept.items()
            for title in titles.values()
        }
        sizes = [len(one.artworks) for one in self._sets.values()]
        self.largest = max(*sizes, inline_largest, 1)
        """K: artworks of the title that has most."""

    def of(self, decision: DecisionRecord, title: str) -> ActionSet | None:
        """Return what a title offered on a page, None where that is not known any more."""
        for given in decision.inline_titles:
            if given.id == title:
                return self._action_set(given)
        return self._sets.get((decision.catalog, title))

    def in_catalog(self, version: str, title: str) -> ActionSet | None:
        """Return what a title offered in a catalog version, None where that is not known."""
        return self._sets.get((version, title))

    def _action_set(self, title: Title) -> ActionSet:
        codes = [self._codes[f"{title.id}/{artwork.id}"] for artwork in title.artworks]
        return ActionSet(tuple(artwork.id for artwork in title.artworks), np.array(codes, np.int32))


def row_items(
    documents: Mapping[str, CatalogDocument],
    wanted: Collection[str],
    inline: Mapping[str, Features],
) -> ItemTable:
    """Return the rows that pages asked for; features given with a page stand over the catalog's."""
    tokens: dict[str, Tokens] = {name: {} for name in wanted}
    for document in documents.values():
        for row in document.rows:
            if row.id in tokens:
                tokens[row.id] = tokens_of(row.features)
    tokens.update({name: tokens_of(given) for name, given in inline.items()})
    return item_table(tokens)


def artwork_tokens(title: Title) -> dict[str, Tokens]:
    """Return the tokens of a title's artworks, its own among them, by ``title/artwork``."""
    shared = tokens_of(title.features, "title.")
    return {
        f"{title.id}/{artwork.id}": shared | tokens_of(artwork.features, "artwork.")
        for artwork in title.artworks
    }
