"""Figures over time as they are told: one list a figure, with a place for every interval."""

from __future__ import annotations

from bandit.clock import MICROSECONDS
from bandit.insights.series import Interval
from bandit.insights.told import Gauges, Told
from bandit.types import SHARES, SURFACES, Share, Surface
from server.insights_wire import Series, ShareSeries, SurfaceSeries


def series_of(told: Told, intervals_max: int) -> Series:
    """Return the intervals that are over by the log's clock, empty ones among them."""
    state = told.state
    intervals = {one.number: one for one in state.series.intervals}
    gauges = {one.number: one for one in told.file.gauges}
    end = told.file.log_clock_us // state.interval_us
    start = max(min([*intervals, *gauges], default=end), end - intervals_max)
    numbers = range(start, end)
    found = [intervals.get(number, Interval(number)) for number in numbers]
    looks = [gauges.get(number) for number in numbers]
    return Series(
        at=[number * state.interval_us / MICROSECONDS for number in numbers],
        surfaces={surface: _surface(found, surface) for surface in SURFACES},
        outcomes=[one.outcomes for one in found],
        examples=[one.examples for one in found],
        lag_s=[None if one is None else one.lag_s for one in looks],
        model_age_s={surface: _ages(looks, surface) for surface in SURFACES},
    )


def _surface(intervals: list[Interval], surface: Surface) -> SurfaceSeries:
    within = [one.surfaces.get(surface) for one in intervals]
    return SurfaceSeries(
        shares={share: _share(intervals, surface, share) for share in SHARES},
        entropy_bits=[one.bits / one.drawn if one and one.drawn else None for one in within],
    )


def _share(intervals: list[Interval], surface: Surface, share: Share) -> ShareSeries:
    counts = [one.of(surface, share) for one in intervals]
    return ShareSeries(
        displays=[one.displays for one in counts],
        clicks=[one.clicks for one in counts],
        plays=[one.plays for one in counts],
        reward=[one.reward for one in counts],
    )


def _ages(looks: list[Gauges | None], surface: Surface) -> list[float | None]:
    return [None if one is None else one.model_age_s.get(surface) for one in looks]
