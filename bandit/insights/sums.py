"""What is kept of pages: sums, first by the time of the decisions, then all in all.

Outcomes close out of order: a page that was played on closes at once, one that nobody touched when
its window ends. Whatever looks at outcomes as they close sees too many plays after a start, and too
few once traffic ebbs. So ranges and alarms rest on *slots*, the pages whose windows began in one
interval (or in a thousandth of a window, where that is more), each taken as a whole once all its
pages have closed.

Displays of one page are not independent, so a page is one observation, of what it came to and of
how many displays it had. It counts with at most ``PAGE_GAIN_MAX`` plays, clicks and reward, and
with at most ``PAGE_DISPLAYS_MAX`` displays, since a range at all times needs values of bounded
width, and would otherwise be as wide as if pages could be played a hundred times.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bandit.types import Share, Surface

PAGE_GAIN_MAX: Final = 4.0
"""Most plays, clicks or reward above the default that a page counts with."""

PAGE_DISPLAYS_MAX: Final[dict[Surface, float]] = {"artwork": 32.0, "rows": 16.0}
"""Most displays that a page counts with."""

PAGE_LOSS_MAX: Final = 1.0
"""Most reward below the default that a page counts with."""


def gain_of(reward: float, displays: int, default: float) -> float:
    """Return what a page counts with, of its displays' reward, above the default for each."""
    return min(PAGE_GAIN_MAX, max(gain_min(default), reward - default * displays))


def gain_min(default: float) -> float:
    """Return the least that :func:`gain_of` may be."""
    return -PAGE_LOSS_MAX if default else 0.0


class PageSums(msgspec.Struct, array_like=True, gc=False):
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

    def include(self, other: PageSums) -> None:
        """Add the pages of another."""
        self.pages += other.pages
        self.weight += other.weight
        self.weight2 += other.weight2
        self.value += other.value
        self.value2 += other.value2
        self.cross += other.cross


class ShareSums(msgspec.Struct, array_like=True, gc=False):
    """Of one share of one surface: displays with plays, clicks, and reward above the default."""

    take: PageSums = msgspec.field(default_factory=PageSums)
    click: PageSums = msgspec.field(default_factory=PageSums)
    gain: PageSums = msgspec.field(default_factory=PageSums)

    def add(self, displays: float, plays: float, clicks: float, gain: float) -> None:
        """Add a page, its figures within bounds already."""
        self.take.add(displays, plays)
        self.click.add(displays, clicks)
        self.gain.add(displays, gain)


class Slot(msgspec.Struct):
    """The pages whose windows began in one interval."""

    shares: dict[Surface, dict[Share, ShareSums]] = {}
    rewards: dict[Surface, PageSums] = {}
    """Of the learned share, served by a model: displays and reward above the default."""
    bits: dict[Surface, PageSums] = {}
    """Of the same: 1, and the page's mean bits a display drawn."""

    def of(self, surface: Surface, share: Share) -> ShareSums:
        """Return the sums of a surface's share."""
        shares = self.shares.setdefault(surface, {})
        sums = shares.get(share)
        if sums is None:
            sums = shares[share] = ShareSums()
        return sums
