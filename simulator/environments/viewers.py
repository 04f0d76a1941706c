"""The viewers: what they like, and what of it a context tells.

A viewer has tastes for genres, for what an artwork shows (its subject, mood and palette, and the
genre it hints at) and for rows. Most of a taste follows from what the context tells (age band,
device, part of day, session mood, favourite genres), the rest is the viewer's own and stays
hidden. Each artwork has also a quality of its own that everybody feels, each title a popularity.

On seeing a title, the log-odds of playing it are

    base + title appeal (taste for its genres, popularity) + artwork appeal + row affinity.

Tastes may drift: what people of a group have in common turns, from the run's start to its end,
towards another draw of the same distribution, so that its spread stays as it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import numpy as np

from bandit.types import Features, Float32Array, FloatArray, IndexArray
from simulator.environments.catalog_arrays import TRAITS, CatalogArrays
from simulator.pages import Codes
from simulator.streams import WORLD, stream

AGE_BANDS: Final = ("under-25", "25-34", "35-49", "50-64", "65-plus")
DEVICES: Final = ("tv", "phone", "tablet", "laptop")
PARTS_OF_DAY: Final = ("morning", "afternoon", "evening", "night")
SESSION_MOODS: Final = ("relaxed", "thrill", "romantic", "curious")
GROUPS: Final = {
    "age_band": AGE_BANDS,
    "device": DEVICES,
    "part_of_day": PARTS_OF_DAY,
    "mood": SESSION_MOODS,
}
FAVOURITES: Final = 2
"""How many favourite genres a viewer names."""
MEMBERSHIPS: Final = len(GROUPS) + FAVOURITES
"""How many groups a visit belongs to."""
ON_MAIN_DEVICE: Final = 0.7

BASE_LOG_ODDS: Final = -3.75
TRAIT_WEIGHTS: Final = {"subject": 0.62, "mood": 0.36, "palette": 0.2, "genre_hint": 0.3}
"""Standard deviation that each trait of an artwork gives to its appeal, before the private part."""
ROW_WEIGHT: Final = 0.3
"""Standard deviation of the affinity for rows, before the private part."""
PRIVATE_SHARE: Final = 0.3
"""Part of each taste that no context tells, as a share of its standard deviation."""
QUALITY_SD: Final = 0.22
TITLE_TASTE: Final = 0.75
POPULARITY_SD: Final = 0.35
GROUP_GENRE_SD: Final = 0.5


Real = TypeVar("Real", FloatArray, Float32Array)


class Visits(NamedTuple):
    """Who opens the homepage, and what the context tells of it; m visits."""

    viewers: IndexArray
    """Shape (m,)."""
    groups: Codes
    """Shape (m, MEMBERSHIPS): columns of the context that are 1, rising."""


class Cards(NamedTuple):
    """Titles on pages; arrays of shapes that broadcast to one."""

    page: IndexArray
    """Index into the batch."""
    row: Codes
    """Row of the document."""
    title: Codes
    artwork: IndexArray
    """Number of the artwork, over all titles."""


class Appeal(NamedTuple):
    """What is felt on seeing cards, in log-odds; float32 arrays that broadcast to one shape."""

    title: Float32Array
    artwork: Float32Array
    row: Float32Array

    def chance(self) -> Float32Array:
        """Return P(play | seen)."""
        odds = self.title + self.artwork + self.row + np.float32(BASE_LOG_ODDS)
        return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def context_names(genres: list[str]) -> tuple[str, ...]:
    """Return what the columns of contexts are."""
    told = [f"{name}={value}" for name, values in GROUPS.items() for value in values]
    return (*told, *(f"favourite_genres={genre}" for genre in genres))


def context_features(groups: IndexArray, genres: list[str]) -> Features:
    """Return a visit's context by name, from the columns that are 1."""
    features: Features = {}
    first = 0
    for place, (name, values) in enumerate(GROUPS.items()):
        features[name] = values[int(groups[place]) - first]
        first += len(values)
    features["favourite_genres"] = [genres[int(at) - first] for at in groups[len(GROUPS) :]]
    return features


