"""Placement probabilities against sums over all orders."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.ranking import PlackettLuce
from bandit.types import FloatArray
from simulator.errors import TargetError
from simulator.policies.lotteries import Lotteries, alike
from simulator.rankings.placement import placement_probabilities

LOGITS = {
    "alike": np.zeros(7),
    "one": np.array([3.0]),
    "two": np.array([0.0, -10.0]),
    "spread": np.array([-10.0, 10.0, 3.0, -7.0, 0.5, 9.0, -2.0]),
    "tied at both ends": np.array([-10.0, -10.0, -10.0, 0.0, 10.0, 10.0, 10.0]),
    "as production clips": np.array([0.0, -10.0, -10.0, -0.1, -5.0, -10.0, -9.0]),
    "near": np.array([0.3, 0.1, -0.2, 0.7, 0.0]),
}


def by_enumeration(logits: FloatArray) -> FloatArray:
    rates, count = np.exp(logits - logits.max()), len(logits)
    result = np.zeros((count, count))
    for order in permutations(range(count)):
        left = [rates[list(order[place:])].sum() for place in range(count)]
        probability = float(np.prod(rates[list(order)] / left))
        result[range(count), list(order)] += probability
    return result


@pytest.mark.parametrize("name", LOGITS)
def test_every_probability_is_that_of_all_orders_together(name: str) -> None:
    exact = by_enumeration(LOGITS[name])
    found = placement_probabilities(LOGITS[name], len(exact))
    np.testing.assert_allclose(found, exact, rtol=1e-10, atol=0)


def test_fewer_positions_are_the_top_of_all() -> None:
    whole = placement_probabilities(LOGITS["spread"], 7)
    np.testing.assert_allclose(placement_probabilities(LOGITS["spread"], 3), whole[:3], rtol=1e-12)


def test_a_batch_is_its_pages_one_by_one() -> None:
    batch = np.random.default_rng(1).uniform(-10, 10, (300, 6))
    batch[::3, 4:] = -np.inf
    found = placement_probabilities(batch, 6)
    for page, logits in zip(found, batch, strict=True):
        np.testing.assert_allclose(page, placement_probabilities(logits, 6), rtol=1e-9)


def test_missing_items_stand_nowhere_and_leave_the_end_empty() -> None:
    found = placement_probabilities([0.5, -np.inf, -1.0], 3)
    np.testing.assert_allclose(found[:2, [0, 2]], by_enumeration(np.array([0.5, -1.0])), rtol=1e-12)
    assert (found[:, 1] == 0).all()
    assert (found[2] == 0).all()


def test_pages_without_items_have_no_probabilities() -> None:
    assert placement_probabilities(np.zeros(0), 2).shape == (2, 0)
    assert (placement_probabilities(np.full((2, 3), -np.inf), 2) == np.zeros((2, 2, 3))).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused(wrong: float) -> None:
    with pytest.raises(TargetError):
        placement_probabilities([0.0, wrong], 2)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=60).map(np.array),
    st.floats(-300, 300),
)
def test_rows_and_columns_sum_to_one_whatever_the_level(logits: FloatArray, level: float) -> None:
    found = placement_probabilities(logits + level, len(logits))
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    top = np.exp(logits - logits.max())
    np.testing.assert_allclose(found[0], top / top.sum(), rtol=1e-9)


@pytest.mark.parametrize("count", [40, 120])
def test_many_items_stay_exact(count: int) -> None:
    logits = np.random.default_rng(2).uniform(-10, 0, count)
    logits[-2:] = logits[0]
    found = placement_probabilities(logits, count)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(found[:, -1], found[:, 0], rtol=1e-9)
    alike = placement_probabilities(np.zeros(count), count)
    np.testing.assert_allclose(alike, 1 / count, rtol=1e-9)


@pytest.mark.parametrize("pinned", [{}, {0: 3}, {1: 0, 3: 4}, {4: 2}])
def test_pins_are_applied_as_production_does(pinned: dict[int, int]) -> None:
    scores, strategy = np.array([0.02, 0.05, 0.0, 0.03, -0.4]), PlackettLuce(temperature=0.02)
    exact = np.zeros((5, 5))
    for order in permutations(range(5)):
        if all(order[position] == row for position, row in pinned.items()):
            chances = strategy.conditional_propensities(scores, np.array(order), pinned)
            exact[range(5), list(order)] += chances.prod()
    free = np.delete(scores, list(pinned.values()))
    logits = np.maximum((scores - free.max()) / 0.02, -strategy.logit_range_max)
    logits[list(pinned.values())] = -np.inf
    for positions in (5, 2):
        places = np.array([[pinned.get(at, -1) for at in range(positions)]], np.int32)
        lottery = Lotteries(logits[None], np.zeros(1, np.bool_), places)
        found = lottery.placements(positions)[0]
        np.testing.assert_allclose(found, exact[:positions], rtol=1e-10)


def test_conditional_probabilities_are_production_s() -> None:
    rng, strategy = np.random.default_rng(3), PlackettLuce(temperature=1.0)
    scores = rng.normal(size=(20, 6))
    items = np.argsort(rng.random((20, 6)), axis=1)[:, :4].astype(np.int32)
    expected = [
        strategy.conditional_propensities(page, order, {})
        for page, order in zip(scores, items, strict=True)
    ]
    lottery = alike(scores, 4, greedy=False)
    np.testing.assert_allclose(lottery.conditional(items), expected, rtol=1e-12)
    pmf = lottery.conditional_pmf(items)
    np.testing.assert_allclose(pmf.sum(axis=2), 1, rtol=1e-12)
    assert (pmf[0, 2, items[0, :2]] == 0).all()


def test_conditional_probabilities_past_the_end_are_one() -> None:
    logits = np.array([[0.0, 1.0, -np.inf]])
    items = np.array([[1, 0, -1]], np.int32)
    lottery = alike(logits, 3, greedy=False)
    np.testing.assert_allclose(lottery.conditional(items), [[1 / (1 + np.exp(-1)), 1.0, 1.0]])
    assert (lottery.conditional_pmf(items)[0, 2] == 0).all()
