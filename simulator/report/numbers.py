"""Numbers as a reader sees them: as many digits as they are worth, aligned by column."""

from __future__ import annotations

import math
from collections.abc import Iterable

from simulator.report.page import Cell, Format

DIGITS = 4
"""Significant digits of a column's largest value."""
NOTHING = "–"


def decimals(values: Iterable[Cell]) -> int:
    """Return how many decimals give the largest finite value ``DIGITS`` significant digits."""
    sizes = [abs(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    largest = max(sizes, default=0.0)
    if largest == 0:
        return DIGITS - 1
    return min(max(DIGITS - 1 - math.floor(math.log10(largest)), 0), 9)


def number(value: Cell, places: int) -> str:
    """Return a number with a fixed number of decimals, and a true minus sign."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    return f"{value:,.{places}f}".replace("-", "−")


def compact(value: float | None) -> str:
    """Return a number that stands alone."""
    return number(value, decimals([value]))


def decimals_of_width(width: float) -> int:
    """Return how many decimals an interval of a width is worth: two or three digits of it."""
    if not (math.isfinite(width) and width > 0):
        return DIGITS - 1
    return min(max(1 - math.floor(math.log10(width)), 0), 9)


def bounds(low: float, high: float) -> str:
    """Return both ends of an interval with the same decimals."""
    places = decimals_of_width(high - low)
    return f"{number(low, places)} to {number(high, places)}"


def tick(value: float) -> str:
    """Return a number on an axis, short."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g}M".replace("-", "−")
    if abs(value) >= 1e4:
        return f"{value / 1e3:.4g}k".replace("-", "−")
    return (f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}").replace("-", "−")


def share(value: float) -> str:
    """Return a proportion as per cent."""
    percent = 100 * value
    return number(percent, 0 if percent in (0, 100) else 1) + " %"


def p_value(value: float) -> str:
    """Return a p-value; tiny ones by their bound."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def formatted(value: Cell, shape: Format, places: int) -> str:
    """Return a table's cell as text."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if shape == "count":
        return number(value, 0)
    if shape == "share":
        return share(value)
    if shape == "p":
        return p_value(value)
    return number(value, places)