class Population:
    """``size`` viewers of one catalog, all drawn from ``seed``."""

    def __init__(self, catalog: CatalogArrays, size: int, seed: int, drift: float = 0.0) -> None:
        self.catalog = catalog
        self.size = size
        self._drift = drift
        random = stream(seed, WORLD)
        artworks, titles = len(catalog.artwork_traits), len(catalog.title_genres)
        self.quality = random.normal(0, QUALITY_SD, artworks).astype(np.float32)
        self.popularity = random.normal(0, POPULARITY_SD, titles).astype(np.float32)
        self._start = self._group_tastes(random)
        self._end = self._group_tastes(random) if drift else self._start
        self._draw_viewers(random)

    def _group_tastes(self, random: np.random.Generator) -> Float32Array:
        """Draw (groups, taste): what people have in common who share a group."""
        genres = len(self.catalog.genres)
        told = sum(map(len, GROUPS.values()))
        groups = told + genres
        for_genres = random.normal(0, GROUP_GENRE_SD, (groups, genres))
        # A favourite follows from the viewer's own taste, and adds nothing to it.
        for_genres[told:] = 0
        # Independent unit parts: dividing by the root of their number keeps unit variance.
        scale = 1 / np.sqrt(MEMBERSHIPS)
        for_traits = [
            TRAIT_WEIGHTS[trait]
            * scale
            * _standard(random.normal(0, 1, (groups, len(self.catalog.trait_values[trait]))))
            for trait in TRAITS
        ]
        values = self.catalog.row_values
        by_value = random.normal(0, 1, (groups, values.shape[1]))
        for_rows = ROW_WEIGHT * scale * _standard(by_value @ values.T)
        return np.hstack([for_genres, *for_traits, for_rows]).astype(np.float32)

    def _draw_viewers(self, random: np.random.Generator) -> None:
        genres = len(self.catalog.genres)
        self._age_band = random.integers(0, len(AGE_BANDS), self.size)
        self._main_device = random.integers(0, len(DEVICES), self.size)
        own = random.normal(0, 1, (self.size, genres))
        known = own + self._start[self._age_band, :genres]
        self._favourites = np.sort(np.argsort(-known, axis=1)[:, :FAVOURITES], axis=1)
        weights = np.concatenate(
            [
                *(np.full(len(self.catalog.trait_values[t]), TRAIT_WEIGHTS[t]) for t in TRAITS),
                np.full(len(self.catalog.row_values), ROW_WEIGHT),
            ]
        )
        private = random.normal(0, 1, (self.size, len(weights))) * (PRIVATE_SHARE * weights)
        self._own = np.hstack([own, private]).astype(np.float32)

    def visits(self, count: int, random: np.random.Generator) -> Visits:
        """Draw who comes, on which device, when, and in what mood."""
        viewers = random.integers(0, self.size, count)
        main = self._main_device[viewers]
        other = random.integers(0, len(DEVICES), count)
        groups = np.empty((count, MEMBERSHIPS), np.int32)
        groups[:, 0] = self._age_band[viewers]
        groups[:, 1] = np.where(random.random(count) < ON_MAIN_DEVICE, main, other)
        groups[:, 2] = random.integers(0, len(PARTS_OF_DAY), count)
        groups[:, 3] = random.integers(0, len(SESSION_MOODS), count)
        groups[:, len(GROUPS) :] = self._favourites[viewers]
        sizes = [len(values) for values in GROUPS.values()]
        groups += np.repeat(np.cumsum([0, *sizes]), [1] * len(sizes) + [FAVOURITES])
        return Visits(viewers, groups)

    def tastes(self, visits: Visits, progress: float) -> Float32Array:
        """Return (m, taste): the visitors' tastes when so much of the run lies behind."""
        table = self._start
        if self._drift:
            angle = 0.5 * np.pi * self._drift * progress
            table = (np.cos(angle) * self._start + np.sin(angle) * self._end).astype(np.float32)
        taste = self._own[visits.viewers]
        for place in range(MEMBERSHIPS):
            taste += table[visits.groups[:, place]]
        genres = len(self.catalog.genres)
        taste[:, :genres] = TITLE_TASTE * _standard(taste[:, :genres])
        return taste

    def appeal(self, taste: Float32Array, cards: Cards) -> Appeal:
        """Return what cards' titles, artworks and rows appeal to the viewers who see them."""
        catalog = self.catalog
        flat, width = taste.ravel(), taste.shape[1]
        start = cards.page * width
        title = self.popularity[cards.title]
        for place in range(catalog.title_genres.shape[1]):
            felt = flat[start + catalog.title_genres[:, place][cards.title]]
            title = title + felt * catalog.title_weights[:, place][cards.title]
        artwork = self.quality[cards.artwork]
        for place in range(len(TRAITS)):
            artwork = artwork + flat[start + catalog.artwork_traits[:, place][cards.artwork]]
        first_row = width - len(catalog.row_values)
        return Appeal(title, artwork, flat[start + first_row + cards.row])


def _standard(values: Real) -> Real:
    """Scale to mean 0 and standard deviation 1 along the last axis."""
    centred = values - values.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True))
    scaled: Real = (centred / np.maximum(spread, 1e-12)).astype(values.dtype)
    return scaled
