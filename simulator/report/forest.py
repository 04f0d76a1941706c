"""Forest plots: values with their intervals, one line each, grouped under headings."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter

from simulator.report import canvas
from simulator.report.numbers import (
    NO_SPREAD,
    NOTHING,
    decimals,
    decimals_of_width,
    number,
    tick,
)
from simulator.report.page import Column, Figure, LegendEntry, Table

LINE_PX = 24
LINE_NARROW_PX = 38
WHISKER_PX = 7
"""Between the whiskers of one value."""
HEADING_PX = 32
AXIS_PX = 44
LABEL_CHARACTERS = 30
REACH = 4.0
"""How far, in spans of the values or typical intervals, the axis goes beyond the values; what
reaches further ends in an arrow. One estimate without overlap would else flatten all others."""

COLUMNS = (
    Column("policy", "Policy"),
    Column("label", "Estimate"),
    Column("value", "Value", "number"),
    Column("method", "Interval or observation"),
    Column("level", "Level", "share"),
    Column("low", "Low", "number"),
    Column("high", "High", "number"),
)


class Whisker(NamedTuple):
    """One interval of a value."""

    method: str
    level: float
    low: float
    high: float


class Dot(NamedTuple):
    """A single observation."""

    label: str
    value: float


class Entry(NamedTuple):
    """One line of the plot."""

    group: str
    label: str
    value: float | None
    whiskers: Sequence[Whisker]
    series: int
    dots: Sequence[Dot] = ()
    """Single observations, such as one a seed, drawn faintly below the value."""
    doubtful: bool = False
    """Whether the value's mark is hollow: nothing to lean on."""

    @property
    def spread(self) -> list[Whisker]:
        """The intervals that have a width; one without would look certain."""
        return [w for w in self.whiskers if w.high > w.low]


class Reference(NamedTuple):
    """A vertical line to judge values by, with a band where it is uncertain."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


def forest(
    name: str,
    title: str,
    caption: str,
    entries: Sequence[Entry],
    axis: str,
    reference: Reference | None = None,
) -> Figure:
    """Return a forest plot; ``axis`` says what the values are."""
    methods = list(dict.fromkeys(w.method for entry in entries for w in entry.whiskers))
    plot = _Plot(entries, axis, reference, methods)
    levels = {w.method: w.level for entry in entries for w in entry.whiskers}
    legend = [
        LegendEntry(f"{method}, {levels[method] * 100:g} %", None, place)
        for place, method in enumerate(methods)
        if any(w.method == method for entry in entries for w in entry.spread)
    ]
    if any(entry.doubtful for entry in entries):
        legend.append(LegendEntry("hollow: in doubt, as verdicts say", None, hollow=True))
    return Figure(
        name=name,
        title=title,
        caption=caption,
        alt=_alt(title, entries, reference),
        picture=canvas.picture(name, plot.height, plot.draw),
        numbers=Table(name, title, COLUMNS, _rows(entries, reference)),
        legend=legend,
    )


class _Plot:
    def __init__(
        self,
        entries: Sequence[Entry],
        axis: str,
        reference: Reference | None,
        methods: Sequence[str],
    ) -> None:
        self.entries = entries
        self.axis = axis
        self.reference = reference
        self.methods = methods
        self.grouped = any(entry.group for entry in entries)
        self.range = _range(entries, reference)

    def height(self, width: int) -> int:
        """Return the drawing's height."""
        headings = len({entry.group for entry in self.entries}) if self.grouped else 0
        lines = len(self.entries) * self._line(width) + headings * HEADING_PX
        return lines + AXIS_PX + 2 * self._top()

    def draw(self, drawing: Drawing, width: int) -> None:
        """Draw at one width."""
        narrow = width < canvas.WIDE
        longest = max((len(entry.label) for entry in self.entries), default=0)
        left = 14 if narrow else 36 + 6.6 * min(longest, LABEL_CHARACTERS)
        right = 14 if narrow else 200
        top = self._top()
        axes = canvas.box(drawing, left, AXIS_PX, right, top)
        depth = self.height(width) - AXIS_PX - top
        axes.set_xlim(*self.range)
        axes.set_ylim(depth, 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(visible=True, axis="x")
        axes.locator_params(axis="x", nbins=4 if narrow else 7)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: tick(x)))
        axes.set_xlabel(self.axis, labelpad=6)
        if self.reference is not None:
            self._reference(axes, self.reference, top)
        self._entries(axes, width, left)

    def _entries(self, axes: Axes, width: int, left: float) -> None:
        narrow = width < canvas.WIDE
        places = self._places()
        down, group = 0.0, ""
        for entry in self.entries:
            if self.grouped and entry.group != group:
                group = entry.group
                _text(axes, -left + 2, down + 20, shortened(group, 52), weight="bold")
                down += HEADING_PX
            line = self._line(width)
            middle = down + (28 if narrow else line / 2)
            indent = 2 if narrow or not self.grouped else 14
            _text(axes, -left + indent, middle - (18 if narrow else 0), shortened(entry.label))
            if not narrow:
                width_axes = width - left - 200
                _text(axes, width_axes + 14, middle, self._told(entry, places), size=11.5)
            self._marks(axes, entry, middle)
            down += line

    def _marks(self, axes: Axes, entry: Entry, middle: float) -> None:
        color = canvas.series_color(entry.series)
        low, high = self.range
        dots = [dot.value for dot in entry.dots]
        below = middle + WHISKER_PX * max(len(entry.spread), 1)
        axes.plot(dots, [below] * len(dots), "o", ms=4.5, color=color, alpha=0.5, mew=0)
        for line, whisker in enumerate(entry.spread):
            place = self.methods.index(whisker.method)
            height = middle + line * WHISKER_PX
            ends = [max(whisker.low, low), min(whisker.high, high)]
            if ends[0] > ends[1]:
                continue
            axes.plot(
                ends,
                [height] * 2,
                color=color,
                lw=2.4 if place == 0 else 1.6,
                ls=canvas.line_style(place),
                solid_capstyle="butt",
            )
            for end, mark, beyond in (
                (low, "<", whisker.low < low),
                (high, ">", whisker.high > high),
            ):
                if beyond:
                    axes.plot([end], [height], mark, ms=7, color=color, mew=0, clip_on=False)
        if entry.value is not None and low <= entry.value <= high:
            face, edge = (canvas.PAPER, color) if entry.doubtful else (color, canvas.PAPER)
            axes.plot([entry.value], [middle], "o", ms=8, color=face, mec=edge, mew=1.8, zorder=5)

    def _reference(self, axes: Axes, reference: Reference, top: float) -> None:
        if reference.low is not None and reference.high is not None:
            axes.axvspan(
                max(reference.low, self.range[0]),
                min(reference.high, self.range[1]),
                color=canvas.MUTED,
                alpha=0.13,
                lw=0,
            )
        axes.axvline(reference.value, color=canvas.MUTED, lw=1.2, ls=(0, (4, 3)))
        if top:
            share = (reference.value - self.range[0]) / (self.range[1] - self.range[0])
            aligned = "left" if share < 0.25 else "right" if share > 0.75 else "center"
            axes.annotate(
                reference.label,
                (reference.value, 0),
                xytext=(0, 5),
                textcoords="offset points",
                ha=aligned,
                color=canvas.MUTED,
                fontsize=11.5,
                annotation_clip=False,
            )

    def _places(self) -> int:
        widths = [w.high - w.low for e in self.entries for w in e.spread]
        return decimals_of_width(min(widths)) if widths else decimals(e.value for e in self.entries)

    def _top(self) -> int:
        return 0 if self.reference is None else 22

    def _line(self, width: int) -> int:
        line = LINE_NARROW_PX if width < canvas.WIDE else LINE_PX
        lines = max((len(e.spread) + bool(e.dots) for e in self.entries), default=1)
        return line + WHISKER_PX * max(lines - 1, 0)

    def _told(self, entry: Entry, places: int) -> str:
        if entry.value is None:
            return "no estimate"
        if not entry.whiskers:
            return number(entry.value, places)
        if not entry.spread or entry.whiskers[0] not in entry.spread:
            return f"{number(entry.value, places)}  {NO_SPREAD}"
        first = entry.whiskers[0]
        return (
            f"{number(entry.value, places)}  "
            f"[{number(first.low, places)}, {number(first.high, places)}]"
        )


