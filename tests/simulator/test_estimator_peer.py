"""Every estimator against the Open Bandit Pipeline's numbers, to 1e-9.

``tests/peers/obp_estimators.py`` tells how the numbers were made. Where ours differ on purpose:

- replay: obp keeps a round where the target is certain of what was logged, and gives 0 where it
  never is. Ours keeps rounds by weight, which is the same for uniform logs and a certain target,
  and right for the others, where obp's is not.
- DRos at λ = 0 is NaN in obp where a weight is 0; ours is the direct method.
- SWITCH's comparison has a tolerance of a millionth; no weight here is that close to a threshold.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from simulator.estimators.inputs import Inputs, weighted
from simulator.estimators.registry import ESTIMATORS
from simulator.tuning import Method, tune

GOLDEN = Path(__file__).parents[1] / "peers" / "obp_estimators.json"
CLOSE = 1e-9
CASES = range(4)
COMPARED = [name for name in ESTIMATORS if name not in {"replay", "take-fraction"}]


@cache
def golden() -> Any:
    return json.loads(GOLDEN.read_text())


@cache
def inputs_of(case: int) -> Inputs:
    log = golden()["cases"][case]["log"]
    action = np.array(log["action"])
    rounds = np.arange(len(action))
    target = np.array(log["target_thousandths"]) / 1000
    logging = np.array(log["logging_thousandths"]) / 1000
    model = np.array(log["model"])
    return weighted(
        np.array(log["reward"]),
        target[rounds, action],
        logging[rounds, action],
        predicted=model[rounds, action],
        expected=(target * model).sum(axis=1),
    )


def balanced(case: int) -> Inputs:
    """Return the inputs with the weights that the peer was given for its classifier's."""
    return inputs_of(case)._replace(weight=np.sqrt(inputs_of(case).weight))


def told(case: int, name: str) -> list[Any]:
    entries: list[Any] = golden()["cases"][case]["values"]
    return [entry for entry in entries if entry["estimator"] == name]


def test_the_numbers_are_of_the_version_that_was_looked_at() -> None:
    assert (golden()["peer"], golden()["version"]) == ("obp", "0.5.7")
    assert len(golden()["cases"]) == len(CASES)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", COMPARED)
def test_values_equal_the_peers(name: str, case: int) -> None:
    inputs = balanced(case) if name == "bips" else inputs_of(case)
    spec = ESTIMATORS[name]
    entries = told(case, name)
    assert entries
    for entry in entries:
        ours = spec.terms(inputs, entry["parameter"]).value()
        if entry["value"] is None:
            assert (name, entry["parameter"]) == ("dros", 0.0)
            assert ours == pytest.approx(told(case, "dm")[0]["value"], rel=CLOSE)
        else:
            assert ours == pytest.approx(entry["value"], rel=CLOSE, abs=CLOSE), entry


def test_replay_equals_the_peers_where_logs_are_uniform_and_the_target_certain() -> None:
    ours = ESTIMATORS["replay"].terms(inputs_of(2), None).value()
    assert golden()["cases"][2]["name"] == "uniform to deterministic, clicks"
    assert ours == pytest.approx(told(2, "replay")[0]["value"], rel=CLOSE)


def test_replay_accepts_a_stochastic_target_where_the_peer_keeps_nothing() -> None:
    assert golden()["cases"][3]["name"] == "uniform to softmax, fractions"
    assert told(3, "replay")[0]["value"] == 0.0
    terms = ESTIMATORS["replay"].terms(inputs_of(3), 5.0)
    assert terms.denominator is not None
    # of 240 rounds over 5 actions, a fifth are expected; ± 5 standard deviations
    assert 17 <= terms.denominator.sum() <= 79
    error = terms.influence().std() / np.sqrt(len(terms))
    assert abs(terms.value() - told(3, "snips")[0]["value"]) < 5 * error


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("place", range(15))
def test_tuning_equals_the_peers(case: int, place: int) -> None:
    entry = golden()["cases"][case]["tuned"][place]
    grid = golden()["grids"][entry["grid"]]
    tuned = tune(
        ESTIMATORS[entry["estimator"]],
        inputs_of(case),
        grid,
        method=entry["method"],
        delta=golden()["delta"],
    )
    assert tuned.terms.value() == pytest.approx(entry["value"], rel=CLOSE)
    # candidates that modify no weight differently tie; which of them is named does not matter
    same = {tried.parameter for tried in tuned.table if tried.value == tuned.terms.value()}
    assert tuned.parameter == entry["chosen"] or entry["chosen"] in same
    if entry["scores"] is not None:
        ours = [tried.score for tried in tuned.table]
        assert ours == pytest.approx(entry["scores"], rel=CLOSE)


def test_the_peer_was_asked_for_every_tunable_formula_and_method() -> None:
    asked = {(entry["estimator"], entry["method"]) for entry in golden()["cases"][0]["tuned"]}
    tunable = {name for name, spec in ESTIMATORS.items() if spec.tunable} - {"mrdr"}
    methods = set(get_args(Method)) - {"slope"}
    assert asked == {(name, method) for name in tunable for method in methods}
