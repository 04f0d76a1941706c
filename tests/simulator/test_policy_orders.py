"""Orders of batches: the rules of production's ranking, page by page, and of logged lotteries."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from bandit.ranking import PlackettLuce, RankingStrategy, UniformOrder
from bandit.types import FloatArray
from simulator.policies.lotteries import Lotteries, at_logged, of_logged
from simulator.policies.orders import (
    best_order,
    evenly_in_turn,
    gumbel,
    mixed_in_turn,
    softmax_in_turn,
)

NONE = -np.inf


@pytest.mark.parametrize("rows", [5, 64, 65, 200])
def test_the_best_rows_stand_first_and_of_equals_the_first_asked(rows: int) -> None:
    rng = np.random.default_rng(rows)
    scores = rng.integers(0, 6, (30, rows)).astype(np.float32)
    scores[3, rows // 2 :] = NONE
    scores[4] = NONE
    scores[4, 1] = 0.5
    scores[5, 2:] = NONE
    order = best_order(scores, 7)
    for row, found in zip(scores, order, strict=True):
        ranked = sorted((-float(score), index) for index, score in enumerate(row))
        wanted = [index for score, index in ranked if score < np.inf][:7]
        assert found.tolist() == wanted + [-1] * (7 - len(wanted))


@pytest.mark.parametrize(
    ("strategy", "in_turn"),
    [(PlackettLuce(temperature=0.3), "softmax"), (UniformOrder(), "even")],
)
def test_probabilities_in_turn_are_those_of_production(
    strategy: RankingStrategy, in_turn: str
) -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(40, 6)).round(1)
    order = np.argsort(rng.random((40, 6)), axis=1)[:, :4].astype(np.int32)
    order[:10] = best_order(scores[:10], 4)
    rows = np.zeros((40, 6), np.int32)
    found = evenly_in_turn(order, rows)
    if in_turn == "softmax":
        found = softmax_in_turn(np.array([strategy.logits(row) for row in scores], float), order)
    for row, placed, probability in zip(scores, order, found, strict=True):
        expected = strategy.conditional_propensities(row, placed.astype(np.intp), {})
        np.testing.assert_allclose(probability, expected, atol=1e-12)


def test_gaps_have_probability_one_and_take_no_part() -> None:
    logits = np.array([[0.0, 1.0, NONE, NONE], [0.5, NONE, NONE, NONE]])
    order = np.array([[1, 0, -1], [0, -1, -1]], np.int32)
    expected = np.ones((2, 3))
    expected[0, 0] = math.e / (1 + math.e)
    np.testing.assert_allclose(softmax_in_turn(logits, order), expected)
    rows = np.array([[3, 4, -1, -1], [5, -1, -1, -1]], np.int32)
    expected[0, 0] = 0.5
    np.testing.assert_allclose(evenly_in_turn(order, rows), expected)


def test_gumbel_noise_draws_from_the_softmax() -> None:
    logits = np.tile(np.log([0.5, 0.3, 0.2]).astype(np.float32), (60_000, 1))
    drawn = (logits + gumbel(np.random.default_rng(2), logits.shape)).argmax(axis=1)
    counts = np.bincount(drawn, minlength=3)
    expected = np.array([0.5, 0.3, 0.2]) * 60_000
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 13.8  # alpha 0.001, two degrees of freedom


def test_a_mixture_of_orders_is_a_mixture_of_whole_orders() -> None:
    logits = np.array([[0.3, -0.2, 1.0]])
    total = 0.0
    for ordered in permutations(range(3)):
        order = np.array([ordered], np.int32)
        first = softmax_in_turn(logits, order)
        second = evenly_in_turn(order, np.zeros((1, 3), np.int32))
        mixed = mixed_in_turn(first, second, 0.25)
        assert mixed.prod() == pytest.approx(0.75 * first.prod() + 0.25 * second.prod())
        total += float(mixed.prod())
    assert total == pytest.approx(1)


def enumerated(lottery: Lotteries, positions: int) -> FloatArray:
    """Return (L, R) placements of the first round, by every order's probability."""
    rows = lottery.numbers.shape[1]
    found = np.zeros((positions, rows))
    for ordered in permutations(range(rows), positions):
        order = np.array([ordered], np.int32)
        probability = lottery.conditional(order).prod()
        found[np.arange(positions), ordered] += probability
    return found


@pytest.mark.parametrize("greedy", [False, True])
@pytest.mark.parametrize("pins", [{}, {1: 2}, {0: 3, 2: 0}])
@pytest.mark.parametrize("scores", [[0.4, -1.0, 0.9, 0.1], [0.4, 0.9, 0.4, 0.4], [0.5] * 4])
def test_placements_and_conditionals_are_those_of_all_orders(
    greedy: bool, pins: dict[int, int], scores: list[float]
) -> None:
    numbers = np.array([scores])
    pinned = np.full((1, 3), -1, np.int32)
    for position, row in pins.items():
        pinned[0, position] = row
        numbers[0, row] = NONE
    lottery = Lotteries(numbers, np.array([greedy]), pinned)
    placements = lottery.placements(3)
    np.testing.assert_allclose(placements[0], enumerated(lottery, 3), atol=1e-9)
    np.testing.assert_allclose(placements.sum(axis=2), 1, atol=1e-9)
    for ordered in permutations(range(4), 3):
        order = np.array([ordered], np.int32)
        pmf = lottery.conditional_pmf(order)
        chosen = pmf[0, np.arange(3), ordered]
        reached = lottery.conditional(order).cumprod(axis=1)[0]
        # What would stand below an order that cannot come about is anybody's guess.
        np.testing.assert_allclose(chosen.cumprod(), reached, atol=1e-12)
        np.testing.assert_allclose(
            at_logged(placements, order)[0], placements[0, range(3), ordered]
        )
        np.testing.assert_allclose(of_logged(placements, order)[0].T, placements[0][:, ordered])
