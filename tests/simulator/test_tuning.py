"""Tuning: a pure function of one policy's rounds; SLOPE and error bounds by their definitions."""

from __future__ import annotations

from math import log, sqrt
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from bandit.types import FloatArray
from simulator.errors import EstimationError, NotApplicableError
from simulator.estimators.inputs import Inputs
from simulator.estimators.registry import ESTIMATORS, EstimatorSpec
from simulator.tuning import Method, choose, default_candidates, gather, merged, tune
from simulator.tuning.mse import bias_bound
from simulator.tuning.slope import slope, slope_improved, widths

METHODS: tuple[Method, ...] = get_args(Method)
every_method = pytest.mark.parametrize("method", METHODS)
every_tunable = pytest.mark.parametrize(
    "spec", [spec for spec in ESTIMATORS.values() if spec.tunable], ids=lambda spec: spec.name
)


def rounds_of(seed: int, *, count: int = 400, spread: float = 1.0, zeros: float = 0.3) -> Inputs:
    """Return rounds whose weights are log-normal, the wider the further the target is off."""
    rng = np.random.default_rng(seed)
    weight = np.exp(spread * rng.normal(size=count)) * (rng.random(count) >= zeros)
    reward = (rng.random(count) < 0.4).astype(np.float64)
    return Inputs(reward, weight, rng.random(count), rng.random(count))


@every_tunable
@every_method
def test_each_policy_gets_its_own_parameter(spec: EstimatorSpec, method: Method) -> None:
    """Nothing is kept: in either order, and asked again, each policy's answer is the same."""
    near, far = rounds_of(1, spread=0.1, zeros=0.0), rounds_of(2, spread=2.5)
    first, second = tune(spec, near, method=method), tune(spec, far, method=method)
    again_far, again_near = tune(spec, far, method=method), tune(spec, near, method=method)
    assert (first.parameter, first.table) == (again_near.parameter, again_near.table)
    assert (second.parameter, second.table) == (again_far.parameter, again_far.table)
    assert first.table != second.table


def test_two_policies_differ_in_what_is_best() -> None:
    """A wide target is clipped, a near one is not, with the same candidates for both."""
    near, far = rounds_of(1, spread=0.1, zeros=0.0), rounds_of(2, spread=2.5)
    clips = [0.5, 2.0, 8.0, np.inf]
    ips = ESTIMATORS["ips"]
    assert tune(ips, near, clips, method="mse-direct").parameter >= 2.0
    chosen = tune(ips, far, clips, method="mse-direct")
    assert tune(ips, far, clips, method="slope").parameter < np.inf
    assert chosen.parameter == min(chosen.table, key=lambda tried: tried.score).parameter


@every_tunable
@every_method
def test_terms_are_the_estimators_with_the_parameter(spec: EstimatorSpec, method: Method) -> None:
    inputs = rounds_of(3)
    tuned = tune(spec, inputs, method=method)
    chosen = [tried for tried in tuned.table if tried.chosen]
    assert [tried.parameter for tried in chosen] == [tuned.parameter]
    expected = spec.terms(inputs, tuned.parameter)
    assert np.array_equal(tuned.terms.numerator, expected.numerator)
    assert chosen[0].value == pytest.approx(expected.value(), rel=1e-12)
    error = expected.influence().std(ddof=1) / sqrt(len(inputs.reward))
    assert chosen[0].standard_error == pytest.approx(error, rel=1e-12)


@every_method
def test_an_estimator_without_a_model_ignores_predictions(method: Method) -> None:
    inputs = rounds_of(4)
    without = inputs._replace(predicted=None, expected=None)
    ips = ESTIMATORS["ips"]
    assert tune(ips, inputs, method=method).table == tune(ips, without, method=method).table


@every_tunable
@every_method
def test_blocks_tell_what_the_whole_tells(spec: EstimatorSpec, method: Method) -> None:
    inputs = rounds_of(5, count=900)
    candidates = default_candidates(spec, inputs.weight)
    assert inputs.predicted is not None
    assert inputs.expected is not None
    blocks = [
        gather(
            spec,
            Inputs(inputs.reward[at], inputs.weight[at], inputs.predicted[at], inputs.expected[at]),
            candidates,
        )
        for at in (slice(0, 1), slice(1, 500), slice(500, 900))
    ]
    together = choose(merged(merged(blocks[0], blocks[1]), blocks[2]), method=method)
    whole = choose(gather(spec, inputs, candidates), method=method)
    assert together.parameter == whole.parameter
    assert np.array(together.table) == pytest.approx(np.array(whole.table), rel=1e-9, abs=1e-12)


