"""Ranges hold at all times at once, also where a page's displays hang together and chances change.

Each repetition follows a range over its whole life and fails if its target was ever outside. With
the true rate of failures at most ``ERROR``, more of them than ``ALLOWED`` come by chance once in
10,000 runs (alpha = 1e-4); seeds are fixed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from bandit.insights.bets import fraction_range
from bandit.insights.sums import PAGE_GAIN_MAX, Mean

ERROR = 0.1
LIVES = 300
ALLOWED = int(binom.ppf(1 - 1e-4, LIVES, ERROR))
SLOTS = 60
PAGES = 25
SEEN = 20

Numbers = NDArray[np.float64]


def _pages(seed: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return displays, plays and expected plays of pages: lives × slots × pages.

    A page's viewer is in the mood for all of it or for nothing, how many are changes over time, and
    with what earlier pages of the life came to.
    """
    random = np.random.default_rng(seed)
    shape = (LIVES, SLOTS, PAGES)
    displays = random.integers(1, SEEN + 1, shape).astype(float)
    plays, expected = np.zeros(shape), np.zeros(shape)
    mood = np.full(LIVES, 0.1)
    for slot in range(SLOTS):
        in_mood = random.random((LIVES, PAGES)) < mood[:, None]
        plays[:, slot] = np.where(in_mood, np.minimum(displays[:, slot], PAGE_GAIN_MAX), 0.0)
        expected[:, slot] = mood[:, None] * np.minimum(displays[:, slot], PAGE_GAIN_MAX)
        mood = np.clip(mood + 0.02 * (in_mood.mean(axis=1) - 0.12), 0.05, 0.5) + 0.001
    return displays, plays, expected


def _failures(displays: Numbers, plays: Numbers, expected: Numbers) -> int:
    targets = expected.sum(axis=2).cumsum(axis=1) / displays.sum(axis=2).cumsum(axis=1)
    failed = 0
    for life in range(LIVES):
        mean = Mean()
        missed = False
        for slot in range(SLOTS):
            here = plays[life, slot]
            mean.take(PAGES, int(displays[life, slot].sum()), here.sum(), (here**2).sum())
            low, high = mean.ends(ERROR)
            missed |= not low <= targets[life, slot] <= high
        failed += missed
    return failed


def test_ranges_over_pages_hold_at_all_times() -> None:
    assert _failures(*_pages(11)) <= ALLOWED


def test_displays_of_a_page_are_not_independent() -> None:
    displays, plays, expected = _pages(11)
    counts = displays.sum(axis=2).cumsum(axis=1)
    ends = fraction_range(plays.sum(axis=2).cumsum(axis=1), counts, ERROR)
    targets = expected.sum(axis=2).cumsum(axis=1) / counts
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
            mean.take(len(part), SEEN * len(part), part.sum(), (part**2).sum())
        low, high = mean.ends(0.05)
        assert low < 0.5 / SEEN < high
        widths.append((high - low) * SEEN)
    assert widths[0] < 0.35
    assert widths[1] < widths[0] / 2.5
    assert widths[2] < widths[1] / 2.5
    fractions = fraction_range(np.array([5.0, 50.0, 500.0]), np.array([100, 1000, 10_000]), 0.05)
    spans = fractions.high - fractions.low
    assert spans[1] < spans[0] / 2.5
    assert spans[2] < spans[1] / 2.5
