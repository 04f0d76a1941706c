"""What a report's page consists of, before it is HTML: sections of tables, figures, verdicts.

Every kind of result is laid out as a :class:`Page` by a module of its own, and one template writes
them all. Cells keep their raw values, so that a download holds the very numbers of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

Cell = str | float | int | bool | None
Format = Literal["text", "number", "count", "share", "p"]


class Column(NamedTuple):
    """A table's column: ``key`` heads it in the CSV, ``title`` on the page."""

    key: str
    title: str
    format: Format = "text"
    """``share`` is a proportion shown as per cent, ``p`` a p-value."""
    joined: bool = False
    """The upper end of an interval, shown in one cell with the column before it, the lower end."""


class Table(NamedTuple):
    """Rows of raw values; ``name`` is the download's file name without its ending."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    folded: bool = False
    """Shown only when asked for."""
    kind: Literal["table"] = "table"


class LegendEntry(NamedTuple):
    """What one line, or mark, of a figure stands for."""

    label: str
    series: int | None
    """Which of the page's colours; None is the colour of text."""
    dash: int = 0
    """Which of ``simulator.report.canvas.DASHES``."""
    hollow: bool = False
    """A hollow mark in place of a line."""


class Picture(NamedTuple):
    """A drawing at two widths, as SVG elements; the page shows the one that fits."""

    wide: str
    narrow: str


class Figure(NamedTuple):
    """A drawing with the numbers it was made from."""

    name: str
    title: str
    caption: str
    alt: str
    """What the picture shows, for who cannot see it."""
    picture: Picture
    numbers: Table
    legend: Sequence[LegendEntry] = ()
    named: bool = False
    """Whether the wide drawing names its lines itself, and needs no legend."""
    kind: Literal["figure"] = "figure"


class Verdict(NamedTuple):
    """How far estimates may be trusted, in plain words."""

    title: str
    sound: bool
    text: str
    warnings: Sequence[str]
    facts: Sequence[tuple[str, str]]
    share: float | None = None
    """Effective rounds over rounds, drawn as a bar."""
    kind: Literal["verdict"] = "verdict"


class Note(NamedTuple):
    """A paragraph beside the numbers."""

    text: str
    alarm: bool = False
    """Whether nobody may read the numbers without it."""
    kind: Literal["note"] = "note"


class Remarks(NamedTuple):
    """What else is to be known, as a list."""

    texts: Sequence[str]
    kind: Literal["remarks"] = "remarks"


Block = Table | Figure | Verdict | Note | Remarks


class Section(NamedTuple):
    """A part of the page under one heading; ``name`` is its anchor."""

    name: str
    title: str
    lead: str
    blocks: Sequence[Block]


class Fact(NamedTuple):
    """A number that stands at the head of the page."""

    label: str
    value: str
    detail: str = ""
    alarm: bool = False


class Page(NamedTuple):
    """A whole report, but for where its result comes from."""

    kind: str
    title: str
    headline: str
    """The finding, in a sentence or two."""
    facts: Sequence[Fact]
    sections: Sequence[Section]
