"""The pages that are asked for: rows in editorial order, each with titles, none of them twice.

An upstream recommender has put titles on rows; a few hundred such pages are made beforehand, and
each visit asks for one of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bandit.catalog import CatalogDocument
from bandit.types import BoolArray
from simulator.errors import SimulationError
from simulator.pages import Codes


class Templates(NamedTuple):
    """K pages of R rows with up to C titles."""

    rows: Codes
    """Shape (K, R): rows of the document, in its order."""
    titles: Codes
    """Shape (K, R, C): -1 behind a row's last title."""
    lengths: Codes
    """Shape (K, R): titles of each row."""


def make_templates(
    document: CatalogDocument,
    offered: BoolArray,
    count: int,
    shape: tuple[int, int],
    random: np.random.Generator,
) -> Templates:
    """Make pages of the shape (rows, columns) from titles that are offered, shape (titles,).

    Raises:
        SimulationError: the document has too few rows or titles.
    """
    index = {title.id: place for place, title in enumerate(document.titles)}
    shelves = [np.array([index[name] for name in row.titles], np.int32) for row in document.rows]
    shelves = [shelf[offered[shelf]] for shelf in shelves]
    filled = [place for place, shelf in enumerate(shelves) if len(shelf)]
    if len(filled) < shape[0]:
        raise SimulationError(
            f"a page is to have {shape[0]} rows; {len(filled)} rows of the catalog have titles",
            hint="ask for fewer rows, or simulate a catalog with more of them",
        )
    rows = np.empty((count, shape[0]), np.int32)
    titles = np.full((count, *shape), -1, np.int32)
    for page in range(count):
        rows[page] = np.sort(random.choice(filled, shape[0], replace=False))
        _fill(titles[page], [shelves[row] for row in rows[page].tolist()], random)
    return Templates(rows, titles, (titles >= 0).sum(axis=2).astype(np.int32))


def _fill(page: Codes, shelves: list[Codes], random: np.random.Generator) -> None:
    """Put titles on one page's rows: one a row in turn, rows with few titles first.

    Raises:
        SimulationError: nothing is left for some row.
    """
    orders = [random.permutation(shelf).tolist() for shelf in shelves]
    by_size = sorted(range(len(shelves)), key=lambda row: len(orders[row]))
    used: set[int] = set()
    for column in range(page.shape[1]):
        for row in by_size:
            left = orders[row]
            while left and left[-1] in used:
                left.pop()
            if left:
                title = left.pop()
                used.add(title)
                page[row, column] = title
            elif column == 0:
                raise SimulationError(
                    "the titles of a page's rows are all on its other rows",
                    hint="ask for fewer rows, or simulate a catalog with more titles",
                )
