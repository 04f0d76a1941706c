"""Catalogs to simulate with: the shipped example, any catalog file, or a synthetic one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from bandit.catalog import CatalogDocument, read_catalog_file
from bandit.types import Artwork, Features, Row, Title
from simulator.errors import MissingDataError
from simulator.streams import CATALOG, stream

EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "catalog.jsonl"
GENRES: Final = 16
SUBJECTS: Final = ("action", "couple", "face", "group", "landscape", "object", "typography")
MOODS: Final = ("bright", "dark", "dreamlike", "eerie", "epic", "playful", "tender", "tense")
PALETTES: Final = ("amber", "emerald", "midnight", "rose", "sepia", "violet")
ROWS_A_GENRE: Final = 2
"""Rows of a synthetic catalog, per genre: each has about half of the genre's titles."""


def example_document() -> CatalogDocument:
    """Return the catalog of public-domain films that the project ships.

    Raises:
        MissingDataError: the project is installed without its examples.
    """
    return document_at(EXAMPLE)


def document_at(path: Path) -> CatalogDocument:
    """Read a catalog file.

    Raises:
        MissingDataError: there is none.
        CatalogError: it is no catalog.
    """
    if not path.is_file():
        raise MissingDataError(
            f"there is no catalog at {path}",
            hint="give the path of a catalog file, or titles and artworks for a synthetic one",
        )
    return read_catalog_file(path)


def synthetic_document(titles: int, artworks: int, seed: int = 0) -> CatalogDocument:
    """Make a catalog of so many titles, each with so many artworks, and two rows a genre.

    A title has one to three genres; an artwork hints at one of them or, one time in four, at
    any other.
    """
    random = stream(seed, CATALOG)
    genres = [f"genre-{index:02d}" for index in range(GENRES)]
    made = [_title(index, artworks, genres, random) for index in range(titles)]
    rows = []
    for genre in genres:
        own = [title.id for title in made if genre in _genres(title)]
        for half in range(ROWS_A_GENRE):
            mood = MOODS[int(random.integers(len(MOODS)))]
            features: Features = {"kind": "genre", "genre": genre, "mood": mood}
            rows.append(Row(f"{genre}-{half}", features, own[half::ROWS_A_GENRE]))
    return CatalogDocument(made, rows)


def _title(index: int, artworks: int, genres: list[str], random: np.random.Generator) -> Title:
    own = random.choice(genres, int(random.integers(1, 4)), replace=False).tolist()
    images = []
    for place in range(artworks):
        hints = own if random.random() < 0.75 else genres
        features: Features = {
            "subject": SUBJECTS[int(random.integers(len(SUBJECTS)))],
            "mood": MOODS[int(random.integers(len(MOODS)))],
            "palette": PALETTES[int(random.integers(len(PALETTES)))],
            "genre_hint": str(hints[int(random.integers(len(hints)))]),
        }
        images.append(Artwork(f"a{place}", features))
    hours = round(float(random.uniform(0.4, 2.6)), 2)
    return Title(f"t{index:05d}", images, {"genres": own, "hours": hours})


def _genres(title: Title) -> list[str]:
    genres = title.features["genres"]
    return [str(genre) for genre in genres] if isinstance(genres, list) else [str(genres)]
