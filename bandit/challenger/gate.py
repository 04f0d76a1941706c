"""Is one line better than the other? A sequential test that may be looked at after every page.

Of each page i the judge gives two values, what the page would have earned under the champion's and
under the challenger's probabilities: a_i and b_i, importance-weighted sums of rewards, each clipped
to [0, M]. Whether the line that does not serve is better by a share m of the other's reward is the
question whether the mean of X_i = b_i - (1 + m) a_i (or with a and b exchanged) is above 0.

After Howard, Ramdas, McAuliffe and Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic
confidence sequences", theorem 4, and Waudby-Smith, Wu, Ramdas, Karampatziakis and Mineiro (2022),
"Anytime-valid off-policy inference for contextual bandits", which use it as here. With a prediction
p_i made of earlier pages alone and a c such that X_i - p_i >= -c always, for each stake 0 < λ < 1

    exp( λ Σ (X_i - E_i[X_i]) / c  -  ψ(λ) Σ ((X_i - p_i) / c)² ),   ψ(λ) = -log(1 - λ) - λ,

is a supermartingale that begins at 1 (Fan, Grama and Liu, 2015). So with a chance of 1 - α, at all
times at once, the running mean of E_i[X_i], the expectations given all before, is above

    mean(X) - c/n · min_j ( log(1/α) + log(1/π_j) + ψ(λ_j) V ) / λ_j,   V = Σ ((X_i - p_i) / c)²

for stakes λ_j with shares π_j that sum to 1 (Ville's inequality for each, and a union over them).

What it estimates: both lines go on learning, so the lift drifts. The bound is on the *running mean*
of the lift over the pages of this evidence, each at the models of its time; it is no promise about
tomorrow's models. Pages may depend on each other, since each expectation is given all that was
before. That expectation is what a line earns as long as logged probabilities are right given all
that was before, which they are not where a viewer's draw is kept for several pages: these count as
if each had been drawn anew.

Clipping: a value cut at M is judged too low. Of the line that is to be shown better that is safe.
Of the other one it is not, where pages with many plays, or its own weights, go beyond M: so all
that was cut off the other line's pages is charged to the bound, as it was observed. Likewise a page
that earned less than nothing (a quick abandon, where untouched titles earn something) counts 0, and
what that adds to the line that is to be shown better is charged. Small M keep bounds narrow where
weights are small, large ones see what only rare weights tell; nobody knows before which is right.
So each M of :data:`CLIPS` has evidence of its own at α / 3, and the change is made when any of them
asks for it.

All that is kept of the pages are nine sums for each M, since p_i = p(b)_i - (1 + m) p(a)_i makes V
a quadratic in m: any m can be asked about later. Arrays may have further axes in front, for many
tests at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from bandit.types import FloatArray

CLIPS: Final = np.array([10.0, 40.0, 160.0])
"""M: the most that a page may be said to have earned."""
PREDICTED_MAX: Final = 0.1
"""Largest prediction, as a share of M."""
STAKES: Final = 0.8 * 2.0 ** -np.arange(14.0)
_DRIFTS: Final = -np.log1p(-STAKES) - STAKES
_PRICES: Final = np.log((np.arange(14.0) + 1) * (np.arange(14.0) + 2) * 14 / 15)
"""log(1/π_j), with π_j ∝ 1/((j+1)(j+2))."""
LIFT_MAX: Final = 100.0
"""Largest lift that is looked for."""
_LIFTS: Final = np.concatenate(([-1.0], np.geomspace(1e-2, 1 + LIFT_MAX, 60) - 1))
"""Where bounds are looked for first; between two of them by halves."""
_HALVINGS: Final = 40


class Sums(NamedTuple):
    """What is kept of n pages; arrays are of shape (..., 3), one entry a clip."""

    pages: int
    champion: FloatArray
    """Sum of the champion's clipped values."""
    challenger: FloatArray
    champion_spread: FloatArray
    """Sum of the squared distances of the champion's values from what was predicted."""
    challenger_spread: FloatArray
    common_spread: FloatArray
    """Sum of the products of both lines' distances."""
    champion_cut: FloatArray
    """Sum of what the champion's values lost by the cut at M."""
    challenger_cut: FloatArray
    champion_raised: FloatArray
    """Sum of what the champion's values below 0 gained by counting 0."""
    challenger_raised: FloatArray


