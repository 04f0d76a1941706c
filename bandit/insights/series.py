"""Figures by interval of the log's clock."""

from __future__ import annotations

import msgspec

from bandit.types import Share, Surface


class Counts(msgspec.Struct, array_like=True, gc=False):
    """What the displays of one share earned."""

    displays: int = 0
    clicks: int = 0
    plays: int = 0
    reward: float = 0.0


class SurfaceInterval(msgspec.Struct, array_like=True, gc=False):
    """One surface in one interval.

    ``bits`` sums −log2(propensity) over the ``drawn`` displays of the learned share.
    """

    shares: dict[Share, Counts] = {}
    bits: float = 0.0
    drawn: int = 0


class Interval(msgspec.Struct, array_like=True, gc=False):
    """What closed in one interval; ``number`` times the interval's width is its start."""

    number: int
    outcomes: int = 0
    examples: int = 0
    surfaces: dict[Surface, SurfaceInterval] = {}

    def of(self, surface: Surface, share: Share) -> Counts:
        """Return the counts of a surface's share."""
        within = self.surfaces.get(surface)
        if within is None:
            within = self.surfaces[surface] = SurfaceInterval()
        counts = within.shares.get(share)
        if counts is None:
            counts = within.shares[share] = Counts()
        return counts


class Series(msgspec.Struct):
    """The last intervals in which anything closed, oldest first."""

    intervals: list[Interval] = []

    def at(self, number: int, intervals_max: int) -> Interval:
        """Return the interval of a number, which is never less than one before.

        What is ``intervals_max`` intervals older is let go.
        """
        intervals = self.intervals
        if intervals and intervals[-1].number >= number:
            return intervals[-1]
        intervals.append(Interval(number))
        gone = sum(one.number <= number - intervals_max for one in intervals)
        del intervals[:gone]
        return intervals[-1]
