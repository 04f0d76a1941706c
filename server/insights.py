"""What is told of how it goes, from the figures that the learner wrote last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from bandit.clock import MICROSECONDS, to_us
from bandit.config.schema import Config
from bandit.insights.bets import Ends, fraction_range
from bandit.insights.means import Mean, ShareMeans
from bandit.insights.singly import ArtworkCounts, RowCounts
from bandit.insights.state import InsightsState, encode_state
from bandit.insights.sums import PAGE_DISPLAYS_MAX, PAGE_GAIN_MAX, gain_min
from bandit.insights.told import (
    InsightsFile,
    Told,
    ToldState,
    decode_told,
    order_reset,
    read_insights,
)
from bandit.statistics import LearningCounts, ShareStatistics
from bandit.status import read_status
from bandit.types import SHARES, SURFACES, Share, Surface
from server.errors import NoSuchFiguresError
from server.insights_series import series_of
from server.insights_wire import (
    ArtworkFigures,
    InsightsAnswer,
    LiftRange,
    Range,
    RowFigures,
    SegmentFigures,
    ShareFigures,
    TitleFigures,
    TitleInsightsAnswer,
    alarm_of,
)
from server.state_disk import disk


class _Asked(NamedTuple):
    """Of which surface means are told, and with what chance of error."""

    surface: Surface
    error: float


class InsightsDesk:
    """Answers what the learner counts, and lets its alarms begin anew."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._directory = Path(config.learner.directory)

    def answer(self, now_us: int) -> InsightsAnswer:
        """Tell how it goes; all is empty before a learner has told anything."""
        told = read_insights(self._directory) or self._nothing(now_us)
        status = read_status(self._directory)
        counts = LearningCounts() if status is None else status.learned
        settings, state = self._config.insights, told.state
        return InsightsAnswer(
            at=told.file.at_us / MICROSECONDS,
            since=None if state.since_us is None else state.since_us / MICROSECONDS,
            interval_s=state.interval_us / MICROSECONDS,
            confidence=settings.confidence,
            series=series_of(told, settings.intervals_max),
            shares={
                surface: self._shares(surface, state.shares[surface], counts.shares[surface])
                for surface in SURFACES
            },
            lift={surface: self._lift(surface, state.shares[surface]) for surface in SURFACES},
            join={} if status is None else status.joined,
            open_decisions=0 if status is None else status.open_decisions,
            alarms=[alarm_of(report) for report in told.file.alarms],
            titles=_titles(told.file),
            rows=self._rows(state),
        )

    def title(self, title: str) -> TitleInsightsAnswer:
        """Tell of a title's artworks.

        Raises:
            NoSuchFiguresError: it is not counted singly.
        """
        told = read_insights(self._directory)
        counts = None if told is None else told.title(title)
        if counts is None:
            raise NoSuchFiguresError(
                f"no figures are kept of the title {title!r}",
                hint="GET /v1/insights lists the titles that are counted singly: those displayed "
                "most of late, insights.titles_max of them",
            )
        learned = sum(one.displays - one.others for one in counts.artworks.values())
        figures = [
            self._artwork(name, artwork, learned)
            for name, artwork in counts.artworks.items()
            if artwork.displays
        ]
        return TitleInsightsAnswer(
            id=title, artworks=sorted(figures, key=lambda one: (-one.displays, one.id))
        )

    def reset_alarms(self) -> None:
        """Order the learner to begin its alarms anew.

        Raises:
            StateUnavailableError: the order cannot be written now.
        """
        with disk():
            order_reset(self._directory)

    def _nothing(self, now_us: int) -> Told:
        interval_us = max(1, to_us(self._config.insights.interval_s))
        empty = encode_state(InsightsState(interval_us=interval_us, segments=[]))
        return decode_told(
            InsightsFile(
                at_us=now_us,
                log_clock_us=0,
                state=msgspec.Raw(empty),
                titles=[],
                gauges=[],
                alarms=[],
            )
        )

    @property
    def _error(self) -> float:
        return 1.0 - self._config.insights.confidence

    def _shares(
        self,
        surface: Surface,
        means: Mapping[Share, ShareMeans],
        totals: Mapping[Share, ShareStatistics],
    ) -> dict[Share, ShareFigures]:
        asked, default = _Asked(surface, self._error), self._config.reward.default
        return {
            share: ShareFigures(
                displays=totals[share].displays,
                clicks=totals[share].clicks,
                plays=totals[share].plays,
                reward=totals[share].reward,
                take=_range(means[share].take, asked),
                click=_range(means[share].click, asked),
                reward_rate=_range(means[share].gain, asked, default),
            )
            for share in SHARES
        }

    def _lift(self, surface: Surface, shares: Mapping[Share, ShareMeans]) -> LiftRange | None:
        """Return the lift; each of the two rates may err with half the chance."""
        asked, default = _Asked(surface, self._error / 2.0), self._config.reward.default
        learned = _range(shares["learned"].gain, asked, default)
        holdout = _range(shares["holdout"].gain, asked, default)
        if learned is None or holdout is None or not holdout.value:
            return None
        return LiftRange(
            value=learned.value / holdout.value - 1.0,
            low=learned.low / holdout.high - 1.0,
            high=learned.high / holdout.low - 1.0 if holdout.low else None,
        )

    def _rows(self, state: ToldState) -> list[RowFigures]:
        found = sorted(state.rows.known.items(), key=lambda item: (-item[1].displays, item[0]))
        shown: list[tuple[str, RowCounts]] = [item for item in found if item[1].displays]
        totals = [row.reward for _, row in shown]
        ranges = _fractions(totals, [row.displays for _, row in shown], self._error)
        return [
            RowFigures(
                id=name,
                displays=row.displays,
                clicks=row.clicks,
                plays=row.plays,
                position_mean=row.positions / row.displays,
                reward_rate=reward_rate,
            )
            for (name, row), reward_rate in zip(shown, ranges, strict=True)
        ]

    def _artwork(self, name: str, counts: ArtworkCounts, learned: int) -> ArtworkFigures:
        segments = sorted(counts.segments.items(), key=lambda item: (-item[1][0], item[0]))
        plays = [counts.plays, *(cell[1] for _, cell in segments)]
        displays = [counts.displays, *(cell[0] for _, cell in segments)]
        take, *takes = _fractions(plays, displays, self._error)
        return ArtworkFigures(
            id=name,
            displays=counts.displays,
            clicks=counts.clicks,
            plays=counts.plays,
            share=(counts.displays - counts.others) / learned if learned else None,
            take=take,
            segments={
                segment: SegmentFigures(displays=cell[0], plays=cell[1], take=one)
                for (segment, cell), one in zip(segments, takes, strict=True)
            },
        )


def _titles(file: InsightsFile) -> list[TitleFigures]:
    return [
        TitleFigures(
            id=title.id,
            displays=title.displays,
            plays=title.plays,
            take=title.plays / title.displays,
        )
        for title in file.titles
    ]


def _fractions(totals: Sequence[float], counts: Sequence[int], error: float) -> list[Range]:
    """Return the mean of values in [0, 1], and its range, for several sums of them."""
    ends: Ends = fraction_range(np.array(totals, float), np.array(counts, float), error)
    values = [total / count for total, count in zip(totals, counts, strict=True)]
    return [
        Range(value, min(value, float(low)), max(value, float(high)))
        for value, low, high in zip(values, ends.low, ends.high, strict=True)
    ]


def _range(mean: Mean, asked: _Asked, default: float = 0.0) -> Range | None:
    """Return a mean a display, of which there is at most one of each kind."""
    if not mean.displays:
        return None
    low, high = mean.ends(
        asked.error,
        width=PAGE_GAIN_MAX - gain_min(default),
        displays_max=PAGE_DISPLAYS_MAX[asked.surface],
    )
    return Range(mean.value + default, max(0.0, low + default), min(1.0, high + default))
