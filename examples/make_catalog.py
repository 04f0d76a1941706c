"""Makes the example catalog from ``films.csv``: the same bytes every time.

Writes two files beside it. ``catalog.jsonl`` is what the server loads: titles with the features
that describe them, each with 4 to 8 artworks, and the rows. ``facts.json`` holds what a page
prints and a drawing needs (name, year, director, setting, emblem, row names).

Why two files: a name or a director is nearly unique to a title, so as a feature it would only add
noise to what is learned from descriptions.

Every film is in the public domain in the United States: published before 1931, or its copyright
lapsed. Run ``python examples/make_catalog.py`` after a change of ``films.csv``.
"""

from __future__ import annotations

import csv
import hashlib
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bandit.types import Artwork, Features, Row, Title
from examples.rows import SHELVES, Film

HERE: Final = Path(__file__).resolve().parent

SUBJECTS: Final = ("face", "couple", "group", "action", "landscape", "object", "typography")
SHOWS_PERSON: Final = frozenset({"face", "couple", "group", "action"})

GENRE_SUBJECTS: Final = {
    "Action": ("action", "action"),
    "Adventure": ("action", "action", "landscape", "group"),
    "Animation": ("object", "landscape", "typography"),
    "Comedy": ("group", "face", "object", "typography"),
    "Crime": ("face", "object", "action"),
    "Documentary": ("landscape", "landscape", "object"),
    "Drama": ("face", "couple", "landscape"),
    "Fantasy": ("landscape", "object", "face"),
    "Film noir": ("face", "couple", "object"),
    "Horror": ("face", "object", "landscape", "typography"),
    "Musical": ("couple", "group", "typography"),
    "Romance": ("couple", "couple", "face"),
    "Science fiction": ("landscape", "object", "group"),
    "Thriller": ("face", "action", "object"),
    "War": ("action", "group", "landscape"),
    "Western": ("action", "landscape", "group"),
}
"""Subjects that a genre's artworks prefer; a subject named twice is twice as likely."""

GENRE_MOODS: Final = {
    "Adventure": ("epic", "bright"),
    "Animation": ("playful", "dreamlike"),
    "Comedy": ("playful", "bright"),
    "Crime": ("tense", "dark"),
    "Documentary": ("bright", "epic"),
    "Drama": ("tender", "dark"),
    "Fantasy": ("dreamlike", "eerie"),
    "Film noir": ("dark", "tense"),
    "Horror": ("eerie", "dark"),
    "Musical": ("bright", "playful"),
    "Romance": ("tender", "dreamlike"),
    "Science fiction": ("dreamlike", "epic"),
    "Thriller": ("tense", "eerie"),
    "War": ("dark", "epic"),
    "Western": ("epic", "tense"),
}

MOOD_PALETTES: Final = {
    "bright": ("amber", "ice", "sepia"),
    "dark": ("noir", "crimson", "midnight"),
    "dreamlike": ("violet", "ice", "midnight"),
    "eerie": ("emerald", "midnight", "violet"),
    "epic": ("amber", "sepia", "crimson"),
    "playful": ("rose", "amber", "ice"),
    "tender": ("rose", "violet", "sepia"),
    "tense": ("crimson", "noir", "emerald"),
}


def slug(text: str) -> str:
    """Turn a name into lower-case ASCII words joined by hyphens.

    >>> slug("Häxan, or: Don't Look!")
    'haxan-or-dont-look'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall(r"[a-z0-9]+", plain.replace("'", "")))


def seeded(*words: str) -> Random:
    """Return a generator that depends on the words alone."""
    return Random(int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:8], "big"))


def pick(random: Random, options: tuple[str, ...]) -> str:
    """Choose one option; uses ``random()`` alone, whose sequence Python promises to keep."""
    return options[int(random.random() * len(options))]


def read_films(path: Path) -> list[Film]:
    """Read the films, in the file's order."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            Film(
                id=f"{slug(line['title'])}-{line['year']}",
                name=line["title"],
                year=int(line["year"]),
                country=line["country"],
                director=line["director"],
                genres=tuple(line["genres"].split(";")),
                minutes=int(line["minutes"]),
                setting=line["setting"],
                emblem=line["emblem"],
            )
            for line in csv.DictReader(lines)
        ]


def _subjects(film: Film, random: Random) -> Iterator[str]:
    """Yield subjects: each once in an order that the genres lead, then preferred ones again."""
    preferred = tuple(subject for genre in film.genres for subject in GENRE_SUBJECTS[genre])
    left = list(SUBJECTS)
    while left:
        subject = pick(random, preferred + SUBJECTS)
        if subject in left:
            left.remove(subject)
            yield subject
    while True:
        yield pick(random, preferred)


def make_artworks(film: Film) -> list[Artwork]:
    """Make a film's 4 to 8 artworks; no two share both subject and palette."""
    random = seeded("artworks", film.id)
    count = 4 + int(random.random() * 5)
    made: dict[str, Artwork] = {}
    for subject in _subjects(film, random):
        hint = pick(random, film.genres)
        mood = pick(random, GENRE_MOODS[hint])
        palette = pick(random, MOOD_PALETTES[mood])
        artwork_id = f"{film.id}.{subject}-{palette}"
        features: Features = {
            "subject": subject,
            "palette": palette,
            "mood": mood,
            "person_shown": "yes" if subject in SHOWS_PERSON else "no",
            "genre_hint": hint,
        }
        made.setdefault(artwork_id, Artwork(artwork_id, features))
        if len(made) == count:
            break
    return list(made.values())


def make_title(film: Film) -> Title:
    """Make the catalog's title: what describes it, and its artworks."""
    features: Features = {
        "genres": list(film.genres),
        "decade": film.decade,
        "country": film.country,
        "hours": round(film.minutes / 60, 2),
    }
    return Title(film.id, make_artworks(film), features)


def make_rows(films: list[Film]) -> list[Row]:
    """Make the rows, each with its first titles in a shuffled order of its own."""
    rows = []
    for shelf in SHELVES:
        members = [film.id for film in films if shelf.takes(film)]
        order = seeded("row", shelf.id)
        members.sort(key=lambda _: order.random())
        rows.append(Row(shelf.id, shelf.features, members[: shelf.titles_max]))
    return rows


def catalog_bytes(films: list[Film]) -> bytes:
    """Write the catalog as JSON Lines: titles first, then rows."""
    encoder = msgspec.json.Encoder()
    lines = [{"kind": "title", **msgspec.to_builtins(make_title(film))} for film in films]
    lines += [{"kind": "row", **msgspec.to_builtins(row)} for row in make_rows(films)]
    return encoder.encode_lines(lines)


def facts_bytes(films: list[Film]) -> bytes:
    """Write what is printed beside a title or above a row, by id."""
    facts = {
        "titles": {film.id: film for film in films},
        "rows": {shelf.id: shelf.name for shelf in SHELVES},
    }
    return msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n"


def main() -> None:
    """Write both files."""
    films = read_films(HERE / "films.csv")
    (HERE / "catalog.jsonl").write_bytes(catalog_bytes(films))
    (HERE / "facts.json").write_bytes(facts_bytes(films))
    artworks = sum(len(make_artworks(film)) for film in films)
    print(f"{len(films)} titles, {artworks} artworks, {len(SHELVES)} rows")


if __name__ == "__main__":
    main()
