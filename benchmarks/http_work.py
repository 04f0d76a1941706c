"""The work that servers are given over HTTP: whole pages, and decisions of one title.

Both are of one catalog: the standard one, and as many titles again as decisions need with ten
artworks each.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec.structs import replace

from bandit.catalog import CatalogDocument
from bandit.types import Page, Title
from benchmarks.pages import (
    ARTWORK_FEATURES,
    ARTWORKS_A_TITLE,
    CONTEXT_FEATURES,
    ROWS_A_PAGE,
    TITLES_A_PAGE,
    standard_catalog,
    standard_pages,
)

TITLES: Final = 2500
WIDE_TITLES: Final = 200
WIDE_ARTWORKS: Final = 10
FEW_FEATURES: Final = 5
REQUESTS: Final = 64
"""Different bodies that a target rotates over."""

PAGE_WORK: Final = (
    f"{TITLES_A_PAGE} titles × {ARTWORKS_A_TITLE} artworks in {ROWS_A_PAGE} rows, "
    f"{CONTEXT_FEATURES} context features, {ARTWORK_FEATURES} an artwork, catalog of "
    f"{TITLES + WIDE_TITLES:,} titles"
)
DECISION_WORK: Final = (
    f"one title of the catalog with {WIDE_ARTWORKS} artworks of {ARTWORK_FEATURES} features"
)


class Work(NamedTuple):
    """What is asked for."""

    document: CatalogDocument
    pages: list[Page]
    decisions: list[Page]
    """Of one title, with all context features."""
    small_decisions: list[Page]
    """Of one title, with :data:`FEW_FEATURES` context features."""


def standard_work() -> Work:
    """Make the work; equal every time."""
    standard = standard_catalog(TITLES)
    wide = _wide_titles()
    document = CatalogDocument([*standard.titles, *wide], standard.rows)
    # Pages are drawn from the standard titles alone: eight artworks each.
    pages = standard_pages(standard, REQUESTS)
    decisions = [
        replace(page, rows=[], titles=[wide[number].id]) for number, page in enumerate(pages)
    ]
    few = [
        replace(page, context=dict(list(page.context.items())[:FEW_FEATURES])) for page in decisions
    ]
    return Work(document, pages, decisions, few)


def _wide_titles() -> list[Title]:
    made = standard_catalog(WIDE_TITLES, seed=4, artworks_a_title=WIDE_ARTWORKS).titles
    return [replace(title, id=f"wide-{number}") for number, title in enumerate(made)]
