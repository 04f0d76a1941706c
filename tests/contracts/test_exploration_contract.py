"""What every exploration strategy promises, run against all of them."""

from __future__ import annotations

import json
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.errors import ModelError
from bandit.exploration import (
    EpsilonGreedy,
    Exploration,
    Greedy,
    Softmax,
    SquareCB,
    Strategy,
    Thompson,
    Uniform,
)
from bandit.types import BoolArray, FloatArray, IndexArray

STRATEGIES: list[Strategy] = [
    Uniform(),
    Greedy(),
    Greedy(min_probability=0.03),
    EpsilonGreedy(),
    EpsilonGreedy(epsilon=0.3, min_probability=0.1),
    Softmax(),
    Softmax(temperature=1e-3, min_probability=0.0),
    SquareCB(),
    SquareCB(gamma=5.0, min_probability=0.05),
    Thompson(),
    Thompson(scale=3.0, min_probability=0.0),
    Thompson(scale=0.0, min_probability=0.01),
    Softmax(min_probability=1.0),
]
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)


class Titles(NamedTuple):
    """Scores, what is eligible, and spreads, all (N, K)."""

    scores: FloatArray
    eligible: BoolArray
    spreads: FloatArray

    def candidates(self, keep: IndexArray) -> Titles:
        return Titles(self.scores[:, keep], self.eligible[:, keep], self.spreads[:, keep])

    def title(self, number: int) -> Titles:
        only = slice(number, number + 1)
        return Titles(self.scores[only], self.eligible[only], self.spreads[only])


def ordinary_scores() -> st.SearchStrategy[float]:
    return st.floats(-0.5, 1.5) | st.sampled_from([0.0, 0.25, 1.0])


def wild_scores() -> st.SearchStrategy[float]:
    return ordinary_scores() | st.sampled_from([-1.7e308, -1e6, 1e-308, 1e6, 1.7e308])


@st.composite
def titles(draw: st.DrawFn, scores: st.SearchStrategy[float]) -> Titles:
    count, width = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    size = count * width

    def table(cells: st.SearchStrategy[float]) -> FloatArray:
        drawn = draw(st.lists(cells, min_size=size, max_size=size))
        return np.array(drawn, dtype=np.float64).reshape(count, width)

    eligible = table(st.sampled_from([0.0, 1.0])) > 0
    surely = draw(st.lists(st.integers(0, width - 1), min_size=count, max_size=count))
    eligible[np.arange(count), surely] = True
    spreads = table(st.floats(0.0, 0.5) | st.sampled_from([0.0, 1e-30, 1e-6, 3e38]))
    return Titles(
        np.where(eligible, table(scores), np.nan), eligible, np.where(eligible, spreads, np.nan)
    )


@every_strategy
@given(page=titles(wild_scores()))
@settings(max_examples=30, deadline=None)
def test_rows_are_distributions_over_what_is_eligible_and_above_the_floor(
    strategy: Strategy, page: Titles
) -> None:
    pmf = strategy.pmf(*page)
    assert pmf.shape == page.scores.shape
    assert pmf.dtype == np.float64
    np.testing.assert_allclose(pmf.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert (pmf[~page.eligible] == 0).all()
    floors = np.minimum(strategy.min_probability, 1.0 / page.eligible.sum(axis=1, keepdims=True))
    assert (pmf >= floors)[page.eligible].all()
    alone = page.eligible.sum(axis=1) == 1
    assert (pmf[alone].max(axis=1) == 1.0).all()


@every_strategy
@given(page=titles(ordinary_scores()), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_order_of_candidates_does_not_matter_but_for_ties(
    strategy: Strategy, page: Titles, seed: int
) -> None:
    if isinstance(strategy, Greedy | EpsilonGreedy | SquareCB):
        # Of equally best candidates these take the first; ties are broken here beforehand.
        tie_breaks = np.arange(page.scores.shape[1]) * 1e-3
        page = page._replace(scores=np.round(page.scores, 1) + tie_breaks)
    permutation = np.random.default_rng(seed).permutation(page.scores.shape[1])
    straight = strategy.pmf(*page)
    permuted = strategy.pmf(*page.candidates(permutation))
    np.testing.assert_allclose(permuted, straight[:, permutation], rtol=0, atol=1e-9)


@every_strategy
@given(page=titles(ordinary_scores()))
@settings(max_examples=20, deadline=None)
def test_padding_and_other_titles_change_nothing(strategy: Strategy, page: Titles) -> None:
    together = strategy.pmf(*page)
    for title in range(len(page.scores)):
        keep = np.flatnonzero(page.eligible[title])
        alone = strategy.pmf(*page.title(title).candidates(keep))
        np.testing.assert_allclose(alone[0], together[title, keep], rtol=0, atol=1e-9)


@every_strategy
@given(page=titles(ordinary_scores()))
@settings(max_examples=20, deadline=None)
def test_a_better_score_is_never_less_likely_at_equal_spreads(
    strategy: Strategy, page: Titles
) -> None:
    pmf = strategy.pmf(page.scores, page.eligible, np.full(page.scores.shape, 0.1))
    for scores, probabilities, keep in zip(page.scores, pmf, page.eligible, strict=True):
        ascending = np.argsort(scores[keep], kind="stable")
        rises = np.diff(probabilities[keep][ascending])
        tied = np.diff(scores[keep][ascending]) == 0
        assert (rises[~tied] >= -1e-9).all()


@every_strategy
def test_a_large_gap_goes_to_the_best(strategy: Strategy) -> None:
    scores = np.array([[0.0, 1e9, 0.0, 0.0]])
    pmf = strategy.pmf(scores, np.ones((1, 4), dtype=np.bool_), np.full((1, 4), 0.1))
    if isinstance(strategy, Uniform) or strategy.min_probability >= 0.25:
        np.testing.assert_allclose(pmf, 0.25)
    else:
        assert pmf[0].argmax() == 1
        assert pmf[0, 1] >= 0.69


@every_strategy
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_refused(strategy: Strategy, value: float) -> None:
    scores = np.array([[0.1, value, 0.2]])
    spreads = np.full((1, 3), 0.1)
    everything = np.ones((1, 3), dtype=np.bool_)
    with pytest.raises(ModelError) as caught:
        strategy.pmf(scores, everything, spreads)
    assert caught.value.hint
    # The same number in padding is nobody's score.
    assert strategy.pmf(scores, np.array([[True, False, True]]), spreads)[0, 1] == 0


@every_strategy
def test_arrays_that_do_not_fit_are_refused(strategy: Strategy) -> None:
    with pytest.raises(ValueError, match="must be"):
        strategy.pmf(np.zeros((2, 3)), np.ones((2, 2), dtype=np.bool_), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="at least one eligible"):
        strategy.pmf(np.zeros((2, 2)), np.array([[True, True], [False, False]]), np.zeros((2, 2)))


@every_strategy
def test_a_strategy_is_its_own_configuration(strategy: Strategy) -> None:
    settings_given = msgspec.to_builtins(strategy)
    toml = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings_given.items())
    assert msgspec.toml.decode(toml, type=Exploration) == strategy
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({**settings_given, "gama": 1}, Exploration)


@every_strategy
def test_a_floor_is_a_probability(strategy: Strategy) -> None:
    for floor in (-0.1, 1.1):
        with pytest.raises(msgspec.ValidationError, match="min_probability"):
            msgspec.convert(
                {**msgspec.to_builtins(strategy), "min_probability": floor}, Exploration
            )


def test_every_strategy_is_in_the_suite() -> None:
    assert {type(strategy) for strategy in STRATEGIES} == set(Exploration.__args__)
