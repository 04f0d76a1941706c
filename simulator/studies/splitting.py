"""Which rounds train, which choose, which judge: a round has one office, and all of them are told.

Parts are taken in the log's order, as a policy that serves tomorrow can have learned from nothing
but yesterday; or by viewer, where the same people are not to be both learned from and judged on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.types import IndexArray
from simulator.errors import EstimationError

SplitBy = Literal["order", "viewer"]
Clusters = npt.NDArray[np.int64]

_GOLDEN = 0x9E3779B97F4A7C15
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


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
    by: SplitBy,
    clusters: Clusters | None = None,
    seed: int = 0,
) -> list[Part]:
    """Return one part for each share; shares sum to 1.

    Raises:
        EstimationError: a part would be empty, or viewers are asked for and not known.
    """
    ends = np.cumsum(shares)
    ends[-1] = 1.0
    if by == "order":
        parts = _by_order(count, ends.tolist())
    elif clusters is None:
        raise EstimationError(
            "the log does not tell viewers apart: it cannot be split by them",
            hint="split by order, which every log has",
        )
    else:
        parts = _by_viewer(unit_hash(clusters, seed), ends.tolist())
    for share, part in zip(shares, parts, strict=True):
        if not len(part.rounds):
            raise EstimationError(
                f"a share of {share:g} of {count} rounds is none",
                hint="give each part a larger share, or log more",
            )
    return parts


def unit_hash(codes: Clusters, seed: int) -> npt.NDArray[np.float64]:
    """Return numbers in [0, 1), the same for the same code (SplitMix64; Steele et al., 2014)."""
    bits = codes.astype(np.uint64) + np.uint64((seed + 1) * _GOLDEN % 2**64)
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX[0]
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX[1]
    bits ^= bits >> np.uint64(31)
    return np.asarray((bits >> np.uint64(11)) * 2.0**-53)


def _by_order(count: int, ends: Sequence[float]) -> list[Part]:
    bounds = [0, *(round(end * count) for end in ends)]
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
