"""Replay: which rounds it keeps, and that it is right for any logging and any target."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm

from bandit.types import FloatArray
from simulator.errors import EstimationError, NoOverlapError
from simulator.estimators.inputs import Inputs
from simulator.estimators.replay import accepted, replay
from simulator.estimators.take_fraction import take_fraction
from simulator.terms import Terms

ALPHA = 1e-6
"""Chance that a right estimator fails a statistical test here; seeds are fixed besides."""


def test_uniform_logs_and_a_sure_target_keep_the_matches_and_no_more() -> None:
    rng = np.random.default_rng(5)
    logged, wanted = rng.integers(4, size=(2, 500))
    inputs = Inputs(rng.random(500), np.where(logged == wanted, 4.0, 0.0))
    assert np.array_equal(accepted(inputs), logged == wanted)
    matched = inputs.reward[logged == wanted]
    assert replay(inputs).value() == pytest.approx(matched.mean(), rel=1e-12)


def test_a_stochastic_target_is_drawn_from() -> None:
    """With K = 2 and the probability .5 of what was logged, half of the draws agree with it."""
    weight = np.full(4, 1.0)
    inputs = Inputs(np.arange(4.0), weight, uniform=np.array([0.1, 0.49, 0.51, 0.9]))
    assert accepted(inputs, ceiling=2.0).tolist() == [True, True, False, False]
    assert replay(inputs, ceiling=2.0).value() == 0.5


def test_rewards_of_rounds_not_kept_do_not_matter() -> None:
    """Nothing is filled in for them: neither an arm's mean nor zero."""
    kept = np.array([True, False, True, False])
    inputs = Inputs(np.array([0.2, 0.9, 0.4, 0.7]), np.where(kept, 2.0, 0.0))
    changed = inputs._replace(reward=np.where(kept, inputs.reward, 1e9))
    assert replay(inputs).value() == replay(changed).value() == pytest.approx(0.3, rel=1e-15)


def test_draws_follow_the_seed() -> None:
    inputs = Inputs(np.ones(200), np.full(200, 1.0))
    first = accepted(inputs, ceiling=3.0, seed=1)
    assert np.array_equal(first, accepted(inputs, ceiling=3.0, seed=1))
    assert not np.array_equal(first, accepted(inputs, ceiling=3.0, seed=2))


def test_blocks_with_common_draws_and_ceiling_are_the_whole() -> None:
    rng = np.random.default_rng(3)
    inputs = Inputs(rng.random(90), rng.random(90) * 4, uniform=rng.random(90))
    whole = replay(inputs, ceiling=4.0)
    assert inputs.uniform is not None
    blocks = [
        replay(
            Inputs(inputs.reward[at], inputs.weight[at], uniform=inputs.uniform[at]), ceiling=4.0
        )
        for at in (slice(0, 40), slice(40, 90))
    ]
    assert np.array_equal(whole.numerator, np.concatenate([block.numerator for block in blocks]))


def skewed_world(rounds: int) -> tuple[Inputs, FloatArray, float]:
    """Return rounds of a skewed logging policy, the chance that matching keeps each, and truth.

    Users are of two kinds; the logging policy knows which, and favours what pays.
    """
    rng = np.random.default_rng(20)
    logging = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    target = np.array([[0.3, 0.3, 0.4], [0.25, 0.5, 0.25]])
    pays = np.array([[0.8, 0.3, 0.2], [0.1, 0.4, 0.7]])
    kind = rng.integers(2, size=rounds)
    action = (rng.random(rounds)[:, None] >= logging[kind].cumsum(axis=1)).sum(axis=1)
    reward = (rng.random(rounds) < pays[kind, action]).astype(np.float64)
    weight = target[kind, action] / logging[kind, action]
    return Inputs(reward, weight), target[kind, action], float((target * pays).sum(axis=1).mean())


def test_logs_that_are_not_uniform_are_judged_rightly() -> None:
    inputs, matching, truth = skewed_world(40_000)
    terms = replay(inputs, seed=1)
    assert terms.denominator is not None
    error = terms.influence().std() / np.sqrt(len(terms))
    assert abs(terms.value() - truth) < norm.isf(ALPHA / 2) * error
    # keeping every match, which assumes uniform logs, is far off on the very same rounds
    matched = (matching * inputs.reward).sum() / matching.sum()
    assert abs(matched - truth) > 5 * norm.isf(ALPHA / 2) * error


def test_the_largest_weight_as_ceiling_keeps_most() -> None:
    inputs, _, _ = skewed_world(2_000)
    largest = float(inputs.weight.max())
    assert np.array_equal(accepted(inputs), accepted(inputs, ceiling=largest))
    assert accepted(inputs).sum() > accepted(inputs, ceiling=2 * largest).sum()


def test_a_play_counts_as_one_whatever_it_earned() -> None:
    inputs = Inputs(np.array([0.1, 0.9, 0.05, 0.0]), np.ones(4))
    assert take_fraction(inputs).value() == 0.75
    assert take_fraction(inputs, played_above=0.05).value() == 0.5
    assert replay(inputs).value() == pytest.approx(1.05 / 4)


@pytest.mark.parametrize("ceiling", [0.5, -1.0, np.nan, np.inf])
def test_a_ceiling_must_be_above_all_weights(ceiling: float) -> None:
    inputs = Inputs(np.ones(3), np.array([0.0, 1.0, 2.0]))
    with pytest.raises(EstimationError) as caught:
        replay(inputs, ceiling=ceiling)
    assert caught.value.hint


def test_a_ceiling_may_be_off_by_rounding() -> None:
    inputs = Inputs(np.ones(1), np.array([1 / (1 / 49)]))
    assert inputs.weight[0] > 49.0
    assert replay(inputs, ceiling=49.0).value() == 1.0


@pytest.mark.parametrize("estimator", [replay, take_fraction])
@pytest.mark.parametrize("weight", [np.zeros(3), np.full(3, 1e-9)])
def test_no_round_kept_is_an_error(estimator: Callable[..., Terms], weight: FloatArray) -> None:
    inputs = Inputs(np.ones(3), weight, uniform=np.full(3, 0.5))
    with pytest.raises(NoOverlapError):
        estimator(inputs, ceiling=10.0).value()
