"""Reward models of rankings, and the doubly robust estimator that uses them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandit.types import FloatArray
from simulator.encoding import Pairs
from simulator.errors import TargetError
from simulator.logged import LoggedRankings
from simulator.rankings.inputs import ranking_inputs
from simulator.rankings.registry import RANKING_ESTIMATORS
from simulator.reward_models import MODELS, CrossFittedRankings, cross_fit_rankings
from simulator.reward_models.cross_fitting import FoldModels
from tests.simulator.ranking_world import (
    ITEMS,
    LOGGED,
    POSITIONS,
    RANKINGS,
    TARGET,
    Orders,
    every_ranking,
    random_rankings,
)

LOG = random_rankings(1, 900, context=True)


@pytest.mark.parametrize("model", MODELS)
def test_expectations_are_the_predictions_averaged_over_what_may_follow(model: str) -> None:
    """Without this the estimator is biased: both must come of one function of the ranking's top."""
    fitted = cross_fit_rankings(replace(LOG, context=None), model, seed=2)
    everything = every_ranking(np.zeros(RANKINGS.shape))
    one_model = FoldModels(np.zeros(len(RANKINGS), np.int8), fitted.fitted.models)
    target = Orders(TARGET)
    found = CrossFittedRankings(everything, one_model).cascade(target)
    pmf = target.conditional_probability(everything)
    for position in range(POSITIONS):
        tops, which = np.unique(RANKINGS[:, :position], axis=0, return_inverse=True)
        for top in range(len(tops)):
            rows = np.flatnonzero(which == top)
            _, first = np.unique(RANKINGS[rows, position], return_index=True)
            rows_of_item = rows[first]
            mean = pmf[rows_of_item, position] @ found.predicted[rows_of_item, position]
            np.testing.assert_allclose(found.expected[rows, position], mean, rtol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_a_fold_s_rewards_do_not_reach_its_own_predictions(model: str) -> None:
    before = cross_fit_rankings(LOG, model, seed=2)
    own = before.fitted.fold_of == 0
    changed = replace(LOG, reward=np.where(own[:, None], 1 - LOG.reward, LOG.reward))
    after = cross_fit_rankings(changed, model, seed=2)
    first, second = before.cascade(Orders(TARGET)), after.cascade(Orders(TARGET))
    np.testing.assert_array_equal(first.predicted[own], second.predicted[own])
    np.testing.assert_array_equal(first.expected[own], second.expected[own])
    assert (first.predicted[~own] != second.predicted[~own]).any()


def test_predictions_are_of_all_reward_still_to_come() -> None:
    """Of the items left, the last two positions show one each: what they earn is in the first."""
    logged = random_rankings(3, 30_000)
    fitted = cross_fit_rankings(logged, "logistic", seed=2)
    target = Orders(LOGGED)
    found = fitted.cascade(target)
    to_come = logged.reward[:, ::-1].cumsum(axis=1)[:, ::-1]
    np.testing.assert_allclose(found.expected.mean(axis=0), to_come.mean(axis=0), atol=0.02)
    inputs = fitted.fill(ranking_inputs(logged, target), target)
    assert inputs.predicted is not None
    np.testing.assert_array_equal(inputs.predicted, found.predicted)


def test_a_model_lowers_the_variance_and_leaves_the_mean() -> None:
    logged, target = random_rankings(4, 20_000), Orders(TARGET)
    inputs = ranking_inputs(logged, target)
    inputs = cross_fit_rankings(logged, "logistic", seed=2).fill(inputs, target)
    weighed = RANKING_ESTIMATORS["rips"].terms(inputs).influence()
    robust = RANKING_ESTIMATORS["cascade-dr"].terms(inputs).influence()
    assert robust.var() < 0.5 * weighed.var()
    # four standard errors of the difference
    difference = robust - weighed
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(logged))


@pytest.mark.parametrize("model", MODELS)
def test_items_may_be_numbered_in_any_way(model: str) -> None:
    """An item's code is a name, in rankings as well."""
    renamed = np.array([2, 3, 1, 0], np.int32)
    other = replace(LOG, items=renamed[LOG.items])
    found = cross_fit_rankings(LOG, model, seed=2).cascade(Orders(TARGET))
    again = cross_fit_rankings(other, model, seed=2).cascade(Orders(TARGET[np.argsort(renamed)]))
    tolerance = 0.02 if model == "vw" else 1e-3
    np.testing.assert_allclose(again.predicted, found.predicted, atol=tolerance)
    np.testing.assert_allclose(again.expected, found.expected, atol=tolerance)


