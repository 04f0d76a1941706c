"""The shelves of the example catalog: what each is called and which films stand on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from bandit.types import Features

TITLES_MAX: Final = 18


class Film(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``films.csv``; ``setting`` and ``emblem`` only steer the drawings."""

    id: str
    name: str
    year: int
    country: str
    director: str
    genres: tuple[str, ...]
    minutes: int
    setting: str
    emblem: str

    @property
    def decade(self) -> str:
        """The decade of its release, such as ``1920s``."""
        return f"{self.year // 10 * 10}s"


class Shelf(NamedTuple):
    """A row and the rule by which films come to stand on it."""

    id: str
    name: str
    features: Features
    takes: Callable[[Film], bool]
    titles_max: int = TITLES_MAX


def _genre(shelf_id: str, name: str, genre: str, mood: str) -> Shelf:
    features: Features = {"kind": "genre", "genre": genre, "mood": mood}
    return Shelf(shelf_id, name, features, lambda film: genre in film.genres)


def _director(shelf_id: str, director: str, genre: str, mood: str) -> Shelf:
    features: Features = {"kind": "director", "genre": genre, "mood": mood}
    return Shelf(
        shelf_id, f"Directed by {director}", features, lambda film: film.director == director
    )


SHELVES: Final = (
    Shelf(
        "the-1920s",
        "The roaring 1920s",
        {"kind": "decade", "decade": "1920s", "genre": "any", "mood": "epic"},
        lambda film: film.decade == "1920s",
    ),
    Shelf(
        "silent-comedy",
        "Silent comedy",
        {"kind": "genre", "genre": "Comedy", "mood": "playful", "decade": "1920s"},
        lambda film: "Comedy" in film.genres and film.year < 1929,
    ),
    _genre("drama", "Great dramas", "Drama", "tender"),
    _genre("adventure", "Swords, sails and deserts", "Adventure", "epic"),
    Shelf(
        "epics",
        "Two hours and more",
        {"kind": "length", "length": "long", "genre": "any", "mood": "epic"},
        lambda film: film.minutes >= 120,
    ),
    _genre("horror", "Horror after dark", "Horror", "eerie"),
    _genre("romance", "Love stories", "Romance", "tender"),
    Shelf(
        "european-classics",
        "European classics",
        {"kind": "country", "genre": "Drama", "mood": "dreamlike", "decade": "1920s"},
        lambda film: film.country not in ("United States", "Japan", "Soviet Union"),
    ),
    Shelf(
        "under-80-minutes",
        "Under 80 minutes",
        {"kind": "length", "length": "short", "genre": "any", "mood": "bright"},
        lambda film: 40 <= film.minutes < 80,
    ),
    _genre("westerns", "Westerns", "Western", "epic"),
    Shelf(
        "film-noir",
        "Film noir and crime",
        {"kind": "genre", "genre": "Film noir", "mood": "dark", "decade": "1940s"},
        lambda film: "Film noir" in film.genres or "Crime" in film.genres,
    ),
    _genre("science-fiction", "Other worlds: science fiction", "Science fiction", "dreamlike"),
    _director("by-buster-keaton", "Buster Keaton", "Comedy", "playful"),
    Shelf(
        "short-films",
        "Short films",
        {"kind": "length", "length": "very short", "genre": "Comedy", "mood": "playful"},
        lambda film: film.minutes < 40,
    ),
    Shelf(
        "soviet-classics",
        "Soviet classics",
        {"kind": "country", "genre": "Drama", "mood": "tense", "decade": "1920s"},
        lambda film: film.country == "Soviet Union",
    ),
    _director("by-charlie-chaplin", "Charlie Chaplin", "Comedy", "playful"),
    Shelf(
        "golden-age",
        "Hollywood's golden age",
        {"kind": "decade", "decade": "1940s", "genre": "any", "mood": "bright"},
        lambda film: 1930 <= film.year < 1954,
    ),
    _genre("war", "War and those it leaves behind", "War", "dark"),
    Shelf(
        "midnight-movies",
        "Midnight movies",
        {"kind": "collection", "genre": "Horror", "mood": "eerie", "decade": "1950s"},
        lambda film: film.year >= 1958 and bool({"Horror", "Thriller"} & set(film.genres)),
    ),
    _director("by-fritz-lang", "Fritz Lang", "Science fiction", "tense"),
    _genre("thrillers", "Edge of the seat", "Thriller", "tense"),
    Shelf(
        "song-and-drawing",
        "Musicals and animation",
        {"kind": "genre", "genre": "Musical", "mood": "playful"},
        lambda film: bool({"Musical", "Animation"} & set(film.genres)),
    ),
    Shelf(
        "dreams-and-legends",
        "Dreams and legends",
        {"kind": "genre", "genre": "Fantasy", "mood": "dreamlike"},
        lambda film: "Fantasy" in film.genres,
    ),
    Shelf(
        "real-life",
        "Real life, filmed",
        {"kind": "genre", "genre": "Documentary", "mood": "bright"},
        lambda film: "Documentary" in film.genres,
    ),
)
