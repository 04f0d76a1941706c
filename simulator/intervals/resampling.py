"""Sums over bootstrap resamples: exact, fast, and the same for any number of threads.

A resample draws as many units as there are, uniformly and with replacement, and all that an
estimate needs of it is the sums of a few columns. Three ways lead to sums of one and the same
distribution, the bootstrap's own:

- few units: draw their numbers, and gather;
- few distinct rows (a target that knows no context has few distinct weights): how often each is
  drawn is multinomial, drawn over the distinct rows alone;
- else, rows are split into strata: those of zeros, which add nothing and are never drawn; those
  where a ratio's two columns are alike, or the first is zero, which need one sum for both (clicks
  or none, times a weight); and the rest. How many draws fall to each is multinomial; within one,
  counts are Poisson at a rate a little below what is due (:mod:`.poisson_counts`) and, as the
  draws of a multinomial are exchangeable, what is still due is drawn one by one. Should a resample
  get too many, about once in a million, it is drawn anew.

Resamples are made in blocks with a seed each, and threads take blocks: the sums are identical bit
for bit, whatever the number of threads. NumPy's own loops sum (no BLAS), in a fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.types import FloatArray
from simulator.intervals.poisson_counts import ByteArray, Counter, mark_rates

Totals = npt.NDArray[np.int64]
Sums = Callable[[np.random.Generator, int], FloatArray]
"""(generator, number of resamples) → (columns, resamples) sums."""

BLOCK = 64
"""Resamples a seed."""
SPAN = 16_384
"""Units whose counts are drawn at a time, for a block: a megabyte of counts, about a core's L2."""
INDEX_MAX = 4_096
"""Up to so many units, drawing their numbers is the faster way."""
INDEXED_AT_ONCE = 1 << 18
PROBED = 4_096
PROBED_DISTINCT_MAX = 0.95
"""With so few distinct rows among those probed, it is worth counting all distinct rows."""
GROUP_SIZE_MIN = 64
"""A binomial draw costs about as much as 64 draws by counts."""
MARGIN_DEVIATIONS = 5.0


class Stratum(NamedTuple):
    """Rows whose C columns are ``loadings`` @ ``values``."""

    values: FloatArray
    """Shape (c, k); c is 0 where all columns are zero."""
    loadings: FloatArray
    """Shape (C, c)."""
    size: int
    """k."""


def resampled_sums(
    columns: Sequence[FloatArray], *, resamples: int, seed: int, threads: int = 1
) -> FloatArray:
    """Return (C, resamples): sums of C columns, each (units,), over resamples of the units."""
    sums = _way(columns)

    def block(number: int) -> FloatArray:
        sequence = np.random.SeedSequence(seed, spawn_key=(number,))
        rng = np.random.Generator(np.random.SFC64(sequence))
        return sums(rng, min(BLOCK, resamples - number * BLOCK))

    numbers = range(-(-resamples // BLOCK))
    if threads == 1 or len(numbers) == 1:
        return np.concatenate([block(number) for number in numbers], axis=1)
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(block, numbers)), axis=1)


def _way(columns: Sequence[FloatArray]) -> Sums:
    """Choose the way, and do once what all resamples share."""
    units = len(columns[0])
    if units <= INDEX_MAX:
        values = np.stack(columns)
        return lambda rng, rows: _by_index(rng, values, np.full(rows, units))
    if _worth_grouping(columns):
        values, counts = _distinct(columns)
        if len(counts) * GROUP_SIZE_MIN <= units:
            return lambda rng, rows: _by_group(rng, values, counts, rows)
    strata = _strata(columns)
    rates = [_rates(stratum.size, units) for stratum in strata]
    return lambda rng, rows: _by_strata(rng, strata, rates, units, rows)


