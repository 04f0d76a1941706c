"""A large real catalog: 8,807 titles of a streaming service in its 42 categories.

The facts of each title (type, country, year, rating, length, categories) come from
``shared/data/netflix_titles/titles.csv`` beside the repository. The data has no artwork: eight a
title are made from its facts by hash, so that what an image shows goes with what the title is.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bandit.catalog import CatalogDocument
from bandit.types import Artwork, Features, Row, Title

TITLES_CSV: Final = (
    Path(__file__).resolve().parents[2] / "shared" / "data" / "netflix_titles" / "titles.csv"
)
ARTWORKS_PER_TITLE: Final = 8

Fact = Mapping[str, str]

_SUBJECTS: Final = ("face", "couple", "group", "action", "landscape", "object", "typography")
_PALETTES: Final = ("warm", "cold", "dark", "bright", "pastel", "monochrome")
_MOODS: Final = ("tense", "funny", "romantic", "calm", "sad", "epic", "playful")
_PEOPLE: Final = frozenset({"face", "couple", "group"})

# Part of a category's name → the subject, palette and mood its artworks show twice as often.
_LEANINGS: Final = (
    ("Action", ("action", "dark", "epic")),
    ("Anime", ("action", "bright", "playful")),
    ("Comed", ("group", "bright", "funny")),
    ("Children", ("group", "pastel", "playful")),
    ("Kids", ("group", "pastel", "playful")),
    ("Crime", ("face", "dark", "tense")),
    ("Docu", ("object", "cold", "calm")),
    ("Drama", ("face", "warm", "sad")),
    ("Horror", ("object", "dark", "tense")),
    ("International", ("landscape", "warm", "calm")),
    ("Music", ("face", "bright", "epic")),
    ("Nature", ("landscape", "cold", "calm")),
    ("Romantic", ("couple", "warm", "romantic")),
    ("Sci-Fi", ("landscape", "cold", "epic")),
    ("Sports", ("action", "bright", "epic")),
    ("Thriller", ("face", "dark", "tense")),
)


def real_catalog(source: Path = TITLES_CSV) -> CatalogDocument:
    """Build the catalog; equal input gives an equal one.

    Raises:
        FileNotFoundError: the data is not there.
    """
    with source.open(encoding="utf-8", newline="") as file:
        facts = list(csv.DictReader(file))
    members: dict[str, list[str]] = {}
    for fact in facts:
        for category in _categories(fact):
            members.setdefault(category, []).append(fact["show_id"])
    return CatalogDocument(
        [_title(fact) for fact in facts],
        [_row(category, members[category]) for category in sorted(members)],
    )


def row_id(category: str) -> str:
    """Return the id of a category's row.

    >>> row_id("Children & Family Movies")
    'children-family-movies'
    """
    return re.sub("[^a-z0-9]+", "-", category.lower()).strip("-")


def _categories(fact: Fact) -> list[str]:
    return fact["listed_in"].split(", ")


def _row(category: str, titles: list[str]) -> Row:
    series = any(word in category for word in ("TV", "Series", "Docuseries"))
    features: Features = {"category": category, "kind": "series" if series else "film"}
    return Row(row_id(category), features, titles)


def _title(fact: Fact) -> Title:
    features: Features = {
        "kind": "film" if fact["type"] == "Movie" else "series",
        "decades_since_1900": (int(fact["release_year"]) - 1900) / 10,
        "category": list(_categories(fact)),
    }
    countries = [name.strip() for name in fact["country"].split(",") if name.strip()]
    if countries:
        features["country"] = list(countries)
    # Three rows of the source hold their length in the rating's column.
    swapped = fact["rating"].endswith(" min")
    if fact["rating"] and not swapped:
        features["rating"] = fact["rating"]
    length, unit = (fact["rating"] if swapped else fact["duration"]).split(" ")
    features["hours" if unit == "min" else "seasons"] = (
        int(length) / 60 if unit == "min" else int(length)
    )
    return Title(fact["show_id"], _artworks(fact), features)


def _artworks(fact: Fact) -> list[Artwork]:
    leanings = [
        leaning for category in _categories(fact) for word, leaning in _LEANINGS if word in category
    ]
    subjects, palettes, moods = (
        (*choices, *(leaning[place] for leaning in leanings for _ in range(2)))
        for place, choices in enumerate((_SUBJECTS, _PALETTES, _MOODS))
    )
    artworks = []
    for number in range(1, ARTWORKS_PER_TITLE + 1):
        key = f"{fact['show_id']} {number} {fact['type']} {fact['rating']}"
        subject = _pick(subjects, f"subject {key}")
        artworks.append(
            Artwork(
                f"a{number}",
                {
                    "subject": subject,
                    "palette": _pick(palettes, f"palette {key}"),
                    "mood": _pick(moods, f"mood {key}"),
                    "person": float(subject in _PEOPLE),
                },
            )
        )
    return artworks


def _pick(choices: Sequence[str], key: str) -> str:
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return choices[int.from_bytes(digest, "big") % len(choices)]
