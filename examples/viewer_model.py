"""The simulated viewers: what they like, what of a page they see, and what they then do.

A viewer has tastes for genres, and for what an artwork shows: its subject, mood and palette, and
the genre it hints at. Most of a taste follows from what the context tells (age band, device, part
of day, session mood, favourite genres), the rest is the viewer's own and stays hidden. Each
artwork has also a quality of its own that everybody feels.

A viewer scans the page from the top: the chance of seeing a place falls with its row and its
column. On seeing a title, the log-odds of playing it are

    base + title appeal (taste for its genres, popularity) + artwork appeal.

A first play ends the visit. Some plays are abandoned at once, more of them where the artwork
promised more than the title keeps. Everything is drawn from the seed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.catalog import CatalogDocument
from bandit.types import Features, FloatArray, IndexArray, Title

AGE_BANDS: Final = ("under-25", "25-34", "35-49", "50-64", "65-plus")
DEVICES: Final = ("tv", "phone", "tablet", "laptop")
PARTS_OF_DAY: Final = ("morning", "afternoon", "evening", "night")
SESSION_MOODS: Final = ("relaxed", "thrill", "romantic", "curious")
FAVOURITES: Final = 2
"""How many favourite genres a viewer names."""

BASE_LOG_ODDS: Final = -3.75
TRAITS: Final = ("subject", "mood", "palette", "genre_hint")
TRAIT_WEIGHTS: Final = {"subject": 0.62, "mood": 0.36, "palette": 0.2, "genre_hint": 0.3}
"""Standard deviation that each trait of an artwork gives to its appeal, before the private part."""
PRIVATE_SHARE: Final = 0.3
"""Part of each taste that no context tells, as a share of its standard deviation."""
QUALITY_SD: Final = 0.22
TITLE_TASTE: Final = 0.75
POPULARITY_SD: Final = 0.35

SEES_FIRST_ROW: Final = 0.98
SEES_NEXT_ROW: Final = 0.88
SEES_NEXT_COLUMN: Final = 0.93
CLICKS_WITHOUT_PLAY: Final = 0.5
"""Clicks that lead to no play, per play."""
ABANDONS: Final = 0.12
ABANDONS_WHEN_MISLED: Final = 0.2

BoolGrid = npt.NDArray[np.bool_]


class Visit(NamedTuple):
    """One viewer at one moment."""

    viewer_id: str
    context: Features
    genres: FloatArray
    """Shape (genres,): taste for titles."""
    traits: dict[str, FloatArray]
    """For each of ``TRAITS``, the taste for its values."""


class Behaviour(NamedTuple):
    """What a viewer did with a page of R rows and C columns; each array is of shape (R, C)."""

    seen: BoolGrid
    clicked: BoolGrid
    played: BoolGrid
    seconds: FloatArray
    """Watched, 0 where nothing was played."""
    fraction: FloatArray
    """Of the title's length, 0 to 1."""


class ExpectedTake(NamedTuple):
    """Plays per title seen, when all pages show the first, any, or each viewer's best artwork."""

    first: float
    uniform: float
    best: float


def _values(titles: list[Title], trait: str) -> list[str]:
    return sorted({str(art.features[trait]) for title in titles for art in title.artworks})


def _standard(values: FloatArray) -> FloatArray:
    """Scale to mean 0 and standard deviation 1 along the last axis."""
    centred = values - values.mean(axis=-1, keepdims=True)
    scaled: FloatArray = centred / centred.std(axis=-1, keepdims=True)
    return scaled