def _by_index(rng: np.random.Generator, values: FloatArray, totals: Totals) -> FloatArray:
    """Return (c, rows): of ``totals`` draws each out of the columns of ``values``."""
    size = values.shape[1]
    sums = np.zeros((len(values), len(totals)))
    step = max(1, INDEXED_AT_ONCE // max(1, int(totals.max(initial=1))))
    alike = bool((totals == totals[0]).all()) if len(totals) else False
    for first in range(0, len(totals), step if alike else 1):
        rows = slice(first, first + (step if alike else 1))
        drawn = rng.integers(0, size, (len(totals[rows]), int(totals[first])))
        for column, column_values in enumerate(values):
            sums[column, rows] = column_values.take(drawn).sum(axis=1)
    return sums


def _worth_grouping(columns: Sequence[FloatArray]) -> bool:
    rows = np.linspace(0, len(columns[0]) - 1, PROBED).astype(np.intp)
    probed = np.stack([column[rows] for column in columns], axis=1)
    distinct = len(np.unique(probed, axis=0))
    return distinct < PROBED_DISTINCT_MAX * PROBED


def _distinct(columns: Sequence[FloatArray]) -> tuple[FloatArray, Totals]:
    """Return the distinct rows, (C, d), and how many units have each.

    Rows are brought together by a hash of their bits, and told apart by their values: should two
    different rows share a hash, a row may be listed twice, and the counts are still right.
    """
    key = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        key *= np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
        key += np.ascontiguousarray(column).view(np.uint64)
    order = np.argsort(key)
    begins = np.zeros(len(order), np.bool_)
    begins[0] = True
    for column in columns:
        in_order = column[order]
        begins[1:] |= in_order[1:] != in_order[:-1]
    first = np.flatnonzero(begins)
    values = np.stack([column[order[first]] for column in columns])
    return values, np.diff(np.append(first, len(order)))


def _by_group(
    rng: np.random.Generator, values: FloatArray, counts: Totals, rows: int
) -> FloatArray:
    total = int(counts.sum())
    drawn = rng.multinomial(total, counts / total, size=rows)
    return np.stack([np.einsum("rd,d->r", drawn, column) for column in values])


def _strata(columns: Sequence[FloatArray]) -> list[Stratum]:
    """Split the rows, each into one stratum; a stratum of zeros has its size alone."""
    stacked = np.stack(columns)
    width, units = stacked.shape
    zero = ~stacked.any(axis=0)
    found = [Stratum(np.empty((0, 0)), np.empty((width, 0)), int(zero.sum()))]
    rest = ~zero
    if width == 2:
        for alike, loading in (
            (stacked[0] == 0, np.array([[0.0], [1.0]])),
            (stacked[0] == stacked[1], np.array([[1.0], [1.0]])),
        ):
            chosen = np.flatnonzero(rest & alike)
            found.append(Stratum(stacked[1:, chosen], loading, len(chosen)))
            rest &= ~alike
    count = int(rest.sum())
    kept = stacked if count == units else stacked[:, np.flatnonzero(rest)]
    found.append(Stratum(kept, np.eye(width), count))
    return [stratum for stratum in found if stratum.size]


def _rates(size: int, units: int) -> FloatArray | None:
    """Return marks for a stratum that is due size draws on average; None: draw by index."""
    if size <= INDEX_MAX:
        return None
    deviation = math.sqrt(size * (2 - size / units))
    return mark_rates(1 - MARGIN_DEVIATIONS * deviation / size)


def _by_strata(
    rng: np.random.Generator,
    strata: list[Stratum],
    rates: list[FloatArray | None],
    units: int,
    rows: int,
) -> FloatArray:
    due = rng.multinomial(units, [stratum.size / units for stratum in strata], size=rows)
    sums = np.zeros((len(strata[0].loadings), rows))
    for stratum, marks, totals in zip(strata, rates, due.T, strict=True):
        if not len(stratum.values):
            continue
        if marks is None:
            found = _by_index(rng, stratum.values, totals)
        else:
            found = _by_counts(rng, stratum.values, marks, totals)
        sums += stratum.loadings @ found
    return sums


def _by_counts(
    rng: np.random.Generator, values: FloatArray, rates: FloatArray, totals: Totals
) -> FloatArray:
    size, rows = values.shape[1], len(totals)
    counter = Counter(rng, BLOCK * SPAN)
    sums = np.zeros((len(values), rows))
    drawn = np.zeros(rows, np.int64)
    for first in range(0, size, SPAN):
        span = values[:, first : first + SPAN]
        width = span.shape[1]
        # units first: counts are alike in any order, and sums go along resamples
        counts = counter.draw(rates, width * BLOCK).reshape(width, BLOCK)[:, :rows]
        drawn += _column_totals(counts)
        for column, column_values in enumerate(span):
            sums[column] += np.einsum("ur,u->r", counts, column_values)
    for row, missing in enumerate(totals - drawn):
        if missing < 0:
            sums[:, row] = 0.0
        rest = missing if missing >= 0 else totals[row]
        picked = rng.integers(0, size, rest)
        for column, column_values in enumerate(values):
            sums[column, row] += column_values.take(picked).sum()
    return sums


def _column_totals(counts: ByteArray) -> Totals:
    width, rows = counts.shape
    if width % 8:
        return np.asarray(counts.sum(axis=0, dtype=np.int64))
    # eight counts, each below COUNT_END, fit in a byte: one-byte additions are the fastest
    eighths = counts.reshape(8, width // 8, rows).sum(axis=0, dtype=np.uint8)
    return np.asarray(eighths.sum(axis=0, dtype=np.int64))
