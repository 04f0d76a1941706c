"""What the difference between two policies on the same rounds means, in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from scipy import stats

POWER: Final = 0.8
"""With which a difference is to be found, where it is said how many rounds that would take."""


def verdict(
    first: str,
    second: str,
    difference: float,
    p_value: float,
    *,
    level: float,
    rounds: int,
    doubts: Sequence[str] = (),
) -> str:
    """Say what a difference of second less first means; with any doubt, that it cannot be told."""
    if doubts:
        return f"whether {first} or {second} earns more cannot be told: {'; '.join(doubts)}"
    if difference == 0:
        return f"{first} and {second} earn the same on these rounds"
    if p_value < 1 - level:
        better, worse = (second, first) if difference > 0 else (first, second)
        return (
            f"{better} earns more than {worse}: by {abs(difference):.4g} a round on average; were "
            f"they alike, so large a difference would come with a probability of {p_value:.2g}"
        )
    return (
        f"no difference between {first} and {second} can be told: {abs(difference):.4g} a round "
        f"may well be chance (p = {p_value:.2g}); to find one of this size takes about "
        f"{rounds_needed(p_value, level, rounds)} rounds like these"
    )


def rounds_needed(p_value: float, level: float, rounds: int) -> str:
    """Return how many rounds find a difference of the size seen, with a power of 80 %.

    The error falls with the root of the rounds, so that the test's z grows with it (Cohen, 1988).
    """
    seen = float(stats.norm.isf(p_value / 2))
    wanted = float(stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(POWER))
    if seen <= 0 or not math.isfinite(wanted / seen):
        return "infinitely many"
    return f"{math.ceil(rounds * (wanted / seen) ** 2):,}"
