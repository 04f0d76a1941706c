"""Calibration plots: whether choices are as frequent as their logged propensities say."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, NullLocator

from simulator.report import canvas
from simulator.report.numbers import tick
from simulator.report.page import Column, Figure, Table
from simulator.results import CalibrationBin

HEIGHT_PX = 360
HEIGHT_NARROW_PX = 330
DECADES_LOGARITHMIC = 1.5
"""From how wide a range of propensities on both scales are logarithmic."""

COLUMNS = (
    Column("predicted", "Logged propensity", "number"),
    Column("observed", "Observed frequency", "number"),
    Column("low", "Low", "number"),
    Column("high", "High", "number"),
    Column("rounds", "Rounds", "count"),
)


def calibration_plot(name: str, bins: Sequence[CalibrationBin]) -> Figure:
    """Return observed frequencies against logged propensities, by bin."""
    plot = _Plot(bins)
    title = "Propensity calibration"
    off = sum(not b.low <= b.predicted <= b.high for b in bins)
    return Figure(
        name=name,
        title=title,
        caption="How often choices came about against how likely the log says they were. On the "
        "diagonal the propensities are right; an estimate is as wrong as they are.",
        alt=f"Calibration plot. {title}. {len(bins)} bins; the intervals of {off} miss the "
        "diagonal.",
        picture=canvas.picture(name, plot.height, plot.draw),
        numbers=Table(
            name, title, COLUMNS, [(b.predicted, b.observed, b.low, b.high, b.count) for b in bins]
        ),
    )


class _Plot:
    def __init__(self, bins: Sequence[CalibrationBin]) -> None:
        self.bins = bins
        sizes = [size for b in bins for size in (b.predicted, b.observed) if size > 0]
        self.least, self.most = min(sizes, default=0.1), max(sizes, default=1.0)
        self.logarithmic = self.most > self.least * 10**DECADES_LOGARITHMIC

    def height(self, width: int) -> int:
        """Return the drawing's height."""
        return HEIGHT_NARROW_PX if width < canvas.WIDE else HEIGHT_PX

    def draw(self, drawing: Drawing, width: int) -> None:
        """Draw a plot that is about square, whatever the width."""
        narrow = width < canvas.WIDE
        side = self.height(width) - 72
        axes = canvas.box(drawing, 58, 46, width - 58 - (288 if narrow else side * 1.5), 26)
        if self.logarithmic:
            axes.set_xscale("log")
            axes.set_yscale("log")
            limits = (self.least / 1.6, self.most * 1.6)
        else:
            limits = (0.0, self.most * 1.08)
        axes.set_xlim(*limits)
        axes.set_ylim(*limits)
        if not self.logarithmic:
            axes.locator_params(nbins=6)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: tick(x)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: tick(y)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        self._marks(axes, limits)
        axes.set_xlabel("logged propensity", labelpad=6)
        axes.set_title("observed frequency", loc="left", fontsize=12, color=canvas.MUTED, pad=8)
        axes.grid(visible=True)
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_visible(False)

    def _marks(self, axes: Axes, limits: tuple[float, float]) -> None:
        axes.plot(limits, limits, color=canvas.MUTED, lw=1.2, ls=(0, (4, 3)))
        color = canvas.series_color(0)
        floor = limits[0] if self.logarithmic else 0.0
        for found in self.bins:
            if self.logarithmic and found.predicted <= 0:
                continue
            axes.plot(
                [found.predicted] * 2, [max(found.low, floor), found.high], color=color, lw=2.2
            )
            if found.observed > floor or not self.logarithmic:
                axes.plot(
                    [found.predicted], [found.observed], "o", ms=8, color=color,
                    mec=canvas.PAPER, mew=1.5,
                )  # fmt: skip
