"""Expectations by enumeration in a tiny world: exact, without sampling.

The world has 3 contexts, 3 actions and rewards of 0 or 1. Every outcome (context, action, reward)
stands as one round; an expectation is the sum over outcomes, weighted by their probability under
the logging policy.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest

from bandit.types import FloatArray
from simulator.estimators.inputs import Inputs, weighted
from simulator.estimators.registry import ESTIMATORS
from simulator.terms import Terms
from simulator.tuning.evidence import gather
from simulator.tuning.mse import direct_bias

CONTEXTS = np.array([0.5, 0.3, 0.2])
LOGGING = np.array([[4, 2, 2], [1, 4, 3], [2, 2, 4]]) / 8
TARGET = np.array([[0, 4, 4], [6, 1, 1], [8, 0, 0]]) / 8
PAYS = np.array([[0.9, 0.2, 0.4], [0.3, 0.6, 0.1], [0.75, 0.5, 0.05]])
WRONG_MODEL = np.array([[0.1, 0.8, 0.3], [0.9, 0.2, 0.2], [0.4, 0.4, 0.4]])
TRUTH = float(CONTEXTS @ (TARGET * PAYS).sum(axis=1))
EXACT = 1e-12


class Outcomes(NamedTuple):
    """All that can happen: inputs, one round an outcome, and how likely each is."""

    inputs: Inputs
    chance: FloatArray


def outcomes(model: FloatArray) -> Outcomes:
    cells = np.array(list(product(range(3), range(3), range(2))))
    context, action, reward = cells.T
    pays = PAYS[context, action]
    chance = CONTEXTS[context] * LOGGING[context, action] * np.where(reward, pays, 1 - pays)
    inputs = weighted(
        reward.astype(np.float64),
        TARGET[context, action],
        LOGGING[context, action],
        predicted=model[context, action],
        expected=(TARGET * model).sum(axis=1)[context],
    )
    return Outcomes(inputs, chance)


def in_the_limit(terms: Terms, chance: FloatArray) -> float:
    """Return what the estimate tends to: expected base + expected numerator / denominator."""
    base = 0.0 if terms.base is None else float(chance @ terms.base)
    mass = 1.0 if terms.denominator is None else float(chance @ terms.denominator)
    return base + float(chance @ terms.numerator) / mass


def test_the_outcomes_are_all_there_are() -> None:
    world = outcomes(WRONG_MODEL)
    assert world.chance.sum() == pytest.approx(1.0, abs=EXACT)
    assert world.chance @ world.inputs.weight == pytest.approx(1.0, abs=EXACT)


@pytest.mark.parametrize("name", ["ips", "dr", "mrdr"])
def test_the_expectation_is_the_truth(name: str) -> None:
    world = outcomes(WRONG_MODEL)
    terms = ESTIMATORS[name].terms(world.inputs, None).influence()
    assert world.chance @ terms == pytest.approx(TRUTH, abs=EXACT)


@pytest.mark.parametrize("name", ["ips", "dr", "mrdr"])
def test_the_expected_estimate_from_two_rounds_is_the_truth(name: str) -> None:
    world = outcomes(WRONG_MODEL)
    total = 0.0
    for pair in product(range(len(world.chance)), repeat=2):
        at = list(pair)
        sample = Inputs(*(column[at] for column in world.inputs if column is not None))
        total += world.chance[at].prod() * ESTIMATORS[name].terms(sample, None).value()
    assert total == pytest.approx(TRUTH, abs=EXACT)


@pytest.mark.parametrize("name", ["snips", "sndr", "bips"])
def test_ratios_tend_to_the_truth(name: str) -> None:
    world = outcomes(WRONG_MODEL)
    terms = ESTIMATORS[name].terms(world.inputs, None)
    assert in_the_limit(terms, world.chance) == pytest.approx(TRUTH, abs=EXACT)


@pytest.mark.parametrize("name", ["snips", "sndr", "bips"])
def test_ratios_do_not_mind_propensities_wrong_by_one_factor(name: str) -> None:
    world = outcomes(WRONG_MODEL)
    scaled = world.inputs._replace(weight=0.25 * world.inputs.weight)
    terms = ESTIMATORS[name].terms(scaled, None)
    assert in_the_limit(terms, world.chance) == pytest.approx(TRUTH, abs=EXACT)


@pytest.mark.parametrize("name", ["replay", "take-fraction"])
def test_replay_tends_to_the_truth(name: str) -> None:
    """Draws on the middles of 4032 equal parts are exact: weights / 8 fall between the parts."""
    world = outcomes(WRONG_MODEL)
    parts = 4032
    draws = (np.arange(parts) + 0.5) / parts
    kept = np.zeros((2, len(world.chance)))
    for draw in draws:
        inputs = world.inputs._replace(uniform=np.full(len(world.chance), draw))
        terms = ESTIMATORS[name].terms(inputs, 8.0)
        assert terms.denominator is not None
        kept += [terms.numerator, terms.denominator]
    numerator, denominator = kept @ world.chance
    assert numerator / denominator == pytest.approx(TRUTH, abs=EXACT)
    assert denominator / parts == pytest.approx(1 / 8, abs=EXACT)


def test_matching_alone_is_biased_where_logs_are_not_uniform() -> None:
    """Keeping each round by the target's probability is what rejection by the ratio mends."""
    world = outcomes(WRONG_MODEL)
    propensity = LOGGING.repeat(2, axis=1).ravel()
    matching = world.inputs.weight * propensity * world.chance
    assert abs(matching @ world.inputs.reward / matching.sum() - TRUTH) > 0.01


