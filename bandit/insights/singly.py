"""Titles and rows that are counted singly: as many as configured, those seen most of late.

While there is room, whatever is seen is counted. Once it is full, newcomers are only noted down,
and every ``REVIEW_INTERVALS`` intervals those are kept that were displayed most, displays of the
time before counting half, and of the time before that a quarter; ties go by id. A newcomer that is
taken in begins at nothing, and what is let go is forgotten. Of newcomers, so many are noted down at
most as ``NEWCOMERS_PER_PLACE`` times the places.
"""

from __future__ import annotations

from typing import Final, Generic, Protocol, TypeVar

import msgspec

from bandit.types import ARTWORKS_MAX

REVIEW_INTERVALS: Final = 60
NEWCOMERS_PER_PLACE: Final = 4


class ArtworkCounts(msgspec.Struct, array_like=True, gc=False):
    """An artwork of a title; ``others`` are the displays to other shares than the learned one.

    ``segments`` holds displays and plays by segment, as in ``device=tv``.
    """

    displays: int = 0
    clicks: int = 0
    plays: int = 0
    others: int = 0
    reviewed: int = 0
    """Displays up to the last review."""
    segments: dict[str, list[int]] = {}


class TitleCounts(msgspec.Struct, array_like=True, gc=False):
    """A title, by its artworks."""

    score: float = 0.0
    artworks: dict[str, ArtworkCounts] = {}

    def artwork(self, name: str) -> ArtworkCounts | None:
        """Return an artwork's counts, None if the title has too many.

        A title may get ever new artworks: those not displayed since the last review make room.
        """
        found = self.artworks.get(name)
        if found is None:
            if len(self.artworks) >= ARTWORKS_MAX:
                self._make_room()
            if len(self.artworks) < ARTWORKS_MAX:
                found = self.artworks[name] = ArtworkCounts()
        return found

    def age(self) -> None:
        """Weigh what was displayed since the last review against what was before."""
        lately = 0
        for one in self.artworks.values():
            lately += one.displays - one.reviewed
            one.reviewed = one.displays
        self.score = self.score / 2.0 + lately

    def _make_room(self) -> None:
        gone = [name for name, one in self.artworks.items() if one.displays == one.reviewed]
        for name in gone:
            del self.artworks[name]


class RowCounts(msgspec.Struct, array_like=True, gc=False):
    """A row."""

    score: float = 0.0
    reviewed: int = 0
    """Displays up to the last review."""
    displays: int = 0
    clicks: int = 0
    plays: int = 0
    positions: int = 0
    """Sum over the displays, from 0 at the top."""
    reward: float = 0.0

    def age(self) -> None:
        """Weigh what was displayed since the last review against what was before."""
        self.score = self.score / 2.0 + self.displays - self.reviewed
        self.reviewed = self.displays


class _Seen(Protocol):
    """Anything that is counted singly."""

    score: float
    """Displays up to the last review, older ones weighing less."""

    def age(self) -> None:
        """Take up the displays since the last review into the score."""


Item = TypeVar("Item", bound=_Seen)


class Singly(msgspec.Struct, Generic[Item]):
    """What is counted singly, and the newcomers."""

    known: dict[str, Item] = {}
    newcomers: dict[str, int] = {}

    def admit(self, name: str, kind: type[Item], places: int) -> Item | None:
        """Return counts for what is not known yet; None if it is only noted down."""
        if len(self.known) < places:
            found = self.known[name] = kind()
            return found
        noted = self.newcomers.get(name)
        if noted is not None:
            self.newcomers[name] = noted + 1
        elif len(self.newcomers) < NEWCOMERS_PER_PLACE * places:
            self.newcomers[name] = 1
        return None

    def review(self, kind: type[Item], places: int) -> None:
        """Keep what was displayed most of late."""
        for one in self.known.values():
            one.age()
        if self.newcomers or len(self.known) > places:
            scores: dict[str, float] = {name: float(n) for name, n in self.newcomers.items()}
            scores.update((name, one.score) for name, one in self.known.items())
            kept = sorted(scores, key=lambda name: (-scores[name], name))[:places]
            self.known = {name: self._kept(name, scores[name], kind) for name in kept}
            self.newcomers = {}

    def _kept(self, name: str, score: float, kind: type[Item]) -> Item:
        found = self.known.get(name)
        if found is None:
            found = kind()
            found.score = score
        return found
