"""Weights from probabilities, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from bandit.types import FloatArray
from simulator.errors import EstimationError, LoggedDataError, PropensityError, TargetError
from simulator.estimators.inputs import weighted

REWARD = np.array([0.0, 1.0, 0.5])
LAWFUL = np.array([0.5, 1.0, 0.25])


def test_weights_are_target_over_propensity() -> None:
    inputs = weighted(REWARD, np.array([1.0, 0.0, 0.5]), LAWFUL)
    assert inputs.weight.tolist() == [2.0, 0.0, 2.0]
    assert inputs.predicted is inputs.expected is inputs.uniform is None


def test_predictions_are_carried() -> None:
    inputs = weighted(REWARD, LAWFUL, LAWFUL, predicted=REWARD, expected=LAWFUL)
    assert inputs.predicted is REWARD
    assert inputs.expected is LAWFUL


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan, np.inf])
def test_a_target_outside_its_bounds_is_refused(wrong: float) -> None:
    with pytest.raises(TargetError, match="first at round 1"):
        weighted(REWARD, np.array([0.5, wrong, 0.5]), LAWFUL)


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.1, np.nan, 5e-324])
def test_a_propensity_that_makes_no_weight_is_refused(wrong: float) -> None:
    with pytest.raises(PropensityError, match="1 of 3 rounds") as caught:
        weighted(REWARD, LAWFUL, np.array([0.5, wrong, 0.5]))
    assert caught.value.rows == (1,)


@pytest.mark.parametrize("column", ["propensity", "predicted", "expected"])
@pytest.mark.parametrize("wrong", [np.ones(2), np.ones((3, 1))])
def test_columns_of_another_shape_are_refused(column: str, wrong: FloatArray) -> None:
    columns = {"propensity": LAWFUL, "predicted": REWARD, "expected": REWARD, column: wrong}
    with pytest.raises(LoggedDataError, match=column):
        weighted(
            REWARD,
            LAWFUL,
            columns["propensity"],
            predicted=columns["predicted"],
            expected=columns["expected"],
        )


def test_target_probabilities_of_another_shape_are_refused() -> None:
    with pytest.raises(TargetError, match="shape"):
        weighted(REWARD, np.ones(2), LAWFUL)


def test_no_rounds_are_refused() -> None:
    with pytest.raises(EstimationError, match="no rounds"):
        weighted(np.empty(0), np.empty(0), np.empty(0))