def test_the_direct_method_is_as_right_as_its_model() -> None:
    right, wrong = outcomes(PAYS), outcomes(WRONG_MODEL)
    dm = ESTIMATORS["dm"]
    assert in_the_limit(dm.terms(right.inputs, None), right.chance) == pytest.approx(TRUTH)
    assert abs(in_the_limit(dm.terms(wrong.inputs, None), wrong.chance) - TRUTH) > 0.05


@pytest.mark.parametrize("name", ["dr", "switch-dr", "dros", "sgdr", "mrdr", "sndr"])
@pytest.mark.parametrize("parameter", [0.0, 0.4, 1.0])
def test_a_right_model_makes_modified_weights_harmless(name: str, parameter: float) -> None:
    world = outcomes(PAYS)
    spec = ESTIMATORS[name]
    terms = spec.terms(world.inputs, parameter if spec.parameter else None)
    assert in_the_limit(terms, world.chance) == pytest.approx(TRUTH, abs=EXACT)


@pytest.mark.parametrize("name", [name for name, spec in ESTIMATORS.items() if spec.tunable])
@pytest.mark.parametrize("parameter", [0.0, 0.3, 0.9])
def test_the_bias_of_modified_weights_is_what_the_tuner_thinks(name: str, parameter: float) -> None:
    """In expectation the estimate misses the truth by the mean of (w - ŵ) (r - q̂), exactly."""
    world = outcomes(WRONG_MODEL)
    spec = ESTIMATORS[name]
    biased = world.chance @ spec.terms(world.inputs, parameter).influence()
    assert spec.modified is not None
    left_out = world.inputs.weight - spec.modified(world.inputs.weight, parameter)
    residual = world.inputs.reward - (WRONG_MODEL.repeat(2) if spec.needs_model else 0.0)
    assert TRUTH - biased == pytest.approx(world.chance @ (left_out * residual), abs=EXACT)
    # on a sample, the two estimates differ by the same
    evidence = gather(spec, world.inputs, [parameter, spec.neutral])
    assert direct_bias(evidence)[0] == pytest.approx(
        abs(evidence.mean[1] - evidence.mean[0]), abs=EXACT
    )
