"""Where others return NaN, drop half of the rounds, or say nothing."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from simulator.errors import EstimationError, NoOverlapError
from simulator.estimators.dm import dm
from simulator.estimators.dr import dr
from simulator.estimators.dros import dros
from simulator.estimators.inputs import Inputs
from simulator.estimators.registry import ESTIMATORS, EstimatorSpec, estimator_named
from simulator.estimators.sgdr import sgdr, subgaussian
from simulator.estimators.switch_dr import switch_dr, switched

NAMES = (
    "replay",
    "dm",
    "ips",
    "snips",
    "dr",
    "sndr",
    "switch-dr",
    "dros",
    "sgdr",
    "bips",
    "mrdr",
)
"""What commands and configurations may rely on."""

every_estimator = pytest.mark.parametrize("spec", ESTIMATORS.values(), ids=list(ESTIMATORS))


def some_rounds(count: int = 60, seed: int = 9) -> Inputs:
    rng = np.random.default_rng(seed)
    weight = rng.exponential(size=count) * (rng.random(count) < 0.7)
    return Inputs(rng.random(count), weight, rng.random(count), rng.random(count))


@pytest.mark.parametrize("off", [1e-16, 1e-9, 1e-7])
def test_switching_at_one_keeps_weights_of_one_up_to_rounding(off: float) -> None:
    inputs = some_rounds()
    same_policy = inputs._replace(weight=1 + off * np.linspace(-1, 1, 60))
    assert switch_dr(same_policy, threshold=1.0).value() == dr(same_policy).value()


def test_switching_drops_what_is_above() -> None:
    assert switched(np.array([0.5, 1.0, 1.001, 7.0]), 1.0).tolist() == [0.5, 1.0, 0.0, 0.0]
    assert switched(np.array([0.0, 1e-300]), 0.0).tolist() == [0.0, 0.0]


def test_dros_at_zero_is_the_direct_method_even_where_weights_are_zero() -> None:
    inputs = some_rounds()
    assert (inputs.weight == 0).any()
    assert dros(inputs, shrinkage=0.0).value() == dm(inputs).value()


def test_dros_is_steady_at_extremes() -> None:
    inputs = some_rounds()
    assert dros(inputs, shrinkage=1e-300).value() == pytest.approx(dm(inputs).value())
    assert dros(inputs, shrinkage=1e300).value() == pytest.approx(dr(inputs).value())


def test_sgdr_at_one_leaves_weights_of_zero_at_zero() -> None:
    assert subgaussian(np.array([0.0, 0.2, 30.0]), 1.0).tolist() == [0.0, 1.0, 1.0]
    assert np.isfinite(sgdr(some_rounds(), correction=1.0).value())


def test_subgaussian_weights_are_bounded() -> None:
    assert subgaussian(np.array([1e12]), 0.1)[0] == pytest.approx(10.0)


@pytest.mark.parametrize("name", ["snips", "sndr", "bips", "replay", "take-fraction"])
def test_no_overlap_is_said(name: str) -> None:
    terms = ESTIMATORS[name].terms(some_rounds()._replace(weight=np.zeros(60)), None)
    with pytest.raises(NoOverlapError) as caught:
        terms.value()
    assert "overlap" in caught.value.hint
    with pytest.raises(NoOverlapError):
        terms.influence()


@every_estimator
def test_terms_are_a_float_a_round(spec: EstimatorSpec) -> None:
    terms = spec.terms(some_rounds(), None)
    for column in (terms.numerator, terms.denominator, terms.base):
        if column is not None:
            assert column.shape == (60,)
            assert column.dtype == np.float64
            assert np.isfinite(column).all()
    assert (terms.denominator is not None) == spec.self_normalised
    assert np.isfinite(terms.value())


@every_estimator
def test_no_rounds_make_no_estimate(spec: EstimatorSpec) -> None:
    none = Inputs(*(np.empty(0) for _ in range(4)))
    with pytest.raises(EstimationError, match="no rounds"):
        spec.terms(none, None).value()


@every_estimator
def test_inputs_are_left_as_they_were(spec: EstimatorSpec) -> None:
    inputs, untouched = some_rounds(), some_rounds()
    for parameter in {None, spec.neutral, 0.5} if spec.tunable else {None}:
        spec.terms(inputs, parameter)
    for column, before in zip(inputs, untouched, strict=True):
        if column is not None and before is not None:
            assert np.array_equal(column, before)


@every_estimator
def test_a_model_is_needed_where_the_registry_says_so(spec: EstimatorSpec) -> None:
    without = some_rounds()._replace(predicted=None, expected=None)
    if not spec.needs_model:
        assert spec.terms(without, None).value() == spec.terms(some_rounds(), None).value()
        return
    with pytest.raises(EstimationError) as caught:
        spec.terms(without, None)
    assert "reward model" in caught.value.hint


@pytest.mark.parametrize("name", [name for name, spec in ESTIMATORS.items() if spec.parameter])
@pytest.mark.parametrize("wrong", [-0.1, np.nan])
def test_a_wrong_parameter_is_refused(name: str, wrong: float) -> None:
    with pytest.raises(EstimationError) as caught:
        ESTIMATORS[name].terms(some_rounds(), wrong)
    assert caught.value.hint


def test_sgdr_knows_its_upper_bound() -> None:
    with pytest.raises(EstimationError, match=r"\[0, 1\]"):
        sgdr(some_rounds(), correction=1.1)


def test_the_registry_holds_every_estimator_by_its_name() -> None:
    assert set(NAMES) <= set(ESTIMATORS)
    assert all(name == spec.name for name, spec in ESTIMATORS.items())
    assert all(spec.title and spec.source and spec.description for spec in ESTIMATORS.values())
    assert ESTIMATORS["mrdr"].model_weighting == "mrdr"
    assert ESTIMATORS["bips"].weighting == "balanced"
    assert [name for name, spec in ESTIMATORS.items() if spec.tunable] == [
        "ips",
        "dr",
        "switch-dr",
        "dros",
        "sgdr",
        "mrdr",
    ]


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    assert estimator_named("dr").title == "DR"
    with pytest.raises(EstimationError, match="snips"):
        estimator_named("snipps")


@every_estimator
def test_memory_is_a_few_columns(spec: EstimatorSpec) -> None:
    rounds = 100_000
    inputs = some_rounds(rounds)
    tracemalloc.start()
    try:
        spec.terms(inputs, None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 5 * rounds * np.dtype(np.float64).itemsize
