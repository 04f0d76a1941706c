"""How often each of many items is drawn: iid Poisson counts from four random bits an item.

Given their total, iid Poisson counts are exactly a multinomial draw, so that they stand for that
many uniform draws with replacement (:mod:`simulator.intervals.resampling` adds what the total
lacks). They are made for speed: of the 16 values of four bits, 6, 6, 3 and 1 give the counts 0, 1,
2 and 3, in a few passes of one-byte arithmetic: v // 6, plus 1 where v is 15. At rates a little
below 1 that is nearly the Poisson law.

Nearly is mended exactly, by a mixture. With the share s of the bits' law that fits under the
Poisson probabilities (s·b_k ≤ p_k, about 0.97), the rest of the law, r_k = p_k - s·b_k, is brought
about by *marks*: for each count k, Poisson(μ_k · items) marks fall on uniformly drawn items and
overwrite their counts, in the order of k, the last mark winning. An item's last mark is then of
kind k with probability (1 - e^-μ_k) Π_{i>k} e^-μ_i, which the choice
μ_k = -ln(1 - r_k / (1 - Σ_{i>k} r_i)) makes r_k; items without marks, a share s, keep their bits'
count.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from bandit.types import FloatArray

ByteArray = npt.NDArray[np.uint8]
COUNT_END: Final = 24
"""Counts from here on have a probability below 1e-23 at rates up to 1."""
STEP: Final = np.uint8(6)
"""Values of the bits for the count 0, and for 1."""
THREE: Final = np.uint8(15)
"""The value for 3; those from twice the step on give 2."""
BITS_LAW: Final = np.array([6, 6, 3, 1]) / 16


def mark_rates(rate: float) -> FloatArray:
    """Return (COUNT_END,): marks of each kind an item, for counts of a Poisson ``rate`` up to 1."""
    counts = np.arange(COUNT_END)
    log_factorial = np.array([math.lgamma(count + 1) for count in counts])
    law = np.exp(counts * math.log(rate) - rate - log_factorial)
    share = min(1.0, float((law[: len(BITS_LAW)] / BITS_LAW).min()))
    rest = law.copy()
    rest[: len(BITS_LAW)] = np.maximum(rest[: len(BITS_LAW)] - share * BITS_LAW, 0.0)
    later = np.concatenate((np.cumsum(rest[::-1])[::-1][1:], [0.0]))
    return np.asarray(-np.log1p(-rest / (1 - later)))


class Counter:
    """Draws counts into arrays of its own, used again at each call; one a thread."""

    def __init__(self, rng: np.random.Generator, size_max: int) -> None:
        """Make room for an even number of counts at a time."""
        self._rng = rng
        self._counts = np.empty(size_max, np.uint8)
        self._threes = np.empty(size_max, np.bool_)
        self._kinds = np.arange(COUNT_END, dtype=np.uint8)

    def draw(self, rates: FloatArray, size: int) -> ByteArray:
        """Return (size,) counts, an even number; they are overwritten by the next call."""
        half = size // 2
        words = self._rng.integers(0, 2**64 - 1, -(-half // 8), dtype=np.uint64, endpoint=True)
        random = words.view(np.uint8)[:half]
        counts, threes = self._counts[:size], self._threes[:size]
        np.bitwise_and(random, np.uint8(15), out=counts[:half])
        np.right_shift(random, np.uint8(4), out=counts[half:])
        np.equal(counts, THREE, out=threes)
        np.floor_divide(counts, STEP, out=counts)
        np.add(counts, threes.view(np.uint8), out=counts)
        marks = np.repeat(self._kinds, self._rng.poisson(rates * size))
        # of marks on one item the last one stays: assignment goes in order
        counts[self._rng.integers(0, size, len(marks), dtype=np.uint32)] = marks
        return counts
