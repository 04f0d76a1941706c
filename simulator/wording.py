"""How messages count things."""

from __future__ import annotations


def counted(number: int, things: str) -> str:
    """Return a number with what it counts, whose plural ends in s: ``1 row``, ``2,000 rows``."""
    return f"{number:,} {things.removesuffix('s') if number == 1 else things}"
