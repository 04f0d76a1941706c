"""What is kept of pages: sums, first by the time of the decisions, then all in all.

Outcomes close out of order: a page that was played on closes at once, one that nobody touched when
its window ends. Whatever looks at outcomes as they close sees too many plays after a start, and too
few once traffic ebbs. So ranges and alarms rest on *slots*, the pages whose windows began in one
interval (or in a thousandth of a window, where that is more), each taken as a whole once all its
pages have closed.

Displays of one page are not independent, so a page is one observation. It counts with at most
``PAGE_GAIN_MAX`` plays, clicks and reward, since a range at all times needs values of bounded
width, and would otherwise be as wide as if pages could be played a hundred times.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bandit.insights.bets import reach
from bandit.types import Share, Surface

PAGE_GAIN_MAX: Final = 4.0
"""Most plays, clicks or reward above the default that a page counts with."""


PAGE_LOSS_MAX: Final = 1.0
"""Most reward below the default that a page counts with."""


def gain_of(reward: float, displays: int, default: float) -> float:
    """Return what a page counts with, of its displays' reward, above the default for each."""
    return min(PAGE_GAIN_MAX, max(gain_min(default), reward - default * displays))


def gain_min(default: float) -> float:
    """Return the least that :func:`gain_of` may be."""
    return -PAGE_LOSS_MAX if default else 0.0


class PageSums(msgspec.Struct, array_like=True, gc=False):
    """Sums over pages of one share of one surface.

    ``gain`` is the reward above the default. The second of each pair is of squares.
    """

    pages: int = 0
    displays: int = 0
    plays: float = 0.0
    plays2: float = 0.0
    clicks: float = 0.0
    clicks2: float = 0.0
    gain: float = 0.0
    gain2: float = 0.0

    def add(self, displays: int, plays: float, clicks: float, gain: float) -> None:
        """Add a page, its figures within bounds already."""
        self.pages += 1
        self.displays += displays
        self.plays += plays
        self.plays2 += plays * plays
        self.clicks += clicks
        self.clicks2 += clicks * clicks
        self.gain += gain
        self.gain2 += gain * gain


class DriftSums(msgspec.Struct, array_like=True, gc=False):
    """Sums over pages of a weight, a value, and their products."""

    pages: int = 0
    weight: float = 0.0
    weight2: float = 0.0
    value: float = 0.0
    value2: float = 0.0
    cross: float = 0.0

    def add(self, weight: float, value: float) -> None:
        """Add a page."""
        self.pages += 1
        self.weight += weight
        self.weight2 += weight * weight
        self.value += value
        self.value2 += value * value
        self.cross += weight * value

    def include(self, other: DriftSums) -> None:
        """Add the pages of another."""
        self.pages += other.pages
        self.weight += other.weight
        self.weight2 += other.weight2
        self.value += other.value
        self.value2 += other.value2
        self.cross += other.cross


class Slot(msgspec.Struct):
    """The pages whose windows began in one interval."""

    shares: dict[Surface, dict[Share, PageSums]] = {}
    rewards: dict[Surface, DriftSums] = {}
    """Of the learned share, served by a model: displays and reward above the default."""
    bits: dict[Surface, DriftSums] = {}
    """Of the same: 1, and the page's mean bits a display drawn."""

    def of(self, surface: Surface, share: Share) -> PageSums:
        """Return the sums of a surface's share."""
        shares = self.shares.setdefault(surface, {})
        sums = shares.get(share)
        if sums is None:
            sums = shares[share] = PageSums()
        return sums


class Mean(msgspec.Struct, array_like=True, gc=False):
    """What a confidence sequence of a mean per display needs.

    ``squares`` sums the squares of what was left of each page's total after it was predicted by the
    mean of the pages before its slot.
    """

    pages: int = 0
    displays: int = 0
    total: float = 0.0
    squares: float = 0.0

    def take(self, pages: int, displays: int, total: float, total2: float) -> None:
        """Take up a slot's pages."""
        guess = self.total / self.pages if self.pages else 0.0
        self.squares += max(0.0, total2 - 2.0 * guess * total + pages * guess * guess)
        self.pages += pages
        self.displays += displays
        self.total += total

    def ends(self, error: float, *, width: float = PAGE_GAIN_MAX) -> tuple[float, float]:
        """Return the ends of the range that holds at all times but with the chance ``error``.

        It covers the expected totals of the pages so far, each given what came before it, over
        their displays. ``width`` is that of a page's total.
        """
        if not self.displays:
            return 0.0, 1.0
        aside = width * float(reach(self.squares / width**2, error / 2))
        return (self.total - aside) / self.displays, (self.total + aside) / self.displays


class ShareMeans(msgspec.Struct):
    """The means of one share of one surface."""

    take: Mean = msgspec.field(default_factory=Mean)
    click: Mean = msgspec.field(default_factory=Mean)
    gain: Mean = msgspec.field(default_factory=Mean)

    def include(self, sums: PageSums) -> None:
        """Take up a slot's pages."""
        pages, displays = sums.pages, sums.displays
        self.take.take(pages, displays, sums.plays, sums.plays2)
        self.click.take(pages, displays, sums.clicks, sums.clicks2)
        self.gain.take(pages, displays, sums.gain, sums.gain2)
