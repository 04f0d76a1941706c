"""Every estimator against a loop over rounds that knows nothing of arrays or weights rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import NoOverlapError
from simulator.estimators.inputs import Inputs, weighted
from simulator.estimators.registry import ESTIMATORS
from simulator.estimators.replay import replay
from simulator.estimators.take_fraction import take_fraction

PRIME = 1009
"""Draws are k / PRIME, which no ratio of the probabilities below can equal."""


@dataclass(frozen=True)
class Round:
    """One logged round with everything that could be known of it."""

    action: int
    reward: float
    logging: list[float]
    target: list[float]
    model: list[float]
    draw: float

    @property
    def weight(self) -> float:
        return self.target[self.action] / self.logging[self.action]

    @property
    def expected(self) -> float:
        return sum(p * q for p, q in zip(self.target, self.model, strict=True))

    @property
    def residual(self) -> float:
        return self.reward - self.model[self.action]


def inputs_of(rounds: list[Round]) -> Inputs:
    def each(value: Callable[[Round], float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([value(one) for one in rounds], np.float64)

    return weighted(
        each(lambda one: one.reward),
        each(lambda one: one.target[one.action]),
        each(lambda one: one.logging[one.action]),
        predicted=each(lambda one: one.model[one.action]),
        expected=each(lambda one: one.expected),
    )._replace(uniform=each(lambda one: one.draw))


@st.composite
def one_round(draw: st.DrawFn) -> Round:
    actions = draw(st.integers(2, 4))
    logging = draw(st.lists(st.integers(1, 9), min_size=actions, max_size=actions))
    target = draw(st.lists(st.integers(0, 9), min_size=actions, max_size=actions).filter(any))
    number = st.floats(-1.0, 2.0, allow_subnormal=False)
    return Round(
        action=draw(st.integers(0, actions - 1)),
        reward=draw(number),
        logging=[count / sum(logging) for count in logging],
        target=[count / sum(target) for count in target],
        model=draw(st.lists(number, min_size=actions, max_size=actions)),
        draw=draw(st.integers(0, PRIME - 1)) / PRIME,
    )


logs = st.lists(one_round(), min_size=1, max_size=15)
Loop = Callable[[list[Round], float], float | None]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def ratio(numbers: list[tuple[float, float]]) -> float | None:
    """Return Σ weight × value / Σ weight, None where no weight is."""
    mass = sum(weight for weight, _ in numbers)
    return None if mass == 0 else sum(weight * value for weight, value in numbers) / mass


def clip(weight: float, most: float) -> float:
    return most if weight > most else weight


def loop_ips(rounds: list[Round], most: float) -> float:
    return mean([clip(one.weight, most) * one.reward for one in rounds])


def loop_dr(rounds: list[Round], most: float) -> float:
    return mean([one.expected + clip(one.weight, most) * one.residual for one in rounds])


def loop_sndr(rounds: list[Round], _: float) -> float | None:
    correction = ratio([(one.weight, one.residual) for one in rounds])
    return None if correction is None else mean([one.expected for one in rounds]) + correction


def loop_switch(rounds: list[Round], most: float) -> float:
    """Sum the reward model where weights are large; small weights lie a millionth off the edge."""
    total = 0.0
    for one in rounds:
        total += one.expected
        if one.weight <= most * 1.000001:
            total += one.weight * one.residual
    return total / len(rounds)


def loop_dros(rounds: list[Round], shrinkage: float) -> float:
    total = 0.0
    for one in rounds:
        total += one.expected
        if one.weight > 0 and shrinkage == inf:
            total += one.weight * one.residual
        elif one.weight > 0:
            total += shrinkage * one.weight / (one.weight**2 + shrinkage) * one.residual
    return total / len(rounds)


def loop_sgdr(rounds: list[Round], correction: float) -> float:
    total = 0.0
    for one in rounds:
        total += one.expected
        if one.weight > 0:
            total += one.residual / ((1 - correction) / one.weight + correction)
    return total / len(rounds)


LOOPS: dict[str, tuple[Loop, st.SearchStrategy[float]]] = {
    "dm": (lambda rounds, _: mean([one.expected for one in rounds]), st.just(inf)),
    "ips": (loop_ips, st.sampled_from([0.0, 0.3, 1.0, 2.5, inf])),
    "snips": (
        lambda rounds, _: ratio([(one.weight, one.reward) for one in rounds]),
        st.just(inf),
    ),
    "dr": (loop_dr, st.sampled_from([0.0, 0.3, 1.0, 2.5, inf])),
    "mrdr": (loop_dr, st.sampled_from([0.0, 0.3, 1.0, 2.5, inf])),
    "sndr": (loop_sndr, st.just(inf)),
    "switch-dr": (loop_switch, st.sampled_from([0.0, 0.3, 1.0, 2.5, inf])),
    "dros": (loop_dros, st.sampled_from([0.0, 1e-3, 0.5, 4.0, 1e6, inf])),
    "sgdr": (loop_sgdr, st.sampled_from([0.0, 1e-3, 0.3, 0.9, 1.0])),
    "bips": (
        lambda rounds, most: ratio([(clip(one.weight, most), one.reward) for one in rounds]),
        st.sampled_from([0.3, 1.0, 2.5, inf]),
    ),
}


def loop_accepted(rounds: list[Round], ceiling: float) -> list[Round]:
    return [one for one in rounds if one.weight > 0 and one.draw < one.weight / ceiling]


def close(value: float, rounds: list[Round]) -> object:
    """Return what equals a value up to 1e-12 of the size of what was summed."""
    size = 1.0 + max(1.0 + one.weight for one in rounds) * 3.0
    return pytest.approx(value, rel=1e-12, abs=1e-12 * size)


def test_every_estimator_has_a_loop() -> None:
    assert set(LOOPS) | {"replay", "take-fraction"} == set(ESTIMATORS)


@pytest.mark.parametrize("name", LOOPS)
@given(data=st.data(), rounds=logs)
def test_an_estimate_equals_the_loop(name: str, data: st.DataObject, rounds: list[Round]) -> None:
    loop, parameters = LOOPS[name]
    parameter = data.draw(parameters)
    spec = ESTIMATORS[name]
    terms = spec.terms(inputs_of(rounds), parameter if spec.parameter else None)
    expected = loop(rounds, parameter)
    if expected is None:
        with pytest.raises(NoOverlapError):
            terms.value()
    else:
        assert terms.value() == close(expected, rounds)
        assert terms.influence().mean() == close(expected, rounds)


@pytest.mark.parametrize("name", [name for name, spec in ESTIMATORS.items() if spec.parameter])
@given(rounds=logs)
def test_no_parameter_is_the_neutral_one(name: str, rounds: list[Round]) -> None:
    spec = ESTIMATORS[name]
    inputs = inputs_of(rounds)
    parameter = spec.neutral if spec.tunable or name == "bips" else float(inputs.weight.max())
    without, neutral = spec.terms(inputs, None), spec.terms(inputs, parameter)
    assert np.array_equal(without.numerator, neutral.numerator)
    if spec.modified is not None:
        assert np.array_equal(spec.modified(inputs.weight, spec.neutral), inputs.weight)


@given(rounds=logs, room=st.sampled_from([1.0, 1.7, 40.0]))
def test_replay_and_take_fraction_equal_the_loop(rounds: list[Round], room: float) -> None:
    inputs = inputs_of(rounds)
    ceiling = room * max(one.weight for one in rounds)
    if ceiling == 0:
        ceiling = room
    kept = loop_accepted(rounds, ceiling)
    replayed = replay(inputs, ceiling=ceiling)
    taken = take_fraction(inputs, ceiling=ceiling, played_above=0.5)
    if not kept:
        with pytest.raises(NoOverlapError):
            replayed.value()
    else:
        assert replayed.value() == close(mean([one.reward for one in kept]), rounds)
        assert taken.value() == sum(one.reward > 0.5 for one in kept) / len(kept)