class ViewerPopulation:
    """Viewers of one catalog, all drawn from ``seed``.

    Its public arrays are indexed by title (in the document's order) and by artwork, whose numbers
    run on over titles: title ``i`` has the artworks ``offsets[i]`` to ``offsets[i + 1] - 1``.
    """

    def __init__(self, seed: int, document: CatalogDocument, size: int = 5000) -> None:
        self._rng = np.random.default_rng(seed)
        self.titles = document.titles
        self.size = size
        self.title_index = {title.id: index for index, title in enumerate(self.titles)}
        counts = [len(title.artworks) for title in self.titles]
        self.offsets: IndexArray = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        artworks = [artwork for title in self.titles for artwork in title.artworks]
        self.artwork_index = {artwork.id: index for index, artwork in enumerate(artworks)}
        self._trait_values = {trait: _values(self.titles, trait) for trait in TRAITS}
        self._trait_of = {
            trait: np.array([values.index(str(a.features[trait])) for a in artworks], np.intp)
            for trait, values in self._trait_values.items()
        }
        self.genres = sorted({genre for title in self.titles for genre in genres_of(title)})
        self._title_genres = self._genre_shares()
        self._minutes = np.array([_minutes(title) for title in self.titles])
        self._quality = self._rng.normal(0, QUALITY_SD, len(artworks))
        self._popularity = self._rng.normal(0, POPULARITY_SD, len(self.titles))
        self._draw_groups()
        self._draw_viewers()

    def _genre_shares(self) -> FloatArray:
        shares = np.zeros((len(self.titles), len(self.genres)))
        for index, title in enumerate(self.titles):
            for genre in genres_of(title):
                shares[index, self.genres.index(genre)] = 1.0
        scaled: FloatArray = shares / np.sqrt(shares.sum(axis=1, keepdims=True))
        return scaled

    def _draw_groups(self) -> None:
        """Draw what people have in common who share an age band, a device, a mood, a genre."""
        groups = {
            "age_band": len(AGE_BANDS),
            "device": len(DEVICES),
            "part_of_day": len(PARTS_OF_DAY),
            "mood": len(SESSION_MOODS),
            "genre": len(self.genres),
        }
        self._group_genres = {
            name: self._rng.normal(0, 0.5, (count, len(self.genres)))
            for name, count in groups.items()
        }
        self._group_traits = {
            trait: {
                name: _standard(self._rng.normal(0, 1, (count, len(values))))
                for name, count in groups.items()
            }
            for trait, values in self._trait_values.items()
        }

    def _draw_viewers(self) -> None:
        genres = len(self.genres)
        self._age_band = self._rng.integers(0, len(AGE_BANDS), self.size)
        own = self._rng.normal(0, 1, (self.size, genres))
        self._taste = own + self._group_genres["age_band"][self._age_band]
        self._favourites = np.argsort(-self._taste, axis=1)[:, :FAVOURITES]
        self._main_device = self._rng.integers(0, len(DEVICES), self.size)
        self._private = {
            trait: self._rng.normal(0, 1, (self.size, len(values)))
            for trait, values in self._trait_values.items()
        }

    def visit(self, rng: np.random.Generator) -> Visit:
        """Draw a viewer who opens the homepage now."""
        viewer = int(rng.integers(self.size))
        main = int(self._main_device[viewer])
        device = main if rng.random() < 0.7 else int(rng.integers(len(DEVICES)))
        groups = {
            "age_band": [int(self._age_band[viewer])],
            "device": [device],
            "part_of_day": [int(rng.integers(len(PARTS_OF_DAY)))],
            "mood": [int(rng.integers(len(SESSION_MOODS)))],
            "genre": [int(genre) for genre in self._favourites[viewer]],
        }
        context: Features = {
            "age_band": AGE_BANDS[groups["age_band"][0]],
            "device": DEVICES[device],
            "part_of_day": PARTS_OF_DAY[groups["part_of_day"][0]],
            "mood": SESSION_MOODS[groups["mood"][0]],
            "favourite_genres": [self.genres[genre] for genre in groups["genre"]],
        }
        now = ("device", "part_of_day", "mood")
        genres = self._taste[viewer] + sum(
            self._group_genres[name][groups[name][0]] for name in now
        )
        traits = {trait: self._trait_taste(trait, viewer, groups) for trait in TRAITS}
        return Visit(f"viewer-{viewer}", context, _standard(genres), traits)

    def _trait_taste(self, trait: str, viewer: int, groups: dict[str, list[int]]) -> FloatArray:
        members = [
            self._group_traits[trait][name][index]
            for name, indices in groups.items()
            for index in indices
        ]
        # Independent unit parts: dividing by the root of their number keeps unit variance.
        told = np.sum(members, axis=0) / np.sqrt(len(members))
        taste: FloatArray = TRAIT_WEIGHTS[trait] * (
            told + PRIVATE_SHARE * self._private[trait][viewer]
        )
        return taste

    def artwork_appeal(self, visit: Visit) -> FloatArray:
        """Return the appeal of every artwork to the visitor, shape (artworks,), in log-odds."""
        appeal = self._quality.copy()
        for trait in TRAITS:
            appeal += visit.traits[trait][self._trait_of[trait]]
        return appeal

    def title_appeal(self, visit: Visit) -> FloatArray:
        """Return the appeal of every title to the visitor, shape (titles,), in log-odds."""
        return TITLE_TASTE * (self._title_genres @ visit.genres) + self._popularity

    def play_probability(
        self, visit: Visit, titles: IndexArray, artworks: IndexArray
    ) -> FloatArray:
        """Return P(play | seen) of titles shown with artworks: arrays of one shape."""
        odds = self.title_appeal(visit)[titles] + self.artwork_appeal(visit)[artworks]
        probability: FloatArray = 1.0 / (1.0 + np.exp(-(BASE_LOG_ODDS + odds)))
        return probability

    def behave(
        self, visit: Visit, titles: IndexArray, artworks: IndexArray, rng: np.random.Generator
    ) -> Behaviour:
        """Let the visitor scan a page: titles and artworks of shape (R, C), -1 for a gap."""
        there = titles >= 0
        shape = titles.shape
        rows = rng.random(shape[0]) < np.where(
            np.arange(shape[0]) == 0, SEES_FIRST_ROW, SEES_NEXT_ROW
        )
        columns = rng.random(shape) < SEES_NEXT_COLUMN
        columns[:, :1] = True
        seen = np.cumprod(rows)[:, None].astype(bool) & np.cumprod(columns, axis=1).astype(bool)
        seen &= there
        chance = np.where(there, self.play_probability(visit, titles, artworks), 0.0)
        plays = seen & (rng.random(shape) < chance)
        clicks = plays | (seen & (rng.random(shape) < chance * CLICKS_WITHOUT_PLAY))
        if plays.any():
            self._end_at_first_play(plays, clicks, seen)
        return self._watch(visit, titles, artworks, Behaviour(
            seen, clicks, plays, np.zeros(shape), np.zeros(shape)
        ), rng)  # fmt: skip

    @staticmethod
    def _end_at_first_play(plays: BoolGrid, clicks: BoolGrid, seen: BoolGrid) -> None:
        """Take away what would have come after the first play; its row was seen as it stood."""
        first = int(np.flatnonzero(plays)[0])
        plays.ravel()[first + 1 :] = False
        clicks.ravel()[first + 1 :] = False
        seen[first // seen.shape[1] + 1 :] = False

    def _watch(
        self,
        visit: Visit,
        titles: IndexArray,
        artworks: IndexArray,
        done: Behaviour,
        rng: np.random.Generator,
    ) -> Behaviour:
        for place in np.flatnonzero(done.played):
            title, artwork = int(titles.flat[place]), int(artworks.flat[place])
            length_s = float(self._minutes[title]) * 60
            promised = self.artwork_appeal(visit)[artwork]
            kept = self.title_appeal(visit)[title]
            abandons = ABANDONS + ABANDONS_WHEN_MISLED * float(promised > 0.4 and kept < 0)
            if rng.random() < abandons:
                seconds = float(min(rng.uniform(3, 25), length_s))
            else:
                seconds = max(length_s * float(rng.beta(1.6, 0.9)), min(60.0, length_s))
            done.seconds.flat[place] = seconds
            done.fraction.flat[place] = min(1.0, seconds / length_s)
        return done

    def expected_take(self, visits: int, rng: np.random.Generator) -> ExpectedTake:
        """Return the expected plays per title seen, over all titles alike, without any learning."""
        starts = self.offsets[:-1]
        counts = np.diff(self.offsets)
        title_of = np.repeat(np.arange(len(self.titles)), counts)
        sums = np.zeros(3)
        for _ in range(visits):
            chance = self.play_probability(self.visit(rng), title_of, np.arange(len(title_of)))
            sums += (
                chance[starts].mean(),
                (np.add.reduceat(chance, starts) / counts).mean(),
                np.maximum.reduceat(chance, starts).mean(),
            )
        first, uniform, best = (sums / visits).tolist()
        return ExpectedTake(first, uniform, best)


def genres_of(title: Title) -> list[str]:
    """Return a title's genres."""
    genres = title.features["genres"]
    return [str(genre) for genre in genres] if isinstance(genres, list) else [str(genres)]


def _minutes(title: Title) -> float:
    hours = title.features["hours"]
    return 60.0 * hours if isinstance(hours, (int, float)) else 90.0
