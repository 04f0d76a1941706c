"""What estimators of rankings are given, and what is refused."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from bandit.types import FloatArray
from simulator.errors import EstimationError, TargetError
from simulator.logged import LoggedRankings
from simulator.rankings.inputs import ranking_inputs, with_examination
from simulator.rankings.pbm_iips import examination
from simulator.rankings.registry import RANKING_ESTIMATORS
from tests.simulator.ranking_world import LOGGED, TARGET, Orders, random_rankings

SHORT = LoggedRankings(
    items=np.array([[0, 1, 2], [1, -1, -1]], np.int32),
    propensity=np.array([[0.5, 0.5, 1.0], [1.0, 1.0, 1.0]]),
    reward=np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    item_count=3,
    candidates=np.array([[4, 5, 6], [7, 8, -1]], np.int32),
)


class Given(NamedTuple):
    """A target that answers with what it was given."""

    answer: FloatArray
    name: str = "given"

    def conditional_probability(self, logged: LoggedRankings) -> FloatArray:
        del logged
        return self.answer

    def marginal_probability(self, logged: LoggedRankings) -> FloatArray:
        return self.conditional_probability(logged)


def test_past_the_end_nothing_moves_weights_or_sums() -> None:
    inputs = ranking_inputs(SHORT, Given(np.array([[0.25, 0.5, 1.0], [0.5, 0.3, 0.2]])))
    np.testing.assert_array_equal(inputs.cascade_weight(), [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
    assert inputs.logged_marginal is None
    assert RANKING_ESTIMATORS["sips"].terms(inputs).value() == 0.5


def test_marginals_are_asked_for_where_the_log_has_them() -> None:
    logged = random_rankings(1, 50)
    inputs = ranking_inputs(logged, Orders(TARGET))
    assert inputs.target_marginal is not None
    np.testing.assert_allclose(inputs.target[:, 0], inputs.target_marginal[:, 0], rtol=1e-12)


@pytest.mark.parametrize(
    "answer", [np.ones((2, 2)), np.full((2, 3), 1.1), np.full((2, 3), np.nan), np.full((2, 3), -1)]
)
def test_unlawful_probabilities_are_refused(answer: FloatArray) -> None:
    with pytest.raises(TargetError):
        ranking_inputs(SHORT, Given(answer))


def test_examination_is_recovered_from_a_log_of_any_order() -> None:
    logged = random_rankings(2, 200_000)
    assert logged.marginal is not None
    # rewards are the item's times 0.9, 0.6, 0.3; four standard errors
    np.testing.assert_allclose(examination(logged, logged.marginal), [1, 2 / 3, 1 / 3], atol=0.012)


def test_examination_cannot_be_told_without_rewards_at_the_top() -> None:
    with pytest.raises(EstimationError):
        examination(SHORT.take(slice(0, 1)), np.ones((1, 3)))


def test_a_log_that_the_logging_policy_cannot_have_written_is_refused() -> None:
    logged, target = random_rankings(1, 50), Orders(TARGET)
    impossible = Orders(np.array([0.0, -np.inf, 0.0, 0.0]))
    inputs = ranking_inputs(logged, target)
    with pytest.raises(EstimationError):
        with_examination(inputs, logged, impossible, target, np.ones(3))


def test_position_based_weights_are_gentler_than_independent_ones() -> None:
    logged, target = random_rankings(3, 1000), Orders(TARGET)
    inputs = ranking_inputs(logged, target)
    inputs = with_examination(inputs, logged, Orders(LOGGED), target, np.array([1, 2 / 3, 1 / 3]))
    assert inputs.target_examined is not None
    assert inputs.logged_examined is not None
    assert inputs.target_marginal is not None
    assert inputs.logged_marginal is not None
    gentle = inputs.target_examined / inputs.logged_examined
    assert gentle.max() < (inputs.target_marginal / inputs.logged_marginal).max()
