"""Means a display, from sums over pages, with ranges that hold at all times at once.

What a page came to, X, and how many displays it had, N, are both chance, and hang together: who
finds something looks no further. So the range is one of the ratio of their expectations. For a
fixed ratio r the sum of X - r N strays from its expectation by no more than
:func:`bandit.insights.bets.reach` allows, with each page's X and N predicted by their means over
the pages before its slot. The ratio that is sought may itself change with every page, so all must
hold at once: it does at each of :data:`_RATIOS`, which share the chance of error evenly, and hence
between two of them at what lies between their bounds, as X - r N is linear in r.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from bandit.insights.bets import Numbers, reach
from bandit.insights.sums import PageSums, ShareSums

_RATIOS: Final = np.array([-1.0, 0.0, *4.0 ** np.arange(-5.0, 1.0)])
"""From what loses all to what wins all at every display; neighbours' bounds differ little more than
fourfold in what they owe to N, so that a line between two is hardly above what the curve would be.
"""


class Mean(msgspec.Struct, array_like=True, gc=False):
    """What a confidence sequence of a mean per display needs.

    ``squares`` sums the squares of what was left of each page's total after it was predicted,
    ``displays2`` those of what was left of its displays, and ``cross`` their products.
    """

    pages: int = 0
    displays: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    displays2: float = 0.0
    cross: float = 0.0

    def take(self, sums: PageSums) -> None:
        """Take up a slot's pages."""
        pages, n, x = sums.pages, sums.weight, sums.value
        n_guess = self.displays / self.pages if self.pages else 0.0
        x_guess = self.total / self.pages if self.pages else 0.0
        both = pages * n_guess * x_guess
        self.squares += max(0.0, sums.value2 - 2.0 * x_guess * x + pages * x_guess**2)
        self.displays2 += max(0.0, sums.weight2 - 2.0 * n_guess * n + pages * n_guess**2)
        self.cross += sums.cross - n_guess * x - x_guess * n + both
        self.pages += pages
        self.displays += n
        self.total += x

    @property
    def value(self) -> float:
        """The mean, of at least one display."""
        return self.total / self.displays

    def ends(self, error: float, *, width: float, displays_max: float) -> tuple[float, float]:
        """Return the ends of the range that holds at all times but with the chance ``error``.

        It covers the expected totals of the pages so far, each given what came before it, over
        their expected displays. ``width`` is that of a page's total, of which there are between
        -1 and 1 a display, and ``displays_max`` are its most displays.
        """
        widths = width + displays_max * np.abs(_RATIOS)
        squares = self.squares - 2.0 * _RATIOS * self.cross + _RATIOS**2 * self.displays2
        parts = np.maximum(0.0, squares) / widths**2
        asides = widths * reach(parts, error / (2.0 * len(_RATIOS)))
        surplus = self.total - _RATIOS * self.displays
        low = _first_below_0(_RATIOS, surplus - asides)
        return low, -_first_below_0(-_RATIOS[::-1], -(surplus + asides)[::-1])


class ShareMeans(msgspec.Struct):
    """The means of one share of one surface."""

    take: Mean = msgspec.field(default_factory=Mean)
    click: Mean = msgspec.field(default_factory=Mean)
    gain: Mean = msgspec.field(default_factory=Mean)

    def include(self, sums: ShareSums) -> None:
        """Take up a slot's pages."""
        self.take.take(sums.take)
        self.click.take(sums.click)
        self.gain.take(sums.gain)


def _first_below_0(at: Numbers, heights: Numbers) -> float:
    """Return where a line through points, from the left, first is 0 or less: it is at the last."""
    place = int(np.argmax(heights <= 0.0))
    if place == 0:
        return float(at[0])
    before, after = heights[place - 1], heights[place]
    part = before / (before - after)
    return float(at[place - 1] + part * (at[place] - at[place - 1]))
