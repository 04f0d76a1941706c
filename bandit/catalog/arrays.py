"""What is served from: one catalog version as arrays, immutable, swapped as a whole.

The identity of an artwork is always ``title/artwork``: artwork ids need to be unique within their
title only, and equal ones of different titles must not share a weight.

All of a catalog is in named arrays, :meth:`Catalog.to_arrays`, and :meth:`Catalog.from_arrays` uses
those it is given as they are: arrays mapped from a file stay mapped, and shared by all processes.
Only the ids of titles and rows become Python objects again, to be looked up.

Why the document is not kept: its features as Python objects take some twenty times the memory of
the arrays, in every worker. :meth:`bandit.catalog.store.CatalogStore.document` reads it again for
the rare call that wants it. Which titles a row offers is not kept either: each page says so itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bandit.catalog.documents import CatalogDocument, content_version
from bandit.catalog.encoding import encode_identities, encode_many
from bandit.catalog.names import Names, strings, text_and_bounds
from bandit.feature_tables import FeatureTable
from bandit.features import ARTWORK, ROW, TITLE, Encoded, identities
from bandit.sampling import item_keys
from bandit.types import HashArray, IndexArray, KeyArray

EMPTY_VERSION: Final = "empty"
"""The version of the catalog of a service that has none."""

INLINE_VERSION: Final = "inline"
"""The version of a catalog built from the titles of one request."""

_INDEXED_AT_ONCE: Final = 8_192


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """One version of T titles, M artworks and R rows."""

    version: str
    title_ids: list[str]
    """T ids."""
    artwork_ids: Names
    """M ids, title after title."""
    row_ids: list[str]
    """R ids."""
    artwork_offsets: IndexArray
    """Shape (T + 1,): title t has the artworks [offsets[t], offsets[t + 1])."""
    artwork_features: FeatureTable
    """Of M things, namespace ``artwork``."""
    artwork_hashes: HashArray
    """Shape (M,): the identities, namespace ``id``."""
    title_features: FeatureTable
    """Of T things, namespace ``title``."""
    row_features: FeatureTable
    """Of R things, namespace ``row``."""
    row_hashes: HashArray
    """Shape (R,): the identities, namespace ``id``."""
    title_keys: KeyArray
    """Shape (T,): sampling keys."""
    row_keys: KeyArray
    """Shape (R,): sampling keys."""
    title_index_of: Mapping[str, int]
    """The index of each title by its id."""
    row_index_of: Mapping[str, int]
    """The index of each row by its id."""

    @classmethod
    def build(cls, document: CatalogDocument, *, version: str | None = None) -> Catalog:
        """Build the arrays of a checked document.

        Without a ``version`` the document's content is hashed, which costs as much as encoding and
        decoding it; a request's own titles are built with :data:`INLINE_VERSION`.
        """
        titles, rows = document.titles, document.rows
        artworks = [artwork for title in titles for artwork in title.artworks]
        title_ids = [title.id for title in titles]
        row_ids = [row.id for row in rows]
        artwork_names = [
            identity(title.id, artwork.id) for title in titles for artwork in title.artworks
        ]
        return cls(
            version=content_version(document) if version is None else version,
            title_ids=title_ids,
            artwork_ids=Names.of(artwork.id for artwork in artworks),
            row_ids=row_ids,
            artwork_offsets=_offsets([len(title.artworks) for title in titles]),
            artwork_features=encode_many(ARTWORK, [artwork.features for artwork in artworks]),
            artwork_hashes=encode_identities(artwork_names),
            title_features=encode_many(TITLE, [title.features for title in titles]),
            row_features=encode_many(ROW, [row.features for row in rows]),
            row_hashes=encode_identities(row_ids),
            title_keys=item_keys(title_ids),
            row_keys=item_keys(row_ids),
            title_index_of=_index_of(title_ids),
            row_index_of=_index_of(row_ids),
        )

    @classmethod
    def from_arrays(cls, version: str, arrays: Mapping[str, np.ndarray]) -> Catalog:
        """Return the catalog that :meth:`to_arrays` laid out; no array is copied.

        Raises:
            KeyError: an array is missing.
        """
        title_ids = strings(arrays["titles.text"], arrays["titles.bounds"])
        row_ids = strings(arrays["rows.text"], arrays["rows.bounds"])
        return cls(
            version=version,
            title_ids=title_ids,
            artwork_ids=Names.from_arrays(arrays, "artworks"),
            row_ids=row_ids,
            artwork_offsets=arrays["titles.artworks"],
            artwork_features=FeatureTable.from_arrays(arrays, "artworks"),
            artwork_hashes=arrays["artworks.hashes"],
            title_features=FeatureTable.from_arrays(arrays, "titles"),
            row_features=FeatureTable.from_arrays(arrays, "rows"),
            row_hashes=arrays["rows.hashes"],
            title_keys=arrays["titles.keys"],
            row_keys=arrays["rows.keys"],
            title_index_of=_index_of(title_ids),
            row_index_of=_index_of(row_ids),
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return all but the version as C-contiguous arrays of numbers, by name."""
        title_text, title_bounds = text_and_bounds(self.title_ids)
        row_text, row_bounds = text_and_bounds(self.row_ids)
        return {
            "titles.text": title_text,
            "titles.bounds": title_bounds,
            "titles.artworks": self.artwork_offsets,
            "titles.keys": self.title_keys,
            **self.title_features.to_arrays("titles"),
            **self.artwork_ids.to_arrays("artworks"),
            "artworks.hashes": self.artwork_hashes,
            **self.artwork_features.to_arrays("artworks"),
            "rows.text": row_text,
            "rows.bounds": row_bounds,
            "rows.hashes": self.row_hashes,
            "rows.keys": self.row_keys,
            **self.row_features.to_arrays("rows"),
        }

    def artwork_identity(self, index: int) -> Encoded:
        """Return the identity of an artwork, namespace ``id``."""
        return identities(self.artwork_hashes[index : index + 1]).one(0)

    def row_identity(self, index: int) -> Encoded:
        """Return the identity of a row, namespace ``id``."""
        return identities(self.row_hashes[index : index + 1]).one(0)

    def title_index(self, title_id: str) -> int | None:
        """Return the index of a title, None if it is not in this version."""
        return self.title_index_of.get(title_id)

    def row_index(self, row_id: str) -> int | None:
        """Return the index of a row, None if it is not in this version."""
        return self.row_index_of.get(row_id)

    def find_artwork(self, title_index: int, artwork_id: str) -> int | None:
        """Return the index of a title's artwork among all artworks, None if it has no such."""
        start, end = self.artwork_offsets[title_index : title_index + 2].tolist()
        names = self.artwork_ids[start:end]
        return int(start) + names.index(artwork_id) if artwork_id in names else None


def identity(title_id: str, artwork_id: str) -> str:
    """Return the name under which an artwork is learned as itself."""
    return f"{title_id}/{artwork_id}"


def empty_catalog() -> Catalog:
    """Return the catalog of a service that has none: every title comes with its request."""
    return Catalog.build(CatalogDocument([]), version=EMPTY_VERSION)


def _index_of(ids: list[str]) -> dict[str, int]:
    index: dict[str, int] = {}
    # In parts, as each is one call that lets no other thread run.
    for start in range(0, len(ids), _INDEXED_AT_ONCE):
        part = ids[start : start + _INDEXED_AT_ONCE]
        index.update(zip(part, range(start, start + len(part)), strict=True))
    return index


def _offsets(counts: list[int]) -> IndexArray:
    offsets = np.zeros(len(counts) + 1, np.intp)
    np.cumsum(np.array(counts, np.intp), out=offsets[1:])
    return offsets
