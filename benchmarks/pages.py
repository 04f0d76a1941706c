"""The standard work: 240 titles × 8 artworks in 40 rows, 20 context features, 10 an artwork."""

from __future__ import annotations

import numpy as np

from bandit.catalog import CatalogDocument
from bandit.types import Artwork, Features, Page, PageRow, Row, Title

TITLES_A_PAGE = 240
ROWS_A_PAGE = 40
ARTWORKS_A_TITLE = 8
CONTEXT_FEATURES = 20
ARTWORK_FEATURES = 10


def standard_catalog(titles: int, seed: int = 0) -> CatalogDocument:
    """Make a catalog of ``titles`` titles with eight artworks each, and forty rows."""
    random = np.random.default_rng(seed)
    made = [_title(index, random) for index in range(titles)]
    rows = [
        Row(f"row-{index}", {"kind": f"kind-{index % 7}", "genre": f"genre-{index % 11}"})
        for index in range(ROWS_A_PAGE)
    ]
    return CatalogDocument(made, rows)


def _title(index: int, random: np.random.Generator) -> Title:
    artworks = [
        Artwork(f"art-{place}", _artwork_features(random)) for place in range(ARTWORKS_A_TITLE)
    ]
    features: Features = {"genre": f"genre-{index % 23}", "decade": f"{1920 + 10 * (index % 10)}s"}
    return Title(f"title-{index}", artworks, features)


def _artwork_features(random: np.random.Generator) -> Features:
    features: Features = {
        f"kind{place}": f"value-{random.integers(8)}" for place in range(ARTWORK_FEATURES - 2)
    }
    features["brightness"] = round(float(random.uniform(0.1, 1)), 3)
    features["contrast"] = round(float(random.uniform(0.1, 1)), 3)
    return features


def context(random: np.random.Generator) -> Features:
    """Make the context of one request: half categories, half numbers."""
    features: Features = {
        f"category{place}": f"value-{random.integers(12)}" for place in range(CONTEXT_FEATURES // 2)
    }
    for place in range(CONTEXT_FEATURES - CONTEXT_FEATURES // 2):
        features[f"number{place}"] = round(float(random.uniform(0.1, 1)), 3)
    return features


def standard_pages(document: CatalogDocument, count: int, seed: int = 1) -> list[Page]:
    """Make pages of 240 distinct titles in forty rows, each with a viewer and a context."""
    random = np.random.default_rng(seed)
    names = [title.id for title in document.titles]
    shelf = TITLES_A_PAGE // ROWS_A_PAGE
    pages = []
    for number in range(count):
        picked = random.choice(len(names), TITLES_A_PAGE, replace=False)
        rows = [
            PageRow(
                row.id,
                titles=[names[title] for title in picked[place * shelf : (place + 1) * shelf]],
            )
            for place, row in enumerate(document.rows)
        ]
        pages.append(Page(viewer_id=f"viewer-{number}", context=context(random), rows=rows))
    return pages
