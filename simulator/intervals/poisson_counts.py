"""How often each of many items is drawn: iid Poisson counts from one random byte an item.

Given their total, iid Poisson counts are exactly a multinomial draw, so that they stand for that
many uniform draws with replacement (:mod:`simulator.intervals.resampling` adds what the total
lacks). They are made for speed: a byte u gives u // a, plus 1 from a cut upwards, so that a, a, b
and c of the 256 bytes give the counts 0, 1, 2 and 3, in three passes of one-byte arithmetic.

256ths are not the Poisson law, which is mended exactly, by a mixture. With the share s of the
bytes' law that fits under the Poisson probabilities (s·m_k/256 ≤ p_k, about 0.97), the rest of
the law, r_k = p_k - s·m_k/256, is brought about by *marks*: for each count k, Poisson(μ_k · items)
marks fall on uniformly drawn items and overwrite their counts, in the order of k, the last mark
winning. An item's last mark is then of kind k with probability (1 - e^-μ_k) Π_{i>k} e^-μ_i, which
the choice μ_k = -ln(1 - r_k / (1 - Σ_{i>k} r_i)) makes r_k, and items without marks, a share s,
keep their byte's count.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.types import FloatArray

ByteArray = npt.NDArray[np.uint8]
COUNT_END = 24
"""Counts from here on have a probability below 1e-23 at rates up to 1."""
RATE_MIN = 0.75


class CountPlan(NamedTuple):
    """How bytes and marks give Poisson counts at one rate."""

    step: int
    """a: bytes for the count 0, and for 1."""
    cut: int
    """Bytes from here on give 3; those before, from 2a on, give 2."""
    mark_rates: FloatArray
    """Shape (COUNT_END,): expected marks of each kind an item."""


def plan_counts(rate: float) -> CountPlan:
    """Return the plan for a rate: shares of bytes as near to the law as they go.

    Raises:
        ValueError: the rate is not within 0.75 to 1, where a byte over ``step`` is 0, 1 or 2.
    """
    if not RATE_MIN <= rate <= 1:
        raise ValueError(f"counts are planned for rates from {RATE_MIN} to 1, not {rate}")
    counts = np.arange(COUNT_END)
    log_factorial = np.array([math.lgamma(count + 1) for count in counts])
    law = np.exp(counts * math.log(rate) - rate - log_factorial)
    lowest = float(min(law[0], law[1]))
    step, twos, threes = (int(256 * share) for share in (lowest, law[2], law[3]))
    while (left := 256 - 2 * step - twos - threes) > 0:
        room = (
            lowest / (step + 1) if left > 1 else -1.0,
            float(law[2]) / (twos + 1),
            float(law[3]) / (threes + 1),
        )
        if room[0] == max(room):
            step += 1
        elif room[1] == max(room):
            twos += 1
        else:
            threes += 1
    bytes_law = np.zeros(COUNT_END)
    bytes_law[:4] = np.array([step, step, twos, threes]) / 256
    used = bytes_law > 0
    share = min(1.0, float((law[used] / bytes_law[used]).min()))
    rest = np.maximum(law - share * bytes_law, 0.0)
    later = np.concatenate((np.cumsum(rest[::-1])[::-1][1:], [0.0]))
    return CountPlan(step, 2 * step + twos, -np.log1p(-rest / (1 - later)))


class Counter:
    """Draws counts into arrays of its own, used again at each call; one a thread."""

    def __init__(self, rng: np.random.Generator, size_max: int) -> None:
        self._rng = rng
        self._counts = np.empty(size_max, np.uint8)
        self._above = np.empty(size_max, np.bool_)
        self._kinds = np.arange(COUNT_END, dtype=np.uint8)

    def draw(self, plan: CountPlan, size: int) -> ByteArray:
        """Return (size,) counts; they are overwritten by the next call."""
        words = self._rng.integers(0, 2**64 - 1, -(-size // 8), dtype=np.uint64, endpoint=True)
        random = words.view(np.uint8)[:size]
        counts, above = self._counts[:size], self._above[:size]
        np.floor_divide(random, np.uint8(plan.step), out=counts)
        np.greater_equal(random, np.uint8(plan.cut), out=above)
        np.add(counts, above.view(np.uint8), out=counts)
        marks = np.repeat(self._kinds, self._rng.poisson(plan.mark_rates * size))
        # of marks on one item the last one stays: assignment goes in order
        counts[self._rng.integers(0, size, len(marks), dtype=np.uint32)] = marks
        return counts