class Range(NamedTuple):
    """An estimate and its bounds; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


def no_pages(*shape: int) -> Sums:
    """Return the sums of nothing, for tests of ``shape``."""
    return Sums(0, *(np.zeros((*shape, len(CLIPS))) for _ in range(9)))


def with_page(sums: Sums, champion: FloatArray, challenger: FloatArray) -> Sums:
    """Return the sums with one page more; values of shape (...)."""
    before = max(sums.pages, 1)
    most = PREDICTED_MAX * CLIPS
    whole, other_whole = np.asarray(champion)[..., None], np.asarray(challenger)[..., None]
    ours, theirs = np.clip(whole, 0.0, CLIPS), np.clip(other_whole, 0.0, CLIPS)
    off = ours - np.minimum(sums.champion / before, most)
    other_off = theirs - np.minimum(sums.challenger / before, most)
    return Sums(
        sums.pages + 1,
        sums.champion + ours,
        sums.challenger + theirs,
        sums.champion_spread + off * off,
        sums.challenger_spread + other_off * other_off,
        sums.common_spread + off * other_off,
        sums.champion_cut + np.maximum(whole - CLIPS, 0.0),
        sums.challenger_cut + np.maximum(other_whole - CLIPS, 0.0),
        sums.champion_raised + np.maximum(-whole, 0.0),
        sums.challenger_raised + np.maximum(-other_whole, 0.0),
    )


def promotes(sums: Sums, margin: float, rate: float) -> FloatArray:
    """Return (...) whether the challenger is better by more than ``margin``; 1.0 or 0.0.

    The chance that it ever says so of one whose running mean is not is at most ``rate``.
    """
    low = _excess(sums, 1.0, -(1.0 + margin), rate / len(CLIPS))
    return np.asarray((low > 0).any(axis=-1), dtype=np.float64)


def demotes(sums: Sums, rate: float) -> FloatArray:
    """Return (...) whether the champion is better than the challenger; as :func:`promotes`."""
    low = _excess(sums, -1.0, 1.0, rate / len(CLIPS))
    return np.asarray((low > 0).any(axis=-1), dtype=np.float64)


def most_telling(sums: Sums, *, serving_challenger: bool, rate: float) -> int:
    """Return the clip under which the line that does not serve looks best, by its lower bound."""
    signs = (-1.0, 1.0) if serving_challenger else (1.0, -1.0)
    return int(np.argmax(_excess(sums, *signs, rate / len(CLIPS))))


def value_of(sums: Sums, clip: int, *, of_challenger: bool, rate: float) -> Range:
    """Return what a page earns under one line on average, with bounds valid at all times.

    Each bound fails with a chance of ``rate`` at most, whichever clip is looked at.
    """
    if not sums.pages:
        return Range(None, None, None)
    alpha, n = rate / len(CLIPS), sums.pages
    theirs, ours = (1.0, 0.0) if of_challenger else (0.0, 1.0)
    total, cut, raised = (
        (sums.challenger, sums.challenger_cut, sums.challenger_raised)
        if of_challenger
        else (sums.champion, sums.champion_cut, sums.champion_raised)
    )
    low = float(_excess(sums, theirs, ours, alpha)[clip])
    high = -float(_excess(sums, -theirs, -ours, alpha)[clip])
    least, most = 0.0 - float(raised[clip]) / n, float(CLIPS[clip] + cut[clip] / n)
    return Range(float(total[clip] - raised[clip]) / n, max(least, low), min(high, most))


def lift_of(sums: Sums, clip: int, rate: float) -> Range:
    """Return the challenger's lift over the champion, as a share of the champion's reward.

    All lifts up to ``low`` are excluded, and all from ``high`` on, which is None where not even
    :data:`LIFT_MAX` is. For each lift by itself that fails with a chance of ``rate`` at most; moves
    go by :func:`promotes` and :func:`demotes`, not by these.
    """
    if not sums.pages:
        return Range(None, None, None)
    ours = float(sums.champion[clip] - sums.champion_raised[clip])
    theirs = float(sums.challenger[clip] - sums.challenger_raised[clip])
    value = theirs / ours - 1.0 if ours > 0 else None
    alpha = rate / len(CLIPS)

    def is_above(lift: float) -> bool:
        return float(_excess(sums, 1.0, -(1.0 + lift), alpha)[clip]) > 0

    def is_below(lift: float) -> bool:
        return float(_excess(sums, -1.0, 1.0 + lift, alpha)[clip]) > 0

    low, high = _last(is_above, _LIFTS), _last(is_below, _LIFTS[::-1])
    return Range(value, -1.0 if low is None else low, high)


def _excess(sums: Sums, theirs: float, ours: float, alpha: float) -> FloatArray:
    """Return (..., 3) the lower bound of the mean of theirs · challenger + ours · champion."""
    if not sums.pages:
        return np.full(np.shape(sums.champion), -math.inf)
    lowest = min(theirs, 0.0) + min(ours, 0.0)
    predicted = PREDICTED_MAX * (max(theirs, 0.0) + max(ours, 0.0))
    scale = CLIPS * (predicted - lowest)
    spread = (
        theirs * theirs * sums.challenger_spread
        + ours * ours * sums.champion_spread
        + 2.0 * theirs * ours * sums.common_spread
    )
    total = theirs * sums.challenger + ours * sums.champion
    total = total - _charged(theirs, sums.challenger_cut, sums.challenger_raised)
    total = total - _charged(ours, sums.champion_cut, sums.champion_raised)
    used = np.maximum(spread, 0.0) / (scale * scale)
    lines = (-math.log(alpha) + _PRICES + _DRIFTS * used[..., None]) / STAKES
    return np.asarray((total - scale * lines.min(axis=-1)) / sums.pages)


def _charged(factor: float, cut: FloatArray, raised: FloatArray) -> FloatArray:
    """Return (..., 3) what clipping did in favour of the bound of ``factor`` times a line."""
    return factor * raised if factor > 0 else -factor * cut


def _last(holds: Callable[[float], bool], lifts: FloatArray) -> float | None:
    """Return up to where something holds from the first lift on, None where it does not there.

    Bounds of neighbouring lifts are scaled differently, so that it might hold again further on.
    """
    points = lifts.tolist()
    if not holds(points[0]):
        return None
    fails = next((place for place, lift in enumerate(points) if not holds(lift)), len(points))
    if fails == len(points):
        return float(points[-1])
    good, bad = points[fails - 1], points[fails]
    for _ in range(_HALVINGS):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return float(good)
