"""Each strategy's formula against a plain loop over one title's eligible candidates."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from bandit.errors import ModelError
from bandit.exploration import EpsilonGreedy, Greedy, Softmax, SquareCB, Strategy, Thompson, Uniform
from bandit.types import FloatArray

RNG = np.random.default_rng(20)
SCORES = RNG.uniform(0.0, 0.4, (30, 7))
ELIGIBLE = RNG.uniform(size=(30, 7)) < 0.7
ELIGIBLE[:, 3] = True
SCORES[:5, 3] = SCORES[:5].max(axis=1)
SCORES[:5, 5] = SCORES[:5, 3]  # ties for the best


def loop(strategy: Strategy, scores: list[float]) -> list[float]:
    """Return one title's probabilities before the floor, in the words of the formulas."""
    count, best = len(scores), scores.index(max(scores))
    if isinstance(strategy, Uniform):
        return [1 / count] * count
    if isinstance(strategy, Greedy):
        return [1.0 if index == best else 0.0 for index in range(count)]
    if isinstance(strategy, EpsilonGreedy):
        explored = strategy.epsilon / count
        return [explored + (1 - strategy.epsilon if index == best else 0) for index in range(count)]
    if isinstance(strategy, Softmax):
        weights = [exp(score / strategy.temperature) for score in scores]
        return [weight / sum(weights) for weight in weights]
    assert isinstance(strategy, SquareCB)
    others = [1 / (count + strategy.gamma * (max(scores) - score)) for score in scores]
    others[best] = 0.0
    others[best] = 1 - sum(others)
    return others


@pytest.mark.parametrize(
    "strategy",
    [
        Uniform(),
        Greedy(),
        EpsilonGreedy(epsilon=0.13),
        EpsilonGreedy(epsilon=0.0),
        EpsilonGreedy(epsilon=1.0),
        Softmax(temperature=0.07, min_probability=0.0),
        SquareCB(gamma=90.0),
    ],
    ids=repr,
)
def test_probabilities_are_the_formula(strategy: Strategy) -> None:
    pmf = strategy.pmf(SCORES, ELIGIBLE)
    for title in range(len(SCORES)):
        expected = loop(strategy, SCORES[title, ELIGIBLE[title]].tolist())
        np.testing.assert_allclose(pmf[title, ELIGIBLE[title]], expected, rtol=1e-12, atol=1e-15)


def test_of_equal_scores_the_first_is_greedy() -> None:
    scores = np.array([[0.1, 0.9, 0.9], [0.9, 0.9, 0.9]])
    eligible = np.array([[True, True, True], [False, True, True]])
    np.testing.assert_array_equal(Greedy().pmf(scores, eligible), [[0, 1, 0], [0, 1, 0]])


def test_the_floor_mixes_in_the_least_share_of_equal_probabilities() -> None:
    scores = np.array([[0.0, 1.0, 0.5, 0.2]])
    everything = np.ones((1, 4), dtype=np.bool_)
    without = Softmax(temperature=0.2, min_probability=0.0).pmf(scores, everything)
    lifted = Softmax(temperature=0.2, min_probability=0.05).pmf(scores, everything)
    share = (0.05 - without.min()) / (0.25 - without.min())
    np.testing.assert_allclose(lifted, (1 - share) * without + share * 0.25, rtol=1e-12)
    assert lifted.min() == 0.05


def test_a_floor_that_is_kept_anyway_changes_nothing() -> None:
    scores = np.array([[0.0, 1.0, 0.5, 0.2]])
    everything = np.ones((1, 4), dtype=np.bool_)
    without = EpsilonGreedy(epsilon=0.4).pmf(scores, everything)
    with_floor = EpsilonGreedy(epsilon=0.4, min_probability=0.1).pmf(scores, everything)
    np.testing.assert_array_equal(with_floor, without)


def test_a_floor_above_an_equal_share_is_an_equal_share() -> None:
    eligible = np.array([[True, True, True, False], [True, True, True, True]])
    pmf = Greedy(min_probability=0.3).pmf(np.arange(8.0).reshape(2, 4), eligible)
    np.testing.assert_allclose(pmf, [[0.3, 0.3, 0.4, 0.0], [0.25, 0.25, 0.25, 0.25]], rtol=1e-12)


def test_only_thompson_needs_spreads() -> None:
    assert Thompson().needs_spreads
    others = [Uniform(), Greedy(), EpsilonGreedy(), Softmax(), SquareCB()]
    assert not any(strategy.needs_spreads for strategy in others)


@pytest.mark.parametrize(
    "spreads", [None, np.array([[0.1, -0.1]]), np.array([[0.1, np.nan]]), np.array([[0.1, np.inf]])]
)
def test_thompson_refuses_spreads_it_cannot_use(spreads: FloatArray | None) -> None:
    with pytest.raises(ModelError, match="spread"):
        Thompson().pmf(np.zeros((1, 2)), np.ones((1, 2), dtype=np.bool_), spreads)


def test_thompson_refuses_spreads_of_another_shape() -> None:
    with pytest.raises(ValueError, match="differ"):
        Thompson().pmf(np.zeros((1, 2)), np.ones((1, 2), dtype=np.bool_), np.zeros((1, 3)))