def shortened(label: str, characters: int = LABEL_CHARACTERS) -> str:
    """Return a label that fits a drawing: one line, cut in the middle, for ends tell apart."""
    line = "".join(c if c.isprintable() else " " for c in label)
    if len(line) <= characters:
        return line
    kept = characters - 1
    return line[: kept // 2] + "…" + line[-(kept - kept // 2) :]


def _text(
    axes: Axes, right_px: float, down: float, text: str, *, weight: str = "normal", size: float = 12
) -> None:
    """Write left-aligned text so many pixels right of the axes' left edge, at a height of data."""
    axes.annotate(
        text,
        (0, down),
        xycoords=("axes fraction", "data"),
        xytext=(right_px, 0),
        textcoords="offset points",
        va="center_baseline",
        fontweight=weight,
        fontsize=size,
        annotation_clip=False,
    )


def _range(entries: Sequence[Entry], reference: Reference | None) -> tuple[float, float]:
    values = [e.value for e in entries if e.value is not None and math.isfinite(e.value)]
    values += [reference.value] if reference else []
    ends = [end for e in entries for w in e.whiskers for end in (w.low, w.high)]
    ends += [dot.value for e in entries for dot in e.dots]
    ends += [e for e in (reference or Reference("", 0))[2:] if e is not None]
    core = values or [end for end in ends if math.isfinite(end)] or [0.0, 1.0]
    spans = [w.high - w.low for e in entries for w in e.whiskers if math.isfinite(w.high - w.low)]
    reach = REACH * max(max(core) - min(core), statistics.median(spans) if spans else 0.0)
    low = max(min([*ends, *core]), min(core) - reach)
    high = min(max([*ends, *core]), max(core) + reach)
    if not high > low:
        low, high = low - (abs(low) or 1), high + (abs(high) or 1)
    margin = 0.03 * (high - low)
    return low - margin, high + margin


def _rows(
    entries: Sequence[Entry], reference: Reference | None
) -> list[tuple[str | float | None, ...]]:
    rows: list[tuple[str | float | None, ...]] = []
    for entry in entries:
        head = (entry.group, entry.label, entry.value)
        if not entry.whiskers:
            rows.append((*head, None, None, None, None))
        rows += [(*head, w.method, w.level, w.low, w.high) for w in entry.whiskers]
        rows += [(*head[:2], d.value, d.label, None, None, None) for d in entry.dots]
    if reference is not None:
        rows.append(
            (reference.label, "", reference.value, None, None, reference.low, reference.high)
        )
    return rows


def _alt(title: str, entries: Sequence[Entry], reference: Reference | None) -> str:
    places = decimals([e.value for e in entries])
    told = [
        f"{(e.group + ', ') if e.group else ''}{e.label}: "
        f"{NOTHING if e.value is None else number(e.value, places)}"
        for e in entries[:12]
    ]
    more = f"; and {len(entries) - 12} more" if len(entries) > 12 else ""
    against = f" The line is {reference.label}." if reference else ""
    return f"Forest plot. {title}. {'; '.join(told)}{more}.{against}"
