"""The standard work: 240 titles × 8 artworks in 40 rows, 20 context features, 10 an artwork."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bandit.catalog import CatalogDocument
from bandit.types import Artwork, Features, Page, PageRow, Row, Title

TITLES_A_PAGE = 240
ROWS_A_PAGE = 40
ARTWORKS_A_TITLE = 8
CONTEXT_FEATURES = 20
ARTWORK_FEATURES = 10


def standard_catalog(
    titles: int,
    seed: int = 0,
    *,
    artworks_a_title: int = ARTWORKS_A_TITLE,
    artwork_features: int = ARTWORK_FEATURES,
) -> CatalogDocument:
    """Make a catalog of ``titles`` titles with eight artworks each, and forty rows."""
    random = np.random.default_rng(seed)
    made = [
        Title(
            title_name(index),
            [
                Artwork(f"art-{place}", features_of_artwork(random, artwork_features))
                for place in range(artworks_a_title)
            ],
            title_features(index),
        )
        for index in range(titles)
    ]
    return CatalogDocument(made, standard_rows())


def title_name(index: int) -> str:
    """Return the id of a title."""
    return f"title-{index}"


def title_features(index: int) -> Features:
    """Make the features of a title."""
    return {"genre": f"genre-{index % 23}", "decade": f"{1920 + 10 * (index % 10)}s"}


def standard_rows() -> list[Row]:
    """Make the forty rows."""
    return [
        Row(f"row-{index}", {"kind": f"kind-{index % 7}", "genre": f"genre-{index % 11}"})
        for index in range(ROWS_A_PAGE)
    ]


def features_of_artwork(random: np.random.Generator, count: int = ARTWORK_FEATURES) -> Features:
    """Make the features of an artwork: two numbers, the others categories of eight values."""
    features: Features = {
        f"kind{place}": f"value-{random.integers(8)}" for place in range(count - 2)
    }
    features["brightness"] = round(float(random.uniform(0.1, 1)), 3)
    features["contrast"] = round(float(random.uniform(0.1, 1)), 3)
    return features


def context(random: np.random.Generator, count: int = CONTEXT_FEATURES) -> Features:
    """Make the context of one request: half categories, half numbers."""
    features: Features = {
        f"category{place}": f"value-{random.integers(12)}" for place in range(count // 2)
    }
    for place in range(count - count // 2):
        features[f"number{place}"] = round(float(random.uniform(0.1, 1)), 3)
    return features


def standard_pages(
    document: CatalogDocument,
    count: int,
    seed: int = 1,
    *,
    titles: int = TITLES_A_PAGE,
    context_features: int = CONTEXT_FEATURES,
) -> list[Page]:
    """Make pages of 240 distinct titles in forty rows, each with a viewer and a context."""
    names = [title.id for title in document.titles]
    return pages_of(names, count, seed, titles=titles, context_features=context_features)


def pages_of(
    names: Sequence[str],
    count: int,
    seed: int = 1,
    *,
    titles: int = TITLES_A_PAGE,
    context_features: int = CONTEXT_FEATURES,
) -> list[Page]:
    """Make pages of titles with these names; fewer than forty titles stand in a row each."""
    random = np.random.default_rng(seed)
    rows = standard_rows()[:titles]
    pages = []
    for number in range(count):
        picked = random.choice(len(names), titles, replace=False)
        shelves = [
            PageRow(row.id, titles=[names[title] for title in shelf])
            for row, shelf in zip(rows, np.array_split(picked, len(rows)), strict=True)
        ]
        asked = context(random, context_features)
        pages.append(Page(viewer_id=f"viewer-{number}", context=asked, rows=shelves))
    return pages
