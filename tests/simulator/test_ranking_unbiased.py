"""Exact unbiasedness by summing over all rankings of a tiny world."""

from __future__ import annotations

import numpy as np
import pytest

from bandit.types import FloatArray
from simulator.rankings.inputs import RankingInputs, ranking_inputs, with_examination
from simulator.rankings.registry import RANKING_ESTIMATORS
from tests.simulator.ranking_world import (
    ITEMS,
    LOGGED,
    POSITIONS,
    RANKINGS,
    TARGET,
    Orders,
    chances,
    every_ranking,
)

RNG = np.random.default_rng(11)
EXAMINATION = np.array([1.0, 0.6, 0.2])
OF_ITEM = RNG.random((POSITIONS, ITEMS))
OF_PREFIX: dict[tuple[int, ...], float] = {}
for RANKING in RANKINGS.tolist():
    for DEPTH in range(POSITIONS):
        OF_PREFIX.setdefault(tuple(RANKING[: DEPTH + 1]), float(RNG.random()))

REWARDS: dict[str, FloatArray] = {
    "anything": RNG.random(RANKINGS.shape),
    "cascade": np.array(
        [[OF_PREFIX[tuple(r[: at + 1])] for at in range(POSITIONS)] for r in RANKINGS.tolist()]
    ),
    "independent": OF_ITEM[np.arange(POSITIONS), RANKINGS],
    "position-based": EXAMINATION * np.array([0.3, 0.9, 0.1, 0.5])[RANKINGS],
}


def inputs_of(world: str) -> RankingInputs:
    logged = every_ranking(REWARDS[world])
    target = Orders(TARGET)
    inputs = ranking_inputs(logged, target)
    inputs = with_examination(inputs, logged, Orders(LOGGED), target, EXAMINATION)
    guess = {prefix: 5 * value**2 - 1 for prefix, value in OF_PREFIX.items()}
    predicted, expected = np.zeros(RANKINGS.shape), np.zeros(RANKINGS.shape)
    pmf = target.conditional_pmf(logged)
    for index, ranking in enumerate(RANKINGS.tolist()):
        for at in range(POSITIONS):
            above = tuple(ranking[:at])
            predicted[index, at] = guess[(*above, ranking[at])]
            left = [item for item in range(ITEMS) if item not in above]
            expected[index, at] = sum(pmf[index, at, a] * guess[(*above, a)] for a in left)
    return inputs._replace(predicted=predicted, expected=expected)


def bias(name: str, world: str) -> float:
    inputs = inputs_of(world)
    under_log, under_target = chances(inputs)
    terms = RANKING_ESTIMATORS[name].terms(inputs)
    truth = float(under_target @ REWARDS[world].sum(axis=1))
    return float(under_log @ terms.numerator) - truth


@pytest.mark.parametrize("world", REWARDS)
def test_standard_ips_is_unbiased_whatever_viewers_do(world: str) -> None:
    assert bias("sips", world) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["rips", "cascade-dr"])
@pytest.mark.parametrize("world", ["cascade", "independent", "position-based"])
def test_cascade_estimators_are_unbiased_where_viewers_read_from_the_top(
    name: str, world: str
) -> None:
    assert bias(name, world) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("world", ["independent", "position-based"])
def test_independent_ips_is_unbiased_where_positions_do_not_interact(world: str) -> None:
    assert bias("iips", world) == pytest.approx(0, abs=1e-12)


def test_position_based_ips_is_unbiased_under_its_model() -> None:
    assert bias("pbm-iips", "position-based") == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "world"),
    [
        ("rips", "anything"),
        ("cascade-dr", "anything"),
        ("iips", "cascade"),
        ("pbm-iips", "independent"),
    ],
)
def test_estimators_are_biased_where_their_assumption_fails(name: str, world: str) -> None:
    assert abs(bias(name, world)) > 1e-3


@pytest.mark.parametrize("name", ["iips", "rips", "sips"])
def test_weights_are_one_in_the_mean_at_every_position(name: str) -> None:
    inputs = inputs_of("anything")
    under_log, _ = chances(inputs)
    terms = RANKING_ESTIMATORS[f"sn{name}"].terms(inputs)
    assert terms.denominator is not None
    np.testing.assert_allclose(under_log @ terms.denominator, 1, rtol=1e-12)


@pytest.mark.parametrize("name", RANKING_ESTIMATORS)
def test_the_logging_policy_is_judged_by_its_mean_reward(name: str) -> None:
    logged = every_ranking(REWARDS["anything"])
    policy = Orders(LOGGED)
    inputs = with_examination(
        ranking_inputs(logged, policy), logged, policy, policy, EXAMINATION
    )._replace(predicted=np.zeros(RANKINGS.shape), expected=np.zeros(RANKINGS.shape))
    value = RANKING_ESTIMATORS[name].terms(inputs).value()
    assert value == pytest.approx(logged.reward.sum(axis=1).mean(), rel=1e-12)
