"""What the simulated viewers did, counted by share, from the viewers' side of the API."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bandit.types import SHARES, Share

Z_95: Final = 1.959964
"""Quantile of the normal distribution for an interval of 95 %."""


class Tally(NamedTuple):
    """Counts of one share."""

    pages: int = 0
    impressions: int = 0
    plays: int = 0
    """Plays that were not abandoned at once."""

    @property
    def take_fraction(self) -> float | None:
        """Plays per impression; None before the first impression."""
        return self.plays / self.impressions if self.impressions else None

    def plus(self, other: Tally) -> Tally:
        """Return the sum of both."""
        return Tally(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: Tally) -> Tally:
        """Return what this tally has more than an earlier one."""
        return Tally(*(a - b for a, b in zip(self, other, strict=True)))


def interval(plays: int, impressions: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927).

    It takes impressions as independent, which those of one page are only nearly.

    >>> low, high = interval(50, 1000)
    >>> round(low, 4), round(high, 4)
    (0.0381, 0.0653)
    """
    if impressions == 0:
        return 0.0, 1.0
    share = plays / impressions
    spread = Z_95**2 / impressions
    centre = (share + spread / 2) / (1 + spread)
    half = (
        Z_95
        / (1 + spread)
        * math.sqrt(share * (1 - share) / impressions + spread / 4 / impressions)
    )
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass
class Ledger:
    """Counts by share over all time and over a recent span; may be used from several threads."""

    recent_s: float = 30.0
    defaults: int = 0
    """Pages that the server did not decide in time."""
    _totals: dict[Share, Tally] = field(default_factory=lambda: dict.fromkeys(SHARES, Tally()))
    _marks: deque[tuple[float, dict[Share, Tally]]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, share: Share, tally: Tally) -> None:
        """Count one page."""
        with self._lock:
            self._totals[share] = self._totals[share].plus(tally)

    def add_default(self) -> None:
        """Count a page that came too late and was not shown."""
        with self._lock:
            self.defaults += 1

    def totals(self) -> dict[Share, Tally]:
        """Return the counts since the start."""
        with self._lock:
            return dict(self._totals)

    def recent(self, now_s: float) -> dict[Share, Tally]:
        """Return the counts of about the last ``recent_s`` seconds, given regular calls."""
        totals = self.totals()
        with self._lock:
            self._marks.append((now_s, totals))
            while len(self._marks) > 1 and self._marks[1][0] <= now_s - self.recent_s:
                self._marks.popleft()
            before = self._marks[0][1]
        return {share: tally.minus(before[share]) for share, tally in totals.items()}
