"""What is told of how it goes, over HTTP: figures over time, ranges, and the drift alarms.

Times are seconds since the Unix epoch, by the log's clock. docs/insights.md tells how each figure
is made. Ranges hold at all times at once: with the probability ``confidence`` none of the ranges
that are ever told of a figure misses what it stands for. Those of artworks, segments and rows stand
for the displays that have closed: they lean to what closes early, by what one window holds.
"""

from __future__ import annotations

import msgspec

from bandit.clock import MICROSECONDS
from bandit.drift_words import AlarmName, AlarmReport, AlarmState, in_words
from bandit.types import Share, Surface


class Range(msgspec.Struct, frozen=True):
    """An estimate, and the ends of its confidence sequence as it stands."""

    value: float
    low: float
    high: float


class LiftRange(msgspec.Struct, frozen=True):
    """Reward rate of the learned share over the holdout's, minus 1.

    ``high`` is absent while the holdout's rate may still be nothing.
    """

    value: float
    low: float
    high: float | None


class ShareSeries(msgspec.Struct, frozen=True, kw_only=True):
    """What the displays of one share earned, interval by interval."""

    displays: list[int]
    clicks: list[int]
    """Displays with at least one click."""
    plays: list[int]
    """Displays with at least one play that was no quick abandon."""
    reward: list[float]
    """Sums over the displays."""


class SurfaceSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One surface, interval by interval.

    ``entropy_bits`` is the mean of −log2(propensity) over the learned share's displays that were
    drawn; its expectation is the entropy of what they were drawn from. Absent where there are none.
    """

    shares: dict[Share, ShareSeries]
    entropy_bits: list[float | None]


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Figures by interval, oldest first; an outcome counts where its decision closed.

    ``lag_s`` and ``model_age_s`` are as the learner saw them at an interval's end; they are absent
    for the time before it was started.
    """

    at: list[float]
    """Where the intervals start."""
    surfaces: dict[Surface, SurfaceSeries]
    outcomes: list[int]
    examples: list[int]
    lag_s: list[float | None]
    model_age_s: dict[Surface, list[float | None]]


class ShareFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the displays of one surface to one share of viewers earned, all in all.

    Ranges rest on the pages whose reward window is over, of which each counts with four plays, four
    clicks, a reward of four, and 32 artworks or 16 rows displayed at most; the totals hold
    everything. Absent where there is nothing yet.
    """

    displays: int
    clicks: int
    plays: int
    reward: float
    take: Range | None
    """Plays a display."""
    click: Range | None
    """Clicks a display."""
    reward_rate: Range | None
    """Reward a display."""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A drift alarm.

    ``usual`` and ``now`` are the mean reward a display, or the mean over pages of the bits a
    display; absent before there are any. ``evidence`` is how much of what raises the alarm has been
    gathered, by the logarithm, 0 to 1.
    """

    name: AlarmName
    surface: Surface
    state: AlarmState
    evidence: float
    usual: float | None
    now: float | None
    raised_at: float | None
    says: str
    """The same in words, with what to do."""


def alarm_of(report: AlarmReport) -> Alarm:
    """Return what is told of an alarm over HTTP."""
    raised_us = report.raised_at_us
    return Alarm(
        name=report.name,
        surface=report.surface,
        state=report.state,
        evidence=report.evidence,
        usual=report.usual,
        now=report.now,
        raised_at=None if raised_us is None else raised_us / MICROSECONDS,
        says=in_words(report),
    )


class TitleFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A title that is counted singly."""

    id: str
    displays: int
    plays: int
    take: float
    """Plays a display."""


class RowFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is counted singly."""

    id: str
    displays: int
    clicks: int
    plays: int
    position_mean: float
    """Mean place on the page, from 0 at the top."""
    reward_rate: Range


class InsightsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How it goes: of late, all in all, and whether anything drifts."""

    at: float
    """When the learner told it."""
    since: float | None
    """The first outcome that is counted; absent before any is."""
    interval_s: float
    confidence: float
    series: Series
    shares: dict[Surface, dict[Share, ShareFigures]]
    lift: dict[Surface, LiftRange | None]
    join: dict[str, int]
    """Records by what the joiner made of them."""
    open_decisions: int
    alarms: list[Alarm]
    titles: list[TitleFigures]
    """By displays, most first."""
    rows: list[RowFigures]
    """By displays, most first."""


class SegmentFigures(msgspec.Struct, frozen=True, kw_only=True):
    """An artwork's displays to those viewers whose context has a certain value."""

    displays: int
    plays: int
    take: Range


class ArtworkFigures(msgspec.Struct, frozen=True, kw_only=True):
    """An artwork's displays, and what came of them.

    ``share`` is its part of the title's displays to the learned share, absent before there are any.
    ``segments`` are named as in ``device=tv``.
    """

    id: str
    displays: int
    clicks: int
    plays: int
    share: float | None
    take: Range
    segments: dict[str, SegmentFigures]


class TitleInsightsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A title's artworks, those shown most first."""

    id: str
    artworks: list[ArtworkFigures]
