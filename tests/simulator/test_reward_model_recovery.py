"""What models make of rewards whose expectation is known.

Tolerances are root mean squared errors out of fold, stated for 12,000 rounds and these seeds; the
expected reward itself varies by 0.2 around its mean.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandit.types import FloatArray
from simulator.logged import LoggedChoices
from simulator.reward_models import MODELS, cross_fit, mrdr_weight
from simulator.reward_models.model import RewardRange, labelled
from tests.simulator.reward_world import ITEMS, Softmax, World

ADDITIVE, INTERACTING = World(0.0), World(0.6)
LOGS = {world: world.log(12_000) for world in (ADDITIVE, INTERACTING)}


def error(world: World, model: str) -> float:
    logged = LOGS[world]
    found = cross_fit(logged, model, seed=5).predicted()
    return float(np.sqrt(np.mean((found - world.truth(logged, logged.action)) ** 2)))


@pytest.mark.parametrize(
    ("model", "tolerance"),
    [("logistic", 0.02), ("logistic-crossed", 0.03), ("boosting", 0.06), ("vw", 0.06)],
)
def test_an_additive_world_is_recovered(model: str, tolerance: float) -> None:
    assert error(ADDITIVE, model) < tolerance


@pytest.mark.parametrize(
    ("model", "tolerance"), [("logistic-crossed", 0.03), ("boosting", 0.1), ("vw", 0.12)]
)
def test_a_world_of_tastes_is_recovered_by_models_with_interactions(
    model: str, tolerance: float
) -> None:
    assert error(INTERACTING, model) < tolerance
    assert error(INTERACTING, "logistic") > 0.15


@pytest.mark.parametrize("model", [model for model in MODELS if model != "logistic"])
def test_interactions_with_identities_stand_in_for_missing_features(model: str) -> None:
    logged = LOGS[INTERACTING]
    truth = INTERACTING.truth(logged, logged.action)
    found = cross_fit(replace(logged, item_features=None), model, seed=5).predicted()
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.12


@pytest.mark.parametrize("model", MODELS)
def test_a_target_s_value_is_near_what_it_would_earn(model: str) -> None:
    logged, target = LOGS[ADDITIVE], Softmax()
    pmf = target.pmf(logged)
    earned = np.zeros(len(logged))
    for item in range(ITEMS):
        codes = np.full(len(logged), item, np.int32)
        earned += pmf[:, item] * ADDITIVE.truth(logged, codes)
    found = cross_fit(logged, model, seed=5).expected(target)
    assert found.mean() == pytest.approx(earned.mean(), abs=0.02)


@pytest.mark.parametrize("model", ["logistic", "logistic-crossed", "boosting"])
def test_contexts_may_be_measured_from_anywhere(model: str) -> None:
    logged = LOGS[INTERACTING].take(slice(3000))
    assert logged.context is not None
    moved = replace(logged, context=logged.context * np.float32(2) + np.float32(8))
    found = [cross_fit(one, model, seed=5).predicted() for one in (logged, moved)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)


def noiseless(low: float, high: float) -> tuple[LoggedChoices, FloatArray]:
    logged = LOGS[ADDITIVE].take(slice(6000))
    reward = low + (high - low) * ADDITIVE.truth(logged, logged.action)
    return replace(logged, reward=reward), reward


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.2, 0.7), (-3.0, 5.0)])
@pytest.mark.parametrize(("model", "tolerance"), [("logistic", 0.05), ("boosting", 0.05)])
def test_rewards_need_not_be_labels(model: str, tolerance: float, low: float, high: float) -> None:
    logged, reward = noiseless(low, high)
    found = cross_fit(logged, model, seed=5).predicted()
    assert np.sqrt(np.mean((found - reward) ** 2)) < tolerance * (high - low)
    assert found.min() >= min(low, 0)
    assert found.max() <= max(high, 1)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("reward", [0.0, 1.0, -2.0, 0.25])
def test_rewards_that_are_all_alike_are_predicted(model: str, reward: float) -> None:
    logged = replace(World(0.0).log(300), reward=np.full(300, reward))
    found = cross_fit(logged, model, seed=5)
    # VW learns a level step by step
    tolerance = 0.15 if model == "vw" else 1e-3
    np.testing.assert_allclose(found.predicted(), reward, atol=tolerance)
    np.testing.assert_allclose(found.expected(Softmax()), reward, atol=tolerance)


def test_a_reward_counts_in_part_as_success() -> None:
    rows = labelled(np.array([0.0, 0.25, 1.0, 0.5]), np.array([1.0, 2.0, 3.0, 0.0]))
    assert rows.row.tolist() == [1, 2, 0, 1]
    assert rows.label.tolist() == [1, 1, 0, 0]
    assert rows.weight.tolist() == [0.5, 3.0, 1.0, 1.5]
    assert not rows.one_sided
    assert labelled(np.zeros(3), None).one_sided


def test_ranges_map_there_and_back() -> None:
    reward = np.array([-1.0, 4.0, 2.0])
    known = RewardRange.of(reward)
    assert known == (-1, 4)
    np.testing.assert_allclose(known.from_unit(known.to_unit(reward)), reward)
    assert RewardRange.of(np.array([0.3, 0.4])) == (0, 1)
    assert known.from_unit(np.array([2.0]))[0] == 4


def test_mrdr_weighs_by_what_errors_cost() -> None:
    """The variance of the doubly robust estimator, action by action, for a target that is sure."""
    propensity = np.array([0.2, 0.5, 0.3])
    target = np.array([0.0, 1.0, 0.0])
    errors = np.array([0.7, -0.4, 0.1])
    term = target / propensity * errors
    variance = propensity @ term**2 - (propensity @ term) ** 2
    weight = mrdr_weight(target / propensity, propensity)
    assert propensity @ (weight * errors**2) == pytest.approx(variance, rel=1e-12)


def test_a_model_weighed_for_mrdr_lowers_the_variance_of_the_doubly_robust_terms() -> None:
    """A model too plain for the world does better where the target goes if told where that is."""
    logged = INTERACTING.log(12_000, seed=9)
    target = Softmax(by_context=True)
    weight = target.chosen_probability(logged) / logged.propensity
    spread = []
    for round_weight in (None, mrdr_weight(weight, logged.propensity)):
        fitted = cross_fit(logged, "logistic", seed=5, round_weight=round_weight)
        terms = fitted.expected(target) + weight * (logged.reward - fitted.predicted())
        spread.append(terms.var())
    assert spread[1] < spread[0]
