"""Downloads that live in the page: tables as CSV and the result as JSON, in ``data:`` URIs.

A spreadsheet takes text that starts with =, +, -, @, a tab or a line break for a formula (OWASP,
"CSV Injection"); such text gets a leading apostrophe. Numbers are written as numbers, in full.
"""

from __future__ import annotations

import csv
import io
from urllib.parse import quote

from simulator.report.page import Cell, Table

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_SAFE = ",.:;_-/()[]{}!*"


def csv_text(table: Table) -> str:
    """Return a table as CSV (RFC 4180), headed by its columns' keys."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_cell(column.key) for column in table.columns])
    for row in table.rows:
        writer.writerow([_cell(cell) for cell in row])
    return text.getvalue()


def csv_uri(table: Table) -> str:
    """Return a table as a ``data:`` URI."""
    return "data:text/csv;charset=utf-8," + quote(csv_text(table), safe=_SAFE)


def json_uri(document: bytes) -> str:
    """Return a JSON document as a ``data:`` URI."""
    return "data:application/json;charset=utf-8," + quote(document, safe=_SAFE)


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + value if value.lstrip(" ").startswith(_FORMULA) else value
