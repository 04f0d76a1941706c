"""Balanced weights and estimated propensities against worlds where they are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandit.types import FloatArray
from simulator.errors import EstimationError
from simulator.logged import LoggedChoices
from simulator.reward_models import balanced_weight, estimate_propensities
from tests.simulator.reward_world import ITEMS, POSITIONS, Softmax, World

ROUNDS = 20_000
LOG = World(0.5).log(ROUNDS)


def choose(logged: LoggedChoices, pmf: FloatArray, seed: int) -> LoggedChoices:
    """Return the rounds with actions drawn anew, and no word of how likely they were."""
    drawn = np.random.default_rng(seed).random((len(logged), 1))
    action = (np.cumsum(pmf, axis=1) <= drawn).sum(axis=1).astype(np.int32)
    return replace(logged, action=action, propensity=np.ones(len(logged)))


def by_position(logged: LoggedChoices) -> FloatArray:
    """Return (n, K): the higher on the page, the likelier are items of high codes."""
    assert logged.position is not None
    weights = np.exp(np.arange(ITEMS) * 0.4 * (1 - logged.position[:, None]))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("model", "by_context", "tolerance"), [("logistic", False, 0.06), ("boosting", True, 0.25)]
)
def test_balanced_weights_are_near_the_ratio_of_probabilities(
    model: str, by_context: bool, tolerance: float
) -> None:
    """Root mean squared errors of weights whose own spread is 0.5 and 0.66."""
    target = Softmax(by_context)
    truth = target.chosen_probability(LOG) / LOG.propensity
    found = balanced_weight(LOG, target, seed=2, model=model)
    assert np.sqrt(np.mean((found - truth) ** 2)) < tolerance
    assert found.mean() == pytest.approx(1, abs=0.03)


def test_balanced_weights_need_no_propensities_and_are_the_same_each_time() -> None:
    part = LOG.take(slice(2000))
    first = balanced_weight(part, Softmax(), seed=2, model="logistic")
    blind = replace(part, propensity=np.ones(2000))
    np.testing.assert_array_equal(
        first, balanced_weight(blind, Softmax(), seed=2, model="logistic")
    )
    assert (first != balanced_weight(part, Softmax(), seed=3, model="logistic")).any()


def test_a_target_that_leaves_the_log_has_no_weight_there() -> None:
    class Last(Softmax):
        def pmf(self, logged: LoggedChoices) -> FloatArray:
            return np.tile(np.eye(ITEMS)[-1], (len(logged), 1))

    found = balanced_weight(LOG, Last(), seed=2)
    assert found[LOG.action != ITEMS - 1].max() < 0.05
    assert found[LOG.action == ITEMS - 1].mean() == pytest.approx(ITEMS, rel=0.1)


def test_frequencies_by_position_are_estimated() -> None:
    logged = choose(LOG, by_position(LOG), seed=3)
    truth = by_position(LOG)[np.arange(ROUNDS), logged.action]
    found = estimate_propensities(logged, seed=1)
    assert found.propensity_source == "estimated"
    assert logged.propensity_source == "logged"
    # four standard errors of a frequency of 1/6 among 4,400 rounds
    np.testing.assert_allclose(found.propensity, truth, atol=0.03)


def test_estimates_do_not_see_their_own_fold() -> None:
    rare = replace(LOG.take(slice(300)), action=np.zeros(300, np.int32))
    rare.action[7] = 3
    found = estimate_propensities(rare, seed=1, folds=3).propensity
    assert rare.position is not None
    fold_alike = 0.5 / ((rare.position == rare.position[7]).sum() * 2 / 3 + ITEMS / 2)
    assert found[7] == pytest.approx(fold_alike, rel=0.3)


def test_strengths_are_recovered_from_sets_that_differ() -> None:
    rng = np.random.default_rng(5)
    sets = np.argsort(rng.random((ROUNDS, 10)), axis=1)[:, :4].astype(np.int32)
    sets[::2, 3] = -1
    strength = np.exp(rng.normal(size=10))
    pmf = np.where(sets >= 0, strength[sets], 0)
    pmf /= pmf.sum(axis=1, keepdims=True)
    bare = LoggedChoices(
        np.zeros(ROUNDS, np.int32), np.zeros(ROUNDS), np.ones(ROUNDS), 4, candidates=sets
    )
    logged = choose(bare, pmf, seed=6)
    found = estimate_propensities(logged, seed=1).propensity
    np.testing.assert_allclose(found, pmf[np.arange(ROUNDS), logged.action], atol=0.06)


def test_one_set_written_out_for_every_round_is_the_same_as_none() -> None:
    part = choose(LOG, by_position(LOG), seed=3).take(slice(3000))
    written = replace(part, candidates=np.tile(np.arange(ITEMS, dtype=np.int32), (3000, 1)))
    np.testing.assert_allclose(
        estimate_propensities(written, seed=1).propensity,
        estimate_propensities(part, seed=1).propensity,
        rtol=1e-9,
    )


def test_a_policy_that_looks_at_the_context_is_estimated_by_logistic_regression() -> None:
    target = Softmax(by_context=True)
    logged = choose(LOG, target.pmf(LOG), seed=3)
    truth = target.pmf(LOG)[np.arange(ROUNDS), logged.action]
    errors = {}
    for model in ("frequencies", "logistic"):
        found = estimate_propensities(logged, seed=1, model=model).propensity
        errors[model] = np.sqrt(np.mean((found - truth) ** 2))
    assert errors["logistic"] < 0.01
    assert errors["frequencies"] > 0.05


def test_logistic_regression_gives_actions_never_seen_a_least_propensity() -> None:
    logged = replace(LOG.take(slice(300)), action=(np.arange(300) % 2).astype(np.int32))
    logged.action[7] = 3
    found = estimate_propensities(logged, seed=1, model="logistic").propensity
    assert found[7] == 1e-6


def test_logistic_regression_needs_a_context_and_one_set() -> None:
    for wrong in (
        replace(LOG, context=None),
        replace(LOG, candidates=np.tile(np.arange(ITEMS, dtype=np.int32), (ROUNDS, 1))),
    ):
        with pytest.raises(EstimationError):
            estimate_propensities(wrong, seed=1, model="logistic")


def test_positions_are_three_in_this_world() -> None:
    assert LOG.position is not None
    assert set(LOG.position) == set(range(POSITIONS))
