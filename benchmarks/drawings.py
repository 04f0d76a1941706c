"""Bars, percentiles and curves as SVG that takes its colours from the page."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.figures import Curve
from simulator.report import canvas
from simulator.report.numbers import tick
from simulator.report.page import Picture

BAR_PX: Final = 30
AXIS_PX: Final = 46
TOP_PX: Final = 12
LABEL_PX: Final = 300
LABEL_NARROW_PX: Final = 150
LABEL_NARROW_CHARACTERS: Final = 21
CURVE_PX: Final = 330
CURVE_NARROW_PX: Final = 280
WIDE_RATIO: Final = 30.0
"""Bars that differ more than this are drawn as dots on a logarithmic axis: on a common linear one
the shortest could not be seen, and a bar has no beginning on a logarithmic one."""

_FINE: Final = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)


def bars(name: str, values: Mapping[str, float], ours: Container[str]) -> Picture:
    """Draw values by label; those of ``ours`` have a colour of their own."""

    def height(_: int) -> int:
        return TOP_PX + AXIS_PX + BAR_PX * len(values)

    def draw(drawing: Drawing, width: int) -> None:
        narrow = width < canvas.WIDE
        axes = _rows_box(drawing, list(values), narrow=narrow)
        places = list(range(len(values)))[::-1]
        numbers = list(values.values())
        colors = [canvas.series_color(1 if label in ours else 6) for label in values]
        positive = [number for number in numbers if number > 0]
        if positive and max(positive) / min(positive) > WIDE_RATIO:
            axes.set_xscale("log")
            axes.scatter(numbers, places, color=colors, s=70, zorder=3)
            axes.set_xlim(*_around(positive, right=3.5 if narrow else 2.0))
            _decades(axes, "x", narrow=narrow)
            offset = 9
        else:
            axes.barh(places, numbers, color=colors, height=0.62)
            axes.set_xlim(0, max(numbers) * (1.3 if narrow else 1.14) or 1)
            axes.locator_params(axis="x", nbins=4 if narrow else 8)
            offset = 6
        for place, number in zip(places, numbers, strict=True):
            axes.annotate(
                told(number),
                (number, place),
                xytext=(offset, 0),
                textcoords="offset points",
                va="center_baseline",
                fontsize=12,
            )
        axes.grid(visible=True, axis="x")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: tick(x)))

    return canvas.picture(name, height, draw)


def told(value: float) -> str:
    """Return a number in full, with separators, and without a needless fraction."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"


def percentiles(name: str, rows: Mapping[str, Sequence[tuple[str, float]]], unit: str) -> Picture:
    """Draw a line of dots for each label: (percentile, value) pairs, on a logarithmic axis."""

    def height(_: int) -> int:
        return TOP_PX + AXIS_PX + BAR_PX * len(rows)

    def draw(drawing: Drawing, width: int) -> None:
        narrow = width < canvas.WIDE
        axes = _rows_box(drawing, list(rows), narrow=narrow)
        for place, points in zip(range(len(rows))[::-1], rows.values(), strict=True):
            numbers = [value for _, value in points]
            axes.plot(numbers, [place] * len(numbers), color=canvas.LINE, lw=5, zorder=1)
            for percentile, value in points:
                color = canvas.series_color(_PERCENTILE_SERIES.get(percentile, 6))
                axes.scatter([value], [place], color=color, s=62, zorder=3)
        axes.set_xscale("log")
        axes.set_xlim(*_around([value for points in rows.values() for _, value in points], 1.4))
        _decades(axes, "x", narrow=narrow)
        axes.set_xlabel(unit, labelpad=4)
        axes.grid(visible=True, axis="x")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: tick(x)))

    return canvas.picture(name, height, draw)


_PERCENTILE_SERIES: Final = {"50": 0, "95": 4, "99": 1, "99.9": 3}


def percentile_series(percentile: str) -> int:
    """Return the colour of a percentile's dots."""
    return _PERCENTILE_SERIES.get(percentile, 6)


def curve(name: str, drawn: Curve) -> Picture:
    """Draw all lines of a curve with a dot at each point."""

    def height(width: int) -> int:
        return CURVE_NARROW_PX if width < canvas.WIDE else CURVE_PX

    def draw(drawing: Drawing, width: int) -> None:
        narrow = width < canvas.WIDE
        axes = canvas.box(drawing, 56, 46, 16, 32)
        for series, points in enumerate(drawn.lines.values()):
            axes.plot(
                [right for right, _ in points],
                [up for _, up in points],
                color=canvas.series_color(series),
                ls=canvas.line_style(canvas.series_dash(series)),
                lw=2.2,
                marker="o",
                ms=5,
            )
        axes.set_title(drawn.y, loc="left", fontsize=12, color=canvas.MUTED, x=0, pad=10)
        axes.set_xlabel(drawn.x, labelpad=6)
        axes.grid(visible=True, axis="y")
        axes.spines["left"].set_visible(False)
        _scale(axes, drawn, narrow=narrow)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: tick(x)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: tick(y)))

    return canvas.picture(name, height, draw)


def _scale(axes: Axes, drawn: Curve, *, narrow: bool) -> None:
    rights = sorted({right for points in drawn.lines.values() for right, _ in points})
    ups = [up for points in drawn.lines.values() for _, up in points]
    if "x" in drawn.logarithmic and rights and rights[0] > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(_apart(rights, 1.9 if narrow else 1.25)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.locator_params(axis="x", nbins=4 if narrow else 8)
    if "y" in drawn.logarithmic and ups and min(ups) > 0:
        axes.set_yscale("log")
        axes.set_ylim(*_around(ups, 1.3))
        _decades(axes, "y", narrow=False)
    else:
        axes.set_ylim(0, 1.08 * max(ups, default=1) or 1)
        axes.locator_params(axis="y", nbins=6)


def _apart(values: Sequence[float], factor: float) -> list[float]:
    """Return those of the sorted values that have room for a label."""
    kept: list[float] = []
    for value in values:
        if not kept or value >= factor * kept[-1]:
            kept.append(value)
    return kept


def _rows_box(drawing: Drawing, labels: Sequence[str], *, narrow: bool) -> Axes:
    axes = canvas.box(drawing, LABEL_NARROW_PX if narrow else LABEL_PX, AXIS_PX - 10, 16, TOP_PX)
    shown = [_short(label) if narrow else label for label in labels]
    axes.yaxis.set_major_locator(FixedLocator(range(len(labels))[::-1]))
    axes.set_yticklabels(shown)
    for text in axes.get_yticklabels():
        text.set_color(canvas.INK)
    axes.set_ylim(-0.6, len(labels) - 0.4)
    axes.spines["bottom"].set_visible(False)
    return axes


def _short(label: str) -> str:
    if len(label) <= LABEL_NARROW_CHARACTERS:
        return label
    return label[: LABEL_NARROW_CHARACTERS - 1].rstrip(" ,") + "…"


def _around(values: Sequence[float], right: float) -> tuple[float, float]:
    """Return the ends of a logarithmic axis."""
    return min(values) / 1.4, max(values) * right


def _decades(axes: Axes, which: str, *, narrow: bool) -> None:
    """Tick as many of each decade as there is room for."""
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = math.log10(high / low) * (2 if narrow else 1)
    steps = (1.0,) if decades > 3 else (1.0, 2.0, 5.0) if decades > 0.7 else _FINE
    ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator([at for at in ticks if low <= at <= high]))
    axis.set_minor_locator(NullLocator())
