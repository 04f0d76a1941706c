"""Sums over a vocabulary, at its edges: padding that overflows, and every size against a page's."""

from __future__ import annotations

import numpy as np
import pytest

from bandit.feature_tables import Chosen, FeatureTable
from bandit.features import CROSS_PRIME, Encoded
from bandit.vocabulary_sums import Term, vocabulary_sum

BITS = 12
PRIME = np.uint32(CROSS_PRIME)


def _table(known: int, rng: np.random.Generator) -> FeatureTable:
    vocabulary = rng.integers(1, 1 << 32, known, dtype=np.uint32)
    vocabulary[0] = 0
    places = rng.integers(0, known, (50, 6))
    places[0] = 0
    return FeatureTable.of(vocabulary, places, (places != 0).astype(np.float32))


@pytest.mark.parametrize("known", [40, 300, 700, 5000, 50_000])
@pytest.mark.parametrize("count", [3, 200])
def test_sums_are_those_of_each_feature_whatever_the_size_of_the_vocabulary(
    known: int, count: int
) -> None:
    rng = np.random.default_rng(known + count)
    weights = rng.normal(size=1 << BITS).astype(np.float32)
    table = _table(known, rng)
    things = rng.integers(0, 50, count)
    context = Encoded(
        rng.integers(0, 1 << 32, 4, dtype=np.uint32), rng.normal(size=4).astype(np.float32)
    )
    found = vocabulary_sum(weights, Chosen(table, things), [Term([context], [])], squared=False)
    mask = np.uint32((1 << BITS) - 1)
    for thing, score in zip(things, found, strict=True):
        hashes = table.one(int(thing)).hashes
        crossed = ((context.hashes * PRIME)[:, None] ^ hashes) & mask
        expected = (context.values @ weights[crossed]).sum() if len(hashes) else 0.0
        assert score == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("known", [40, 300, 700, 5000])
@pytest.mark.parametrize("count", [3, 200])
def test_what_is_not_there_adds_nothing_even_where_it_would_be_infinite(
    known: int, count: int
) -> None:
    rng = np.random.default_rng(known)
    context = Encoded(np.array([9], np.uint32), np.array([1e30], np.float32))
    weights = np.zeros(1 << BITS, np.float32)
    # padding has the hash 0: its cross with the context overflows to infinity
    padding = (PRIME * np.uint32(9)) & np.uint32((1 << BITS) - 1)
    weights[padding] = 1e30
    table = _table(known, rng)
    things = np.zeros(count, np.intp)
    with np.errstate(over="ignore"):
        found = vocabulary_sum(weights, Chosen(table, things), [Term([context], [])], squared=False)
    np.testing.assert_array_equal(found, np.zeros(count))
