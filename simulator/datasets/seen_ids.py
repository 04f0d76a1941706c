"""Which ids came before, in eight bytes an id: for duplicates in logs of any size."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from bandit.types import BoolArray

Hashes = npt.NDArray[np.int64]


def stable_hash(text: str) -> int:
    """Return a signed 64-bit hash that is the same in every process and on every machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


def text_hashes(texts: Iterable[str]) -> Hashes:
    """Return the stable hashes of texts, shape (n,)."""
    return np.array([stable_hash(one) for one in texts], np.int64)


def number_hashes(numbers: npt.NDArray[Any]) -> Hashes:
    """Return integers as they are: they tell themselves apart."""
    return numbers.astype(np.int64)


class SeenIds:
    """Remembers ids by their 64-bit hashes: of 20 million, two agree once in 100,000 logs.

    Sorted runs are merged as they grow, as in a log-structured store, so that a batch is looked
    up in a few of them and each id is merged a logarithmic number of times.
    """

    def __init__(self) -> None:
        self._runs: list[npt.NDArray[np.uint64]] = []

    def take(self, ids: Iterable[str]) -> BoolArray:
        """Remember a batch of ids and return which of them came before."""
        return self.take_hashes(text_hashes(ids))

    def take_hashes(self, ids: Hashes) -> BoolArray:
        """Remember ids by their hashes, shape (n,); see :meth:`take`."""
        hashes = ids.view(np.uint64)
        fresh, first = np.unique(hashes, return_index=True)
        repeated = np.ones(len(hashes), np.bool_)
        repeated[first] = False
        for run in self._runs:
            places = np.searchsorted(run, hashes)
            places[places == len(run)] = 0
            repeated |= run[places] == hashes
        if len(fresh):
            self._runs.append(fresh)
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            last = self._runs.pop()
            self._runs[-1] = np.union1d(self._runs[-1], last)
        return repeated
