"""Tables as a reader sees them: headings and cells, where a download has raw values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from simulator.report.numbers import decimals, decimals_of_width, formatted, spread
from simulator.report.page import Cell, Column, Table

SHORT = 36
"""Characters of text that is kept on one line."""


class Shown(NamedTuple):
    """A cell as text."""

    text: str
    numeric: bool
    """Whether it stands right-aligned, as numbers do."""

    @property
    def style(self) -> str:
        """The cell's class."""
        return "n" if self.numeric else "short" if len(self.text) <= SHORT else "long"


def shown(table: Table) -> list[list[Shown]]:
    """Return a table's cells; both ends of an interval share one."""
    places = [_places(table, i) for i in range(len(table.columns))]
    return [_row(table.columns, row, places) for row in table.rows]


def _row(columns: Sequence[Column], row: Sequence[Cell], places: Sequence[int]) -> list[Shown]:
    cells: list[Shown] = []
    for i, (column, cell) in enumerate(zip(columns, row, strict=True)):
        if column.joined:
            cells[-1] = Shown(spread(row[i - 1], cell, places[i]), numeric=True)
        else:
            numeric = column.format != "text" and not isinstance(cell, str)
            cells.append(Shown(formatted(cell, column.format, places[i]), numeric))
    return cells


def _places(table: Table, column: int) -> int:
    """Return a column's decimals; an interval has no more than its narrowest one is worth."""
    values = [row[column] for row in table.rows if not isinstance(row[column], str)]
    if not table.columns[column].joined:
        return decimals(values)
    lows = [row[column - 1] for row in table.rows]
    widths = [
        high - low
        for low, high in zip(lows, values, strict=True)
        if isinstance(low, float) and isinstance(high, float) and high > low
    ]
    return decimals_of_width(min(widths)) if widths else decimals(values)
