"""What the learner counts: enough to tell whether it is learning, and whether it learned all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from bandit.types import SHARES, SURFACES, Share, Surface


class ShareStatistics(msgspec.Struct):
    """What the displays of one surface to one share of viewers earned.

    A display is a title (with its artwork) or a row that was seen on one page, by the surface's
    exposure rule.
    """

    displays: int = 0
    clicks: int = 0
    """Displays with at least one click."""
    plays: int = 0
    """Displays with at least one play that was no quick abandon; by displays: the take fraction."""
    reward: float = 0.0
    """Sum over the displays."""


class LearningCounts(msgspec.Struct):
    """What was learned, over the learner's whole life."""

    outcomes: dict[str, int] = {}
    """By what closed them."""
    examples: dict[Surface, int] = {}
    """Training examples learned."""
    unlearnable: dict[Surface, int] = {}
    """Examples left out: a feature or a cross of them is too large, or the log's numbers wrong."""
    shares: dict[Surface, dict[Share, ShareStatistics]] = msgspec.field(
        default_factory=lambda: {
            surface: {share: ShareStatistics() for share in SHARES} for surface in SURFACES
        }
    )
    missing_items: int = 0
    """Displays of titles or artworks that no stored catalog knows: counted, not learned."""
    unplaced_events: int = 0
    """Joined feedback that names a title its page did not hold."""
    match_pages: int = 0
    """Pages on which, in apprentice mode, the model's choice was compared with the baseline's."""
    match_sum: float = 0.0
    """Sum over those pages of the share of titles on which the two agree."""

    def plus(self, other: LearningCounts) -> LearningCounts:
        """Return what two learners learned together, of different decisions."""
        return LearningCounts(
            _sums(self.outcomes, other.outcomes),
            _sums(self.examples, other.examples),
            _sums(self.unlearnable, other.unlearnable),
            {
                surface: {
                    share: _of_both(one, other.shares[surface][share])
                    for share, one in shares.items()
                }
                for surface, shares in self.shares.items()
            },
            self.missing_items + other.missing_items,
            self.unplaced_events + other.unplaced_events,
            self.match_pages + other.match_pages,
            self.match_sum + other.match_sum,
        )


Key = TypeVar("Key", bound=str)


def _sums(one: Mapping[Key, int], other: Mapping[Key, int]) -> dict[Key, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def _of_both(one: ShareStatistics, other: ShareStatistics) -> ShareStatistics:
    return ShareStatistics(
        one.displays + other.displays,
        one.clicks + other.clicks,
        one.plays + other.plays,
        one.reward + other.reward,
    )