def test_blocks_of_different_candidates_are_not_mixed() -> None:
    first, second = (gather(ESTIMATORS["ips"], rounds_of(6), [clip]) for clip in (1.0, 2.0))
    with pytest.raises(EstimationError, match="candidates"):
        merged(first, second)


numbers = st.lists(st.tuples(st.floats(-1, 1), st.floats(1e-3, 1)), min_size=1, max_size=8)


@given(numbers)
def test_slope_is_the_last_interval_that_meets_all_before(drawn: list[tuple[float, float]]) -> None:
    estimates, width = np.array(drawn).T
    order = sorted(range(len(width)), key=lambda place: -width[place])
    chosen = order[0]
    for end in range(1, len(order) + 1):
        intervals = [
            (estimates[place] - 2 * width[place], estimates[place] + 2 * width[place])
            for place in order[:end]
        ]
        if max(low for low, _ in intervals) > min(high for _, high in intervals):
            break
        chosen = order[end - 1]
    assert slope(estimates, width) == chosen


@given(numbers)
def test_slope_improved_is_the_last_that_agrees_with_all_before(
    drawn: list[tuple[float, float]],
) -> None:
    estimates, width = np.array(drawn).T
    order = sorted(range(len(width)), key=lambda place: -width[place])
    chosen = order[0]
    for end, place in enumerate(order):
        if any(
            abs(estimates[place] - estimates[other]) > width[place] + (sqrt(6) - 1) * width[other]
            for other in order[:end]
        ):
            break
        chosen = place
    assert slope_improved(estimates, width) == chosen


def test_slope_stops_at_the_first_that_disagrees() -> None:
    """The third would agree with all before it, but the second broke the chain."""
    estimates, width = np.array([0.0, 9.0, 0.0]), np.array([1.0, 0.5, 0.1])
    assert slope(estimates, width) == 0
    assert slope_improved(estimates, width) == 0


def test_widths_are_students() -> None:
    inputs = rounds_of(7, count=12)
    evidence = gather(ESTIMATORS["dr"], inputs, [0.5, np.inf])
    terms = ESTIMATORS["dr"].terms(inputs, 0.5).influence()
    expected = student.ppf(0.9, 11) * terms.std() / sqrt(11)
    assert widths(evidence, 0.1)[0] == pytest.approx(expected, rel=1e-10)


def loop_bound(
    inputs: Inputs, modified: FloatArray, residual: FloatArray, delta: float, largest: float
) -> float:
    """Return Bernstein's bound on the bias, round by round."""
    count = len(inputs.reward)
    gap, squares, top = 0.0, 0.0, 0.0
    for weight, kept, rest in zip(inputs.weight, modified, residual, strict=True):
        gap += (weight - kept) * rest
        squares += weight * weight
        top = max(top, weight)
    needed = log(2 / delta)
    deviation = sqrt(2 * (squares / count) * needed / count)
    deviation += 2 * top * needed / (3 * count)
    return abs(gap / count) + largest * deviation


@pytest.mark.parametrize("largest", [1.0, 3.0])
def test_the_bias_bound_is_bernsteins(largest: float) -> None:
    inputs = rounds_of(8, count=50)
    assert inputs.predicted is not None
    for name, residual in (
        ("ips", inputs.reward),
        ("dr", inputs.reward - inputs.predicted),
    ):
        evidence = gather(ESTIMATORS[name], inputs, [0.7])
        expected = loop_bound(inputs, np.minimum(inputs.weight, 0.7), residual, 0.2, largest)
        assert bias_bound(evidence, 0.2, largest)[0] == pytest.approx(expected, rel=1e-12)


