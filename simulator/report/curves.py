"""Curves over pages with bands, one a policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter

from simulator.report import canvas
from simulator.report.forest import shortened
from simulator.report.numbers import compact, tick
from simulator.report.page import Column, Figure, LegendEntry, Table

HEIGHT_PX = 380
HEIGHT_NARROW_PX = 290
POINTS_DRAWN_MAX = 240
"""Of each curve; the numbers hold all of them."""
LABEL_PX = 15


class Curve(NamedTuple):
    """One policy's curve: equally long sequences."""

    label: str
    series: int
    pages: Sequence[int]
    middle: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def curves(name: str, title: str, caption: str, lines: Sequence[Curve], axis: str) -> Figure:
    """Return curves with bands; ``axis`` says what goes up."""
    plot = _Plot(lines, axis)
    columns = (
        Column("policy", "Policy"),
        Column("pages", "Pages", "count"),
        Column("value", axis, "number"),
        Column("low", "Low", "number"),
        Column("high", "High", "number"),
    )
    rows = [
        (line.label, *point)
        for line in lines
        for point in zip(line.pages, line.middle, line.low, line.high, strict=True)
    ]
    ends = "; ".join(f"{line.label}: {compact(line.middle[-1])}" for line in lines if line.middle)
    return Figure(
        name=name,
        title=title,
        caption=caption,
        alt=f"Curves over pages. {title}. At the end: {ends}.",
        picture=canvas.picture(name, plot.height, plot.draw),
        numbers=Table(name, title, columns, rows),
        legend=[
            LegendEntry(line.label, line.series, canvas.series_dash(line.series)) for line in lines
        ],
        named=True,
    )


class _Plot:
    def __init__(self, lines: Sequence[Curve], axis: str) -> None:
        self.lines = lines
        self.axis = axis

    def height(self, width: int) -> int:
        """Return the drawing's height, enough for a label a curve."""
        if width < canvas.WIDE:
            return HEIGHT_NARROW_PX
        return max(HEIGHT_PX, 80 + LABEL_PX * len(self.lines))

    def draw(self, drawing: Drawing, width: int) -> None:
        """Draw at one width; where there is room, each curve is named at its end."""
        narrow = width < canvas.WIDE
        longest = max((len(shortened(line.label)) for line in self.lines), default=0)
        right = 10 if narrow else 24 + 6.8 * longest
        axes = canvas.box(drawing, 52 if narrow else 62, 46, right, 30)
        for line in self.lines:
            _draw(axes, line)
        axes.set_title(self.axis, loc="left", fontsize=12, color=canvas.MUTED, x=0, pad=10)
        axes.set_xlabel("pages", labelpad=6)
        axes.grid(visible=True, axis="y")
        axes.spines["left"].set_visible(False)
        axes.margins(x=0, y=0.06)
        axes.locator_params(axis="x", nbins=4 if narrow else 7)
        axes.locator_params(axis="y", nbins=6)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: tick(y)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: tick(x)))
        if not narrow:
            self._names(axes, self.height(width) - 76)

    def _names(self, axes: Axes, height: float) -> None:
        low, high = axes.get_ylim()
        lines = [line for line in self.lines if len(line.middle)]
        wanted = [height * (line.middle[-1] - low) / (high - low) for line in lines]
        for line, up in zip(lines, spread(wanted, height), strict=True):
            axes.annotate(
                shortened(line.label),
                (1, 0),
                xycoords="axes fraction",
                xytext=(10, up),
                textcoords="offset points",
                va="center_baseline",
                color=canvas.series_color(line.series),
                annotation_clip=False,
            )


def spread(wanted: Sequence[float], height: float) -> list[float]:
    """Return heights near the wanted ones, at least a label apart and within the axes."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [0.0] * len(wanted)
    floor = 0.0
    for i in order:
        placed[i] = max(wanted[i], floor)
        floor = placed[i] + LABEL_PX
    ceiling = height
    for i in reversed(order):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - LABEL_PX
    return placed


def _draw(axes: Axes, line: Curve) -> None:
    count = len(line.pages)
    drawn = np.unique(np.linspace(0, count - 1, min(count, POINTS_DRAWN_MAX)).astype(int))
    color = canvas.series_color(line.series)
    pages = np.asarray(line.pages)[drawn]
    axes.fill_between(
        pages,
        np.asarray(line.low, float)[drawn],
        np.asarray(line.high, float)[drawn],
        color=color,
        alpha=0.16,
        lw=0,
    )
    axes.plot(
        pages,
        np.asarray(line.middle, float)[drawn],
        color=color,
        lw=2.2,
        ls=canvas.line_style(canvas.series_dash(line.series)),
        marker="o" if len(drawn) == 1 else None,
    )
