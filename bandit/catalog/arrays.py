"""What is served from: one catalog version as arrays, immutable, swapped as a whole.

The identity of an artwork is always ``title/artwork``: artwork ids need to be unique within their
title only, and equal ones of different titles must not share a weight.

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
from bandit.features import ARTWORK, ROW, TITLE, FeatureMatrix
from bandit.sampling import item_keys
from bandit.types import IndexArray, KeyArray

EMPTY_VERSION: Final = "empty"
"""The version of the catalog of a service that has none."""

INLINE_VERSION: Final = "inline"
"""The version of a catalog built from the titles of one request."""


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """One version of T titles, M artworks and R rows."""

    version: str
    title_ids: list[str]
    """T ids."""
    artwork_ids: list[str]
    """M ids, title after title."""
    row_ids: list[str]
    """R ids."""
    artwork_offsets: IndexArray
    """Shape (T + 1,): title t has the artworks [offsets[t], offsets[t + 1])."""
    artwork_features: FeatureMatrix
    """Shape (M, F), namespace ``artwork``."""
    artwork_identity: FeatureMatrix
    """Shape (M, 1), namespace ``id``."""
    title_features: FeatureMatrix
    """Shape (T, F), namespace ``title``."""
    row_features: FeatureMatrix
    """Shape (R, F), namespace ``row``."""
    row_identity: FeatureMatrix
    """Shape (R, 1), namespace ``id``."""
    title_keys: KeyArray
    """Shape (T,): sampling keys."""
    row_keys: KeyArray
    """Shape (R,): sampling keys."""
    _title_index: Mapping[str, int]
    _row_index: Mapping[str, int]

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
        # Equal ids of different titles' artworks become one object: most catalogs number them.
        shared: dict[str, str] = {}
        return cls(
            version=content_version(document) if version is None else version,
            title_ids=title_ids,
            artwork_ids=[shared.setdefault(artwork.id, artwork.id) for artwork in artworks],
            row_ids=row_ids,
            artwork_offsets=_offsets([len(title.artworks) for title in titles]),
            artwork_features=encode_many(ARTWORK, [artwork.features for artwork in artworks]),
            artwork_identity=encode_identities(
                [identity(title.id, artwork.id) for title in titles for artwork in title.artworks]
            ),
            title_features=encode_many(TITLE, [title.features for title in titles]),
            row_features=encode_many(ROW, [row.features for row in rows]),
            row_identity=encode_identities(row_ids),
            title_keys=item_keys(title_ids),
            row_keys=item_keys(row_ids),
            _title_index={title_id: index for index, title_id in enumerate(title_ids)},
            _row_index={row_id: index for index, row_id in enumerate(row_ids)},
        )

    def title_index(self, title_id: str) -> int | None:
        """Return the index of a title, None if it is not in this version."""
        return self._title_index.get(title_id)

    def row_index(self, row_id: str) -> int | None:
        """Return the index of a row, None if it is not in this version."""
        return self._row_index.get(row_id)

    def find_artwork(self, title_index: int, artwork_id: str) -> int | None:
        """Return the index of a title's artwork among all artworks, None if it has no such."""
        start, end = self.artwork_offsets[title_index : title_index + 2].tolist()
        try:
            return self.artwork_ids.index(artwork_id, start, end)
        except ValueError:
            return None


def identity(title_id: str, artwork_id: str) -> str:
    """Return the name under which an artwork is learned as itself."""
    return f"{title_id}/{artwork_id}"


def empty_catalog() -> Catalog:
    """Return the catalog of a service that has none: every title comes with its request."""
    return Catalog.build(CatalogDocument([]), version=EMPTY_VERSION)


def _offsets(counts: list[int]) -> IndexArray:
    offsets = np.zeros(len(counts) + 1, np.intp)
    np.cumsum(np.array(counts, np.intp), out=offsets[1:])
    return offsets
