"""Which rounds train, which choose, which judge: a round has one office, and all of them are told.

Parts are of viewers where the log tells them apart, and in the log's order where it does not or
where that is asked for. Why viewers first: draws are sticky, so that a viewer who comes again
within the window is shown the very artwork drawn before. Order puts the first visit among the
rounds that train and the second among those that judge; a policy that learned from the first then
chooses what did well by chance, and is weighed by a propensity that takes the second draw to be a
new one. What it learned looks better than it is. A viewer's hash knows nothing of draws.

A decision, such as a page with all its titles, is never divided.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.types import IndexArray
from simulator.errors import EstimationError
from simulator.logged import CodeArray, LoggedChoices, LoggedRankings

SplitBy = Literal["order", "viewer"]
Clusters = npt.NDArray[np.int64]

_GOLDEN = 0x9E3779B97F4A7C15
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


ORDER_NOTE: Final = (
    "the log does not tell viewers apart: parts follow its order, and what was learned looks "
    "better than it is where draws are sticky"
)


class Part(NamedTuple):
    """Some of the rounds."""

    rounds: IndexArray
    """Which ones, rising."""
    told: str
    """In words."""


def split(
    count: int,
    shares: Sequence[float],
    *,
    by: SplitBy | None = None,
    clusters: Clusters | None = None,
    decisions: CodeArray | None = None,
    seed: int = 0,
) -> list[Part]:
    """Return one part for each share; shares sum to 1.

    ``by`` None is by viewer where ``clusters``, shape (n,), are known, in order elsewhere.
    ``decisions``, shape (n,), are codes of what is not to be divided; None: every round stands
    alone.

    Raises:
        EstimationError: a part would be empty, or viewers are asked for and not known.
    """
    ends = np.cumsum(shares)
    ends[-1] = 1.0
    if by == "order" or (by is None and clusters is None):
        parts = _by_order(count, ends.tolist(), decisions)
    elif clusters is None:
        raise unknown_viewers()
    else:
        parts = _by_viewer(unit_hash(clusters, seed), ends.tolist())
    for share, part in zip(shares, parts, strict=True):
        if not len(part.rounds):
            raise EstimationError(
                f"a share of {share:g} of {count} rounds is none",
                hint="give each part a larger share, log more, or split by order",
            )
    return parts


def split_notes(by: SplitBy | None, clusters: Clusters | None) -> list[str]:
    """Return what to know of a split where nobody said how."""
    return [ORDER_NOTE] if by is None and clusters is None else []


def decisions_of(logged: LoggedChoices | LoggedRankings) -> CodeArray | None:
    """Return (n,) which decision each round is of; None where rounds are not told together."""
    return None if logged.origin is None else logged.origin.record_of


def unknown_viewers() -> EstimationError:
    """Return the error of a split by viewers that nobody knows."""
    return EstimationError(
        "the log does not tell viewers apart: it cannot be split by them",
        hint="split by order, which every log has",
    )


def whole(decisions: CodeArray | None, bound: int) -> int:
    """Return the first place from ``bound`` on at which a decision begins, or the end."""
    if decisions is None or not 0 < bound < len(decisions):
        return bound
    other = np.flatnonzero(decisions[bound:] != decisions[bound - 1])
    return bound + int(other[0]) if len(other) else len(decisions)


def unit_hash(codes: Clusters, seed: int) -> npt.NDArray[np.float64]:
    """Return numbers in [0, 1), the same for the same code (SplitMix64; Steele et al., 2014)."""
    bits = codes.astype(np.uint64) + np.uint64((seed + 1) * _GOLDEN % 2**64)
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX[0]
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX[1]
    bits ^= bits >> np.uint64(31)
    return np.asarray((bits >> np.uint64(11)) * 2.0**-53)


def _by_order(count: int, ends: Sequence[float], decisions: CodeArray | None) -> list[Part]:
    bounds = [0, *(whole(decisions, round(end * count)) for end in ends)]
    return [
        Part(np.arange(first, last), f"rounds {first + 1:,} to {last:,} of {count:,} in log order")
        for first, last in pairwise(bounds)
    ]


def _by_viewer(hashed: npt.NDArray[np.float64], ends: Sequence[float]) -> list[Part]:
    office = np.searchsorted(np.asarray(ends), hashed, side="right")
    parts = []
    for place in range(len(ends)):
        rounds = np.flatnonzero(office == place)
        told = f"{len(rounds):,} of {len(hashed):,} rounds, by viewer"
        parts.append(Part(rounds, told))
    return parts
