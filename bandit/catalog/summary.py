"""How large a catalog is and which features it has, for whoever checks one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from bandit.catalog.documents import CatalogDocument, decoded_bytes, version_of
from bandit.types import Features


class CatalogSummary(NamedTuple):
    """A document in numbers."""

    version: str
    titles: int
    artworks: int
    rows: int
    size_bytes: int
    """As stored."""
    title_features: dict[str, int]
    """Feature name → how many titles have it, most frequent first."""
    artwork_features: dict[str, int]
    """Feature name → how many artworks have it, most frequent first."""
    row_features: dict[str, int]
    """Feature name → how many rows have it, most frequent first."""


def summarise(document: CatalogDocument) -> CatalogSummary:
    """Count what a document holds that came from a decoder, unchanged since."""
    content = decoded_bytes(document)
    artworks = [artwork for title in document.titles for artwork in title.artworks]
    return CatalogSummary(
        version=version_of(content),
        titles=len(document.titles),
        artworks=len(artworks),
        rows=len(document.rows),
        size_bytes=len(content),
        title_features=_count(title.features for title in document.titles),
        artwork_features=_count(artwork.features for artwork in artworks),
        row_features=_count(row.features for row in document.rows),
    )


def _count(items: Iterable[Features]) -> dict[str, int]:
    counts = Counter(name for features in items for name in features)
    return dict(counts.most_common())
