"""Tables as a reader sees them: headings and cells, where a download has raw values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from simulator.report.numbers import decimals, formatted, spread
from simulator.report.page import Cell, Column, Table


class Shown(NamedTuple):
    """A cell's text, and whether it stands right-aligned, as numbers do."""

    text: str
    numeric: bool


def shown(table: Table) -> list[list[Shown]]:
    """Return a table's cells; both ends of an interval share one."""
    places = [_places(table, i) for i in range(len(table.columns))]
    return [_row(table.columns, row, places) for row in table.rows]


def _row(columns: Sequence[Column], row: Sequence[Cell], places: Sequence[int]) -> list[Shown]:
    cells: list[Shown] = []
    for i, (column, cell) in enumerate(zip(columns, row, strict=True)):
        if column.joined:
            digits = min(places[i - 1], places[i])
            cells[-1] = Shown(spread(row[i - 1], cell, digits), numeric=True)
        else:
            numeric = column.format != "text" and not isinstance(cell, str)
            cells.append(Shown(formatted(cell, column.format, places[i]), numeric))
    return cells


def _places(table: Table, column: int) -> int:
    return decimals(row[column] for row in table.rows if not isinstance(row[column], str))
