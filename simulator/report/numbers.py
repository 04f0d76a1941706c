"""Numbers as a reader sees them: as many digits as they are worth, aligned by column."""

from __future__ import annotations

import math
from collections.abc import Iterable

from simulator.report.page import Cell, Format

DIGITS = 4
"""Significant digits of a column's largest value."""
DECIMALS_MAX = 9
TINY = 1e-4
NOUGHT = 1e-13
"""What is smaller is a zero that rounding missed."""
NOTHING = "–"
NO_SPREAD = "no spread seen"
"""In place of an interval without width, which would look certain."""
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def decimals(values: Iterable[Cell]) -> int:
    """Return how many decimals give the largest finite value ``DIGITS`` significant digits."""
    sizes = [abs(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    largest = max(sizes, default=0.0)
    if largest == 0:
        return DIGITS - 1
    return min(max(DIGITS - 1 - math.floor(math.log10(largest)), 0), DECIMALS_MAX)


def number(value: Cell, places: int) -> str:
    """Return a number with a fixed number of decimals, and a true minus sign."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    # Adding 0.0 to what is rounded leaves no negative zero.
    return f"{round(value, places) + 0.0:,.{places}f}".replace("-", "−")


def compact(value: float | None) -> str:
    """Return a number that stands alone."""
    return number(value, decimals([value]))


def decimals_of_width(width: float) -> int:
    """Return how many decimals an interval of a width is worth: two or three digits of it."""
    if not (math.isfinite(width) and width > 0):
        return DIGITS - 1
    return min(max(1 - math.floor(math.log10(width)), 0), DECIMALS_MAX)


def bounds(low: float, high: float) -> str:
    """Return both ends of an interval with the same decimals."""
    places = decimals_of_width(high - low)
    return f"{number(low, places)} to {number(high, places)}"


def tick(value: float) -> str:
    """Return a number on an axis, short, with powers of ten only where it is tiny.

    >>> tick(0.0002), tick(0.30000000000000004), tick(1500.0), tick(2.5e6), tick(4e-7)
    ('0.0002', '0.3', '1.5k', '2.5M', '4·10⁻⁷')
    """
    size = abs(value)
    if size < NOUGHT:
        return "0"
    if size < TINY:
        mantissa, _, exponent = f"{value:.1e}".partition("e-")
        power = str(int(exponent)).translate(_SUPERSCRIPT)
        digits = f"{mantissa.removesuffix('.0')}·10⁻{power}"
        return digits.removeprefix("1·").replace("-", "−")
    for unit_size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= unit_size:
            return f"{value / unit_size:.6g}{unit}".replace("-", "−")
    return f"{value:.6g}".replace("-", "−")


def spread(low: Cell, high: Cell, places: int) -> str:
    """Return both ends of an interval as a table has them; one without width is none to lean on."""
    if low is None or high is None:
        return NOTHING
    if low == high:
        return NO_SPREAD
    return f"{number(low, places)} to {number(high, places)}"


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
