"""Whom one may be on the demo homepage, and what of a context can be changed there.

Names and values are those that the simulated viewers send, so that what was learned from them
carries over. Ids are made so that each person is in the share of viewers that the example's
configuration is to show: hashes decide on shares, and a number behind the name tries again.
"""

from __future__ import annotations

from itertools import count
from typing import Final

import msgspec

from bandit.config.schema import SurfacesConfig
from bandit.sampling import share_of
from bandit.types import Features, Share
from examples.viewer_countries import COUNTRIES
from simulator.environments.viewers import AGE_BANDS, DEVICES, SESSION_MOODS

FAVOURITES_MAX: Final = 2


class DemoViewer(msgspec.Struct, frozen=True):
    """A person to be, with the context of a usual visit; the hour stands for the part of day."""

    id: str
    name: str
    about: str
    hour: int
    context: Features


class Choice(msgspec.Struct, frozen=True):
    """A value of a context feature, with what people call it."""

    value: str
    label: str


class Control(msgspec.Struct, frozen=True):
    """A context feature to change: ``one`` of its values, ``few`` of them, or one by the ``hour``.

    With ``hour`` the values stand in the order of the day, each from its hour in ``hours`` on; the
    last one goes on past midnight.
    """

    name: str
    label: str
    kind: str
    values: list[Choice]
    hours: list[int] = []
    most: int = 1


class _Person(msgspec.Struct, frozen=True):
    """A viewer before the id is found."""

    name: str
    share: Share
    about: str
    hour: int
    device: str
    age_band: str
    mood: str
    country: str
    favourites: list[str]


_PEOPLE: Final = (
    _Person("Ada", "learned", "Dark films on the television, late in the evening",
            21, "tv", "35-49", "thrill", "Germany", ["Horror", "Thriller"]),
    _Person("Bruno", "learned", "Something light on the phone, on the way to work",
            8, "phone", "under-25", "relaxed", "Brazil", ["Animation", "Comedy"]),
    _Person("Chiyo", "learned", "Old love stories on the tablet, past midnight",
            0, "tablet", "50-64", "romantic", "Japan", ["Drama", "Romance"]),
    _Person("Dev", "learned", "Other worlds on the laptop, on a long afternoon",
            15, "laptop", "25-34", "curious", "India", ["Fantasy", "Science fiction"]),
    _Person("Hal", "holdout", "Ada’s habits, but in the holdout: first artworks, fixed order",
            21, "tv", "35-49", "thrill", "Germany", ["Horror", "Thriller"]),
    _Person("Uma", "explore", "Ada’s habits, but in the share that gets everything at random",
            21, "tv", "35-49", "thrill", "Germany", ["Horror", "Thriller"]),
)  # fmt: skip


def demo_viewers(surfaces: SurfacesConfig) -> list[DemoViewer]:
    """Return the people, each with an id of the right share."""
    return [
        DemoViewer(
            id=_id_of(person, surfaces),
            name=person.name,
            about=person.about,
            hour=person.hour,
            context={
                "age_band": person.age_band,
                "device": person.device,
                "mood": person.mood,
                "country": person.country,
                "favourite_genres": list(person.favourites),
            },
        )
        for person in _PEOPLE
    ]


def _id_of(person: _Person, surfaces: SurfacesConfig) -> str:
    artwork = surfaces.artwork
    return next(
        name
        for name in (f"{person.name.lower()}-{number}" for number in count(1))
        if share_of(surfaces.salt, name, artwork.holdout, artwork.explore) == person.share
    )


def controls(genres: list[str]) -> list[Control]:
    """Return what can be changed, in the order of the page."""
    return [
        Control("device", "Device", "one", _choices(DEVICES)),
        Control(
            "part_of_day",
            "Hour",
            "hour",
            _choices(("morning", "afternoon", "evening", "night")),
            hours=[5, 12, 17, 22],
        ),
        Control("country", "Country", "one", _choices(COUNTRIES)),
        Control("mood", "Mood", "one", _choices(SESSION_MOODS)),
        Control("age_band", "Age", "one", _choices(AGE_BANDS)),
        Control("favourite_genres", "Taste", "few", _choices(tuple(genres)), most=FAVOURITES_MAX),
    ]


def _choices(values: tuple[str, ...]) -> list[Choice]:
    return [Choice(value, _label(value)) for value in values]


def _label(value: str) -> str:
    shown = {"tv": "TV", "65-plus": "65+", "under-25": "under 25"}
    return shown.get(value, value.replace("-", "–") if value[0].isdigit() else value)
