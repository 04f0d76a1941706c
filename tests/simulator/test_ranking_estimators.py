"""Estimators of rankings against naive loops, and against the Open Bandit Pipeline's answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import EstimationError, NoOverlapError
from simulator.rankings.inputs import RankingInputs
from simulator.rankings.registry import RANKING_ESTIMATORS

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "peers" / "obp_rankings.json").read_text()
)


def golden_inputs() -> RankingInputs:
    known = {name: np.array(values) for name, values in GOLDEN["inputs"].items()}
    q_hat = known["q_hat"]
    predicted = np.take_along_axis(q_hat, known["items"][:, :, None], axis=2)[:, :, 0]
    return RankingInputs(
        known["reward"],
        known["logged"],
        known["target"],
        known["logged_marginal"],
        known["target_marginal"],
        predicted=predicted,
        expected=(known["target_pmf"] * q_hat).sum(axis=2),
    )


def random_inputs() -> RankingInputs:
    rng = np.random.default_rng(5)
    shape = (40, 4)
    return RankingInputs(*(rng.uniform(0.1, 1, shape) for _ in RankingInputs._fields))


def naive(name: str, x: RankingInputs) -> float:
    """Return the estimate by loops over rounds and positions, straight from the formulas."""
    assert x.logged_marginal is not None
    assert x.target_marginal is not None
    assert x.logged_examined is not None
    assert x.target_examined is not None
    assert x.predicted is not None
    assert x.expected is not None
    rounds, positions = x.reward.shape
    earned, weights = [0.0] * positions, [0.0] * positions
    for i in range(rounds):
        ratios = [x.target[i, at] / x.logged[i, at] for at in range(positions)]
        for at in range(positions):
            above, weight = float(np.prod(ratios[:at])), float(np.prod(ratios[: at + 1]))
            if name in ("sips", "snsips"):
                weight = float(np.prod(ratios))
            elif name in ("iips", "sniips"):
                weight = x.target_marginal[i, at] / x.logged_marginal[i, at]
            elif name == "pbm-iips":
                weight = x.target_examined[i, at] / x.logged_examined[i, at]
            weights[at] += weight
            earned[at] += weight * x.reward[i, at]
            if name == "cascade-dr":
                earned[at] += above * x.expected[i, at] - weight * x.predicted[i, at]
    if name.startswith("sn"):
        return float(sum(earned[at] / weights[at] for at in range(positions)))
    return float(sum(earned) / rounds)


@pytest.mark.parametrize("name", RANKING_ESTIMATORS)
def test_an_estimate_is_that_of_a_naive_loop(name: str) -> None:
    inputs = random_inputs()
    terms = RANKING_ESTIMATORS[name].terms(inputs)
    assert terms.value() == pytest.approx(naive(name, inputs), rel=1e-12)
    assert len(terms) == 40


@pytest.mark.parametrize("name", GOLDEN["values"])
def test_an_estimate_is_that_of_the_open_bandit_pipeline(name: str) -> None:
    value = RANKING_ESTIMATORS[name].terms(golden_inputs()).value()
    assert value == pytest.approx(GOLDEN["values"][name], rel=1e-9)


def test_the_peer_answers_for_all_but_the_position_based_estimator() -> None:
    assert set(RANKING_ESTIMATORS) - set(GOLDEN["values"]) == {"pbm-iips"}


@pytest.mark.parametrize("name", RANKING_ESTIMATORS)
def test_the_mean_influence_is_the_estimate(name: str) -> None:
    terms = RANKING_ESTIMATORS[name].terms(random_inputs())
    assert terms.influence().shape == (40,)
    assert terms.influence().mean() == pytest.approx(terms.value(), rel=1e-12)


@pytest.mark.parametrize("name", ["snsips", "sniips", "snrips"])
def test_the_spread_of_the_influence_is_that_of_the_jackknife(name: str) -> None:
    rng = np.random.default_rng(8)
    given = [rng.uniform(0.5, 1, (2000, 3)) for _ in RankingInputs._fields]
    inputs = RankingInputs(*given)
    spec = RANKING_ESTIMATORS[name]
    left_out = [
        spec.terms(RankingInputs(*(np.delete(part, i, axis=0) for part in given))).value()
        for i in range(0, 2000, 10)
    ]
    influence = spec.terms(inputs).influence()[::10]
    change = (spec.terms(inputs).value() - np.array(left_out)) * 1999
    np.testing.assert_allclose(change, influence - influence.mean(), atol=0.1)
    assert np.corrcoef(change, influence)[0, 1] > 0.999


@pytest.mark.parametrize("name", ["snsips", "sniips", "snrips"])
def test_a_position_without_weight_is_told(name: str) -> None:
    inputs = random_inputs()
    assert inputs.target_marginal is not None
    inputs.target[:, 2] = 0
    inputs.target_marginal[:, 2] = 0
    terms = RANKING_ESTIMATORS[name].terms(inputs)
    with pytest.raises(NoOverlapError, match="position 2" if name != "snsips" else "target policy"):
        terms.value()


@pytest.mark.parametrize("name", RANKING_ESTIMATORS)
def test_what_an_estimator_needs_is_asked_for(name: str) -> None:
    spec = RANKING_ESTIMATORS[name]
    bare = RankingInputs(*random_inputs()[:3])
    if spec.needs_model or spec.needs_marginals or spec.needs_examination:
        with pytest.raises(EstimationError) as caught:
            spec.terms(bare)
        assert caught.value.hint
    else:
        spec.terms(bare).value()


def test_names_and_flags_agree() -> None:
    for name, spec in RANKING_ESTIMATORS.items():
        assert spec.name == name
        assert spec.self_normalised == name.startswith("sn")
        assert (spec.terms(random_inputs()).denominator is not None) == spec.self_normalised
