"""Sums by viewer of a log that passes by, in memory that grows with viewers and not with rounds.

What is linear in a viewer's rounds adds up, whatever batches they come in, so that a stream can
take a viewer's rounds together as a whole log does. Batches are summed up first and put aside; once
what was put aside is as much as what is kept, both are summed up anew. Each number is so moved a
few times in all, and twice the viewers are held at most, beside ``PENDING_MIN``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from bandit.types import FloatArray
from simulator.studies.splitting import Clusters

PENDING_MIN: Final = 500_000
"""Viewers of batches that are put aside before they are summed up."""


class ViewerSums:
    """Sums of C columns by viewer."""

    def __init__(self) -> None:
        """Begin without a viewer."""
        self._parts: list[tuple[Clusters, FloatArray]] = []
        """What is kept, once there is something, then what was put aside."""
        self._kept = 0
        self._pending = 0

    def take(self, cluster: Clusters, columns: FloatArray) -> None:
        """Add a batch: viewers' codes of shape (n,), and columns of shape (C, n)."""
        self._put_aside(_summed(cluster, columns))

    def merge(self, other: ViewerSums) -> None:
        """Add another's sums, of rounds that follow."""
        for part in other._parts:
            self._put_aside(part)

    def compact(self) -> None:
        """Sum up what was put aside, for there to be as little as there can be."""
        if self._pending:
            self._merge()

    def sums(self) -> FloatArray:
        """Return (C, viewers), viewers in the order of their codes; a batch must have come."""
        self._merge()
        return self._parts[0][1]

    def _put_aside(self, part: tuple[Clusters, FloatArray]) -> None:
        self._parts.append(part)
        self._pending += len(part[0])
        if self._pending >= max(PENDING_MIN, self._kept):
            self._merge()

    def _merge(self) -> None:
        codes = np.concatenate([one for one, _ in self._parts])
        columns = np.concatenate([sums for _, sums in self._parts], axis=1)
        self._parts = [_summed(codes, columns)]
        self._kept, self._pending = len(self._parts[0][0]), 0


def _summed(cluster: Clusters, columns: FloatArray) -> tuple[Clusters, FloatArray]:
    found: tuple[Clusters, npt.NDArray[np.intp]] = np.unique(cluster, return_inverse=True)
    codes, unit = found
    return codes, np.stack([np.bincount(unit, column, len(codes)) for column in columns])