def short_rankings() -> LoggedRankings:
    """Return rankings of one to three items, from candidate sets that differ."""
    rng = np.random.default_rng(6)
    rounds = 300
    sizes = rng.integers(1, ITEMS + 1, rounds)
    codes = np.argsort(rng.random((rounds, 9)), axis=1)[:, :ITEMS].astype(np.int32)
    candidates = np.where(np.arange(ITEMS) < sizes[:, None], codes, -1).astype(np.int32)
    order = np.argsort(np.where(candidates >= 0, rng.random((rounds, ITEMS)), 2), axis=1)
    places = np.arange(POSITIONS) < np.minimum(sizes, POSITIONS)[:, None]
    items = np.where(places, order[:, :POSITIONS], -1).astype(np.int32)
    left = np.maximum(sizes[:, None] - np.arange(POSITIONS), 1)
    reward = np.where(places, (rng.random(items.shape) < 0.5).astype(np.float64), 0.0)
    return LoggedRankings(items, 1.0 / left, reward, ITEMS, candidates=candidates)


class ByCode(Orders):
    """The target of every test here, where candidates are listed in any order."""

    def pages(self, logged: LoggedRankings) -> FloatArray:
        assert logged.candidates is not None
        return self.logits[logged.candidates]


@pytest.mark.parametrize("model", MODELS)
def test_candidates_may_be_listed_in_any_order(model: str) -> None:
    rng = np.random.default_rng(5)
    candidates = np.argsort(rng.random((len(LOG), ITEMS)), axis=1).astype(np.int32)
    places = np.argsort(candidates, axis=1).astype(np.int32)
    items = np.take_along_axis(places, LOG.items, axis=1)
    listed = replace(LOG, items=items, candidates=candidates)
    found = cross_fit_rankings(LOG, model, seed=2).cascade(Orders(TARGET))
    again = cross_fit_rankings(listed, model, seed=2).cascade(ByCode(TARGET))
    np.testing.assert_allclose(again.predicted, found.predicted, rtol=1e-9)
    np.testing.assert_allclose(again.expected, found.expected, rtol=1e-9)


class Uniform(Orders):
    """Candidates in any order alike, however many there are."""

    def pages(self, logged: LoggedRankings) -> FloatArray:
        assert logged.candidates is not None
        return np.where(logged.candidates >= 0, 0.0, -np.inf)


@pytest.mark.parametrize("model", MODELS)
def test_short_rankings_predict_nothing_past_their_end(model: str) -> None:
    logged, target = short_rankings(), Uniform(np.zeros(ITEMS))
    fitted = cross_fit_rankings(logged, model, seed=2)
    found = fitted.cascade(target)
    assert (found.predicted[~logged.placed()] == 0).all()
    assert (found.expected[~logged.placed()] == 0).all()
    inputs = fitted.fill(ranking_inputs(logged, target), target)
    # the log's own policy: weights are 1, and predictions of one item are their own mean
    value = RANKING_ESTIMATORS["cascade-dr"].terms(inputs).value()
    assert value == pytest.approx(logged.reward.sum(axis=1).mean(), abs=0.08)


def test_what_is_to_come_ends_with_the_ranking() -> None:
    """Of two candidates the second is certain once the first stands."""
    logged = short_rankings()
    assert logged.candidates is not None
    fitted = cross_fit_rankings(logged, "logistic", seed=2)
    found = fitted.cascade(Uniform(np.zeros(ITEMS)))
    rows = np.flatnonzero(logged.placed().sum(axis=1) == 2)
    own = [
        fitted.fitted.predict(
            Pairs(
                logged.candidates[rows, logged.items[rows, position]],
                None,
                np.full(len(rows), position, np.int32),
            ),
            rows,
        )
        for position in range(2)
    ]
    assert len(rows) > 50
    np.testing.assert_allclose(found.predicted[rows, 0], own[0] + own[1], rtol=1e-9)
    np.testing.assert_allclose(found.predicted[rows, 1], own[1], rtol=1e-9)


def test_unlawful_probabilities_are_refused() -> None:
    class Half(Orders):
        def conditional_pmf(self, logged: LoggedRankings) -> FloatArray:
            return super().conditional_pmf(logged) / 2

    class Flat(Orders):
        def conditional_pmf(self, logged: LoggedRankings) -> FloatArray:
            return super().conditional_pmf(logged)[:, :, 0]

    fitted = cross_fit_rankings(LOG, "logistic", seed=2)
    for target in (Half(TARGET), Flat(TARGET)):
        with pytest.raises(TargetError):
            fitted.cascade(target)
