"""Histograms of importance weights, one panel a policy."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter

from simulator.report import canvas
from simulator.report.forest import shortened
from simulator.report.numbers import number, share, tick
from simulator.report.page import Column, Figure, Table
from simulator.results import Histogram

PANEL_PX = 194
TICKS = 6

COLUMNS = (
    Column("policy", "Policy"),
    Column("from", "From", "number"),
    Column("to", "To", "number"),
    Column("rounds", "Rounds", "count"),
)


def weight_histograms(
    name: str, histograms: Mapping[str, Histogram], series: Mapping[str, int]
) -> Figure:
    """Return the policies' weights; bins stand side by side, whatever their widths."""
    plot = _Plot(histograms, series)
    rows = [
        (policy, low, high, count)
        for policy, found in histograms.items()
        for low, high, count in zip(found.edges[:-1], found.edges[1:], found.counts, strict=True)
    ]
    title = "Importance weights"
    return Figure(
        name=name,
        title=title,
        caption="Rounds by weight: the policy's probability of what was logged over the logging "
        "policy's. A long tail means that few rounds decide the estimate. The scale of rounds is "
        "logarithmic, and bins are drawn equally wide.",
        alt=f"Histograms. {title}. " + " ".join(_told(p, h) for p, h in histograms.items()),
        picture=canvas.picture(name, plot.height, plot.draw),
        numbers=Table(name, title, COLUMNS, rows),
    )


class _Plot:
    def __init__(self, histograms: Mapping[str, Histogram], series: Mapping[str, int]) -> None:
        self.histograms = histograms
        self.series = series

    def columns(self, width: int) -> int:
        """Return how many panels stand side by side."""
        return 1 if width < canvas.WIDE else min(2, max(len(self.histograms), 1))

    def height(self, width: int) -> int:
        """Return the drawing's height."""
        return PANEL_PX * math.ceil(len(self.histograms) / self.columns(width)) + 22

    def draw(self, drawing: Drawing, width: int) -> None:
        """Draw at one width."""
        columns = self.columns(width)
        panel = width / columns
        height = self.height(width)
        most = max((max(h.counts, default=1) for h in self.histograms.values()), default=1)
        for place, (policy, found) in enumerate(self.histograms.items()):
            row, column = divmod(place, columns)
            top = row * PANEL_PX + 26
            axes = canvas.box(
                drawing,
                column * panel + 46,
                height - (row + 1) * PANEL_PX + 22,
                width - (column + 1) * panel + 14,
                top,
            )
            _panel(axes, policy, found, canvas.series_color(self.series.get(policy)), most)
            if row == (len(self.histograms) - 1 - column) // columns:
                axes.set_xlabel("weight", labelpad=4)


def _panel(axes: Axes, policy: str, found: Histogram, color: str, most: int) -> None:
    bins = len(found.counts)
    axes.bar(range(bins), found.counts, width=0.86, align="edge", color=color, lw=0)
    axes.set_yscale("log")
    axes.set_ylim(0.7, most * 1.6)
    axes.set_xlim(0, bins)
    ticks = sorted({round(i * bins / (TICKS - 1)) for i in range(TICKS)})
    axes.set_xticks(ticks, [tick(float(f"{found.edges[at]:.2g}")) for at in ticks])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: tick(y)))
    axes.minorticks_off()
    axes.grid(visible=True, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_title(shortened(policy), loc="left", fontsize=12, fontweight="bold", pad=8)


def _told(policy: str, found: Histogram) -> str:
    total = sum(found.counts)
    if not total:
        return f"{policy}: no rounds."
    below = sum(c for c, edge in zip(found.counts, found.edges[1:], strict=True) if edge <= 1)
    last = max(i for i, count in enumerate(found.counts) if count)
    return (
        f"{policy}: {share(below / total)} of the rounds weigh at most 1, "
        f"the heaviest at most {number(found.edges[last + 1], 1)}."
    )