@every_tunable
def test_default_candidates_span_the_weights_and_end_neutral(spec: EstimatorSpec) -> None:
    inputs = rounds_of(9, spread=2.0)
    candidates = default_candidates(spec, inputs.weight)
    assert candidates == sorted(set(candidates))
    assert len(candidates) == 31
    assert spec.neutral in candidates
    values = [tried.value for tried in tune(spec, inputs, method="mse").table]
    assert len(set(values)) > 20


@every_tunable
@every_method
@pytest.mark.parametrize("weight", [np.zeros(5), np.ones(5)])
def test_weights_that_leave_nothing_to_choose_are_no_fault(
    spec: EstimatorSpec, method: Method, weight: FloatArray
) -> None:
    inputs = rounds_of(10, count=5)._replace(weight=weight)
    tuned = tune(spec, inputs, method=method)
    assert np.isfinite(tuned.terms.value())


@pytest.mark.parametrize("name", [name for name, spec in ESTIMATORS.items() if not spec.tunable])
def test_what_has_nothing_to_tune_says_so(name: str) -> None:
    for candidates in (None, [1.0]):
        with pytest.raises(NotApplicableError, match=r"switch-dr"):
            tune(ESTIMATORS[name], rounds_of(11), candidates, method="mse")


def test_what_cannot_be_tuned_on_is_refused() -> None:
    ips = ESTIMATORS["ips"]
    with pytest.raises(EstimationError, match="0 candidates"):
        tune(ips, rounds_of(12), [], method="mse")
    with pytest.raises(EstimationError, match="0 rounds"):
        tune(ips, Inputs(np.empty(0), np.empty(0)), [1.0], method="mse")
    with pytest.raises(EstimationError, match="at least 2"):
        tune(ips, rounds_of(12, count=1), [1.0], method="slope")
    with pytest.raises(EstimationError, match="clip is nan"):
        tune(ips, rounds_of(12), [np.nan], method="slope")
    for delta in (0.0, 1.0, np.nan):
        with pytest.raises(EstimationError, match="delta"):
            tune(ips, rounds_of(12), [1.0], method="slope", delta=delta)
    with pytest.raises(EstimationError, match="reward model"):
        tune(ESTIMATORS["dr"], rounds_of(12)._replace(predicted=None), [1.0], method="slope")


def root_mean_squares(name: str, method: Method, *, model_error: float) -> tuple[float, float]:
    """Return the errors of an estimator, tuned and not, over 100 seeded logs of one world."""
    errors = []
    spec = ESTIMATORS[name]
    for seed in range(100):
        rng = np.random.default_rng(seed)
        weight = np.exp(2.0 * rng.normal(size=300) - 2.0)
        mean = rng.random(300)
        reward = (rng.random(300) < mean).astype(np.float64)
        model = np.minimum(mean + model_error, 1.0)
        inputs = Inputs(reward, weight, model, model)
        tuned = tune(spec, inputs, method=method).terms.value()
        errors.append((tuned - 0.5, spec.terms(inputs, None).value() - 0.5))
    tuned_error, plain_error = np.sqrt((np.array(errors) ** 2).mean(axis=0))
    return float(tuned_error), float(plain_error)


@pytest.mark.parametrize("name", ["dr", "dros", "sgdr"])
def test_tuning_by_the_direct_error_pays_where_weights_are_wild(name: str) -> None:
    """Seeds are fixed; the ratio found is about 0.65."""
    tuned, plain = root_mean_squares(name, "mse-direct", model_error=0.0)
    assert tuned < 0.75 * plain


@pytest.mark.parametrize("method", ["slope", "slope++"])
def test_slope_finds_a_good_model(method: Method) -> None:
    """Seeds are fixed; the ratio found is about 0.15."""
    tuned, plain = root_mean_squares("dros", method, model_error=0.0)
    assert tuned < 0.3 * plain


def test_slope_harms_clipped_ips() -> None:
    """Its clipping pulls to zero, which no model makes up for."""
    tuned, plain = root_mean_squares("ips", "slope", model_error=0.0)
    assert tuned > 1.2 * plain
    direct, _ = root_mean_squares("ips", "mse-direct", model_error=0.0)
    assert direct < 1.1 * plain


def test_the_bound_hardly_touches_weights() -> None:
    tuned, plain = root_mean_squares("dros", "mse", model_error=0.1)
    assert tuned == pytest.approx(plain, rel=0.02)
