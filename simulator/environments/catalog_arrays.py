"""What viewers feel about a catalog, as arrays: traits of artworks, genres of titles, rows' values.

Any catalog document will do whose titles have ``genres`` and whose artworks have the four traits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from bandit.catalog import CatalogDocument
from bandit.types import Features, Float32Array, FloatArray, IndexArray, Row, Title
from simulator.errors import SimulationError

TRAITS: Final = ("subject", "mood", "palette", "genre_hint")
DEFAULT_MINUTES: Final = 90.0

Columns = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CatalogArrays:
    """T titles, A artworks (title after title), R rows, G genres.

    A taste is a vector: first one number a genre, then one a value of each trait.
    """

    offsets: IndexArray
    """Shape (T + 1,): title t has the artworks ``offsets[t]`` to ``offsets[t + 1] - 1``."""
    genres: list[str]
    title_genres: Columns
    """Shape (T, most genres of a title): columns of a taste."""
    title_weights: Float32Array
    """Shape (T, most genres of a title): 1 / √(genres of the title), 0 past its last."""
    minutes: FloatArray
    """Shape (T,): length."""
    trait_values: dict[str, list[str]]
    artwork_traits: Columns
    """Shape (A, 4): columns of a taste."""
    row_values: FloatArray
    """Shape (R, values): which of the rows' feature values each row has."""

    @classmethod
    def of(cls, document: CatalogDocument) -> CatalogArrays:
        """Read a document.

        Raises:
            SimulationError: a title has no genres, or an artwork lacks a trait.
        """
        titles = document.titles
        artworks = [artwork.features for title in titles for artwork in title.artworks]
        genres = sorted({genre for title in titles for genre in genres_of(title)})
        values = {trait: _values(artworks, trait) for trait in TRAITS}
        counts = [len(title.artworks) for title in titles]
        columns, weights = _genre_columns(titles, genres)
        return cls(
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.intp),
            genres=genres,
            title_genres=columns,
            title_weights=weights,
            minutes=np.array([_minutes(title) for title in titles]),
            trait_values=values,
            artwork_traits=_trait_columns(artworks, values, len(genres)),
            row_values=_row_values(document.rows),
        )

    @property
    def artwork_counts(self) -> IndexArray:
        """Shape (T,): how many artworks each title has."""
        return np.diff(self.offsets)

    def title_of(self) -> IndexArray:
        """Return (A,): the title of each artwork."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.artwork_counts)


def genres_of(title: Title) -> list[str]:
    """Return a title's genres.

    Raises:
        SimulationError: it has none.
    """
    genres = title.features.get("genres")
    if isinstance(genres, list) and genres:
        return [str(genre) for genre in genres]
    if isinstance(genres, str):
        return [genres]
    raise SimulationError(
        f"title {title.id!r} has no feature 'genres'",
        hint="give every title of the catalog its genres, or simulate a synthetic catalog",
    )


def _minutes(title: Title) -> float:
    hours = title.features.get("hours")
    return 60.0 * hours if isinstance(hours, (int, float)) and hours > 0 else DEFAULT_MINUTES


def _values(artworks: list[Features], trait: str) -> list[str]:
    for features in artworks:
        if trait not in features:
            raise SimulationError(
                f"an artwork of the catalog has no feature {trait!r}",
                hint=f"give every artwork {', '.join(TRAITS)}, or simulate a synthetic catalog",
            )
    return sorted({str(features[trait]) for features in artworks})


def _genre_columns(titles: list[Title], genres: list[str]) -> tuple[Columns, Float32Array]:
    place = {genre: index for index, genre in enumerate(genres)}
    most = max(len(genres_of(title)) for title in titles)
    columns = np.zeros((len(titles), most), np.int64)
    weights = np.zeros((len(titles), most), np.float32)
    for index, title in enumerate(titles):
        own = [place[genre] for genre in genres_of(title)]
        columns[index, : len(own)] = own
        weights[index, : len(own)] = 1 / np.sqrt(len(own))
    return columns, weights


def _trait_columns(artworks: list[Features], values: dict[str, list[str]], first: int) -> Columns:
    columns = np.zeros((len(artworks), len(TRAITS)), np.int64)
    for place, trait in enumerate(TRAITS):
        column = {value: first + index for index, value in enumerate(values[trait])}
        columns[:, place] = [column[str(features[trait])] for features in artworks]
        first += len(column)
    return columns


def _row_values(rows: list[Row]) -> FloatArray:
    """Return (R, values): a row without features has its id for a value."""
    named = [
        [f"{name}={value}" for name, value in row.features.items()] or [row.id] for row in rows
    ]
    place = {value: index for index, value in enumerate(sorted({v for row in named for v in row}))}
    table = np.zeros((len(rows), len(place)))
    for index, values in enumerate(named):
        table[index, [place[value] for value in values]] = 1 / np.sqrt(len(values))
    return table
