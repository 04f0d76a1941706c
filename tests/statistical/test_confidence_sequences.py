"""Ranges hold at all times at once, also where a page's displays hang together and chances change.

Each repetition follows a range over its whole life and fails if its target was ever outside. With
the true rate of failures at most ``ERROR``, more of them than ``ALLOWED`` come by chance once in
10,000 runs (alpha = 1e-4); seeds are fixed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from bandit.insights.bets import fraction_range
from bandit.insights.means import Mean
from bandit.insights.sums import PAGE_GAIN_MAX, PageSums

ERROR = 0.1
LIVES = 300
ALLOWED = int(binom.ppf(1 - 1e-4, LIVES, ERROR))
SLOTS = 60
PAGES = 25
SEEN = 20

Numbers = NDArray[np.float64]


class Pages(NamedTuple):
    """Displays and plays of pages, lives × slots × pages, and what was to be expected of them."""

    displays: Numbers
    plays: Numbers
    displays_expected: Numbers
    plays_expected: Numbers

    def targets(self) -> Numbers:
        """Return plays a display, lives × slots, of all pages so far."""
        plays = self.plays_expected.sum(axis=2).cumsum(axis=1)
        return np.asarray(plays / self.displays_expected.sum(axis=2).cumsum(axis=1))


def _in_moods(seed: int) -> Pages:
    """Return pages whose viewer is in the mood for all of it or for nothing.

    How many are changes over time, and with what earlier pages of the life came to.
    """
    random = np.random.default_rng(seed)
    shape = (LIVES, SLOTS, PAGES)
    displays = random.integers(1, SEEN + 1, shape).astype(float)
    plays, expected = np.zeros(shape), np.zeros(shape)
    mean_most = np.minimum(np.arange(1, SEEN + 1), PAGE_GAIN_MAX).mean()
    mood = np.full(LIVES, 0.1)
    for slot in range(SLOTS):
        in_mood = random.random((LIVES, PAGES)) < mood[:, None]
        plays[:, slot] = np.where(in_mood, np.minimum(displays[:, slot], PAGE_GAIN_MAX), 0.0)
        expected[:, slot] = mood[:, None] * mean_most
        mood = np.clip(mood + 0.02 * (in_mood.mean(axis=1) - 0.12), 0.05, 0.5) + 0.001
    return Pages(displays, plays, np.full(shape, (SEEN + 1) / 2), expected)


def _until_found(seed: int, chance: float = 0.2) -> Pages:
    """Return pages whose viewer looks on until something is played, or all was seen.

    The chance that a title is what is looked for falls by a third over a life.
    """
    random = np.random.default_rng(seed)
    shape = (LIVES, SLOTS, PAGES)
    chances = np.broadcast_to(np.linspace(chance, chance / 1.5, SLOTS)[:, None], shape)
    looked_for = random.geometric(chances)
    found = 1.0 - (1.0 - chances) ** SEEN
    displays = np.minimum(looked_for, SEEN).astype(float)
    return Pages(displays, (looked_for <= SEEN).astype(float), found / chances, found)


def _taken(mean: Mean, displays: Numbers, plays: Numbers) -> None:
    """Take up a slot's pages."""
    products = (displays @ displays, plays.sum(), plays @ plays, displays @ plays)
    mean.take(PageSums(len(plays), float(displays.sum()), *map(float, products)))


def _ranges(pages: Pages, error: float) -> tuple[Numbers, Numbers]:
    """Return both ends after each slot, lives × slots."""
    lows, highs = np.zeros((LIVES, SLOTS)), np.zeros((LIVES, SLOTS))
    for life in range(LIVES):
        mean = Mean()
        for slot in range(SLOTS):
            _taken(mean, pages.displays[life, slot], pages.plays[life, slot])
            lows[life, slot], highs[life, slot] = mean.ends(
                error, width=PAGE_GAIN_MAX, displays_max=SEEN
            )
    return lows, highs


def test_ranges_over_pages_hold_at_all_times() -> None:
    for pages in (_in_moods(11), _until_found(11)):
        lows, highs = _ranges(pages, ERROR)
        targets = pages.targets()
        assert ((targets < lows) | (targets > highs)).any(axis=1).sum() <= ALLOWED


def test_two_shares_that_are_alike_are_not_told_apart() -> None:
    """How long viewers look is chance as well, and what they find goes with it."""
    lows, highs = _ranges(_until_found(21), ERROR / 2)
    other_lows, other_highs = _ranges(_until_found(22), ERROR / 2)
    assert ((lows > other_highs) | (highs < other_lows)).any(axis=1).sum() <= ALLOWED
    better, _ = _ranges(_until_found(23, chance=0.3), ERROR / 2)
    assert (better > other_highs).any(axis=1).all()


def test_displays_of_a_page_are_not_independent() -> None:
    pages = _in_moods(11)
    counts = pages.displays.sum(axis=2).cumsum(axis=1)
    ends = fraction_range(pages.plays.sum(axis=2).cumsum(axis=1), counts, ERROR)
    targets = pages.targets()
    missed = ((targets < ends.low) | (targets > ends.high)).any(axis=1).sum()
    assert missed > ALLOWED, "a range that takes displays for independent should have failed here"


def test_ranges_of_fractions_hold_at_all_times() -> None:
    random = np.random.default_rng(12)
    for chance in (0.01, 0.1, 0.6):
        drift = np.linspace(0.5, 1.5, 2000) * chance
        seen = random.random((LIVES, 2000)) < drift
        counts = np.arange(1, 2001)
        ends = fraction_range(seen.cumsum(axis=1), np.broadcast_to(counts, seen.shape), ERROR)
        targets = drift.cumsum() / counts
        assert ((targets < ends.low) | (targets > ends.high)).any(axis=1).sum() <= ALLOWED


def test_ranges_shrink() -> None:
    random = np.random.default_rng(13)
    widths = []
    for pages in (1_000, 10_000, 100_000):
        plays = (random.random(pages) < 0.5).astype(float)
        mean = Mean()
        for part in np.split(plays, 100):
            _taken(mean, np.full(len(part), float(SEEN)), part)
        low, high = mean.ends(0.05, width=PAGE_GAIN_MAX, displays_max=SEEN)
        assert low < 0.5 / SEEN < high
        widths.append((high - low) * SEEN)
    assert widths[0] < 0.35
    assert widths[1] < widths[0] / 2.5
    assert widths[2] < widths[1] / 2.5
    fractions = fraction_range(np.array([5.0, 50.0, 500.0]), np.array([100, 1000, 10_000]), 0.05)
    spans = fractions.high - fractions.low
    assert spans[1] < spans[0] / 2.5
    assert spans[2] < spans[1] / 2.5
