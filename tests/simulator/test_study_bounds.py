"""Where the largest weight is known from, and that what a log happens to hold is never taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandit.clock import ManualClock
from simulator.datasets.registry import open_source
from simulator.errors import EstimationError
from simulator.progress import Watch
from simulator.rankings.inputs import ranking_inputs
from simulator.results import Estimate
from simulator.reward_models import cross_fit_rankings
from simulator.studies.about import begin
from simulator.studies.asked import asked_estimators
from simulator.studies.evaluate import evaluate
from simulator.studies.judging import estimated
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.ranking_case import RankingCase
from simulator.studies.streaming import evaluate_streamed
from tests.simulator.choice_world import draw, write
from tests.simulator.ranking_world import TARGET, Orders, random_rankings

ROUNDS = 400
NEED_BOUNDS = ("bernstein", "hoeffding", "sequence")


def _log(tmp_path: Path, chances: list[float], highest: float = 1.0) -> Path:
    rng = np.random.default_rng(5)
    action = rng.choice(len(chances), ROUNDS, p=chances)
    reward = rng.integers(0, 2, ROUNDS) * highest
    columns: dict[str, Any] = {
        "action": action,
        "reward": reward,
        "propensity": np.array(chances)[action],
    }
    np.savez(tmp_path / "log.npz", **columns)
    return tmp_path / "log.npz"


def _judged(log: Path, **changes: Any) -> Estimate:
    plan = JudgePlan(
        estimators=asked_estimators(["ips"], "artwork"), intervals=NEED_BOUNDS, **changes
    )
    begun = begin("the command", 0, ManualClock(10))
    (one,) = evaluate(
        open_source(log), ["uniform"], LogPlan(), plan, begun, jobs=1, watch=Watch()
    ).estimates
    return one


def test_uniform_logging_bounds_weights_and_the_notes_say_so(tmp_path: Path) -> None:
    one = _judged(_log(tmp_path, [0.25] * 4))
    assert [each.method for each in one.intervals] == list(NEED_BOUNDS)
    for each in one.intervals:
        assert "terms within 0 to 4 (every logged propensity is one over" in each.note


def test_the_smallest_propensity_in_a_log_is_no_bound(tmp_path: Path) -> None:
    log = _log(tmp_path, [0.4, 0.3, 0.2, 0.1])
    one = _judged(log)
    assert one.intervals == []
    refused = [warning for warning in one.diagnostics.warnings if "true range" in warning]
    assert len(refused) == len(NEED_BOUNDS)
    for each in _judged(log, weight_max=2.5).intervals:
        assert "terms within 0 to 2.5 (as told)" in each.note


@pytest.mark.parametrize("highest", [2.0, -1.0])
def test_rewards_seen_outside_of_0_to_1_have_no_known_range(tmp_path: Path, highest: float) -> None:
    assert _judged(_log(tmp_path, [0.25] * 4, highest), weight_max=4.0).intervals == []


def test_a_largest_weight_that_the_log_contradicts_is_refused(tmp_path: Path) -> None:
    log = _log(tmp_path, [0.4, 0.3, 0.2, 0.1])
    with pytest.raises(EstimationError, match=r"a weight of 2\.5 was seen, and 2 is said"):
        _judged(log, weight_max=2.0)
    plan = JudgePlan(estimators=asked_estimators(["ips"], "artwork"), weight_max=2.0)
    begun = begin("the command", 0, ManualClock(10))
    with pytest.raises(EstimationError, match=r"a weight of 2\.5 was seen, and 2 is said"):
        evaluate_streamed(open_source(log), ["uniform"], LogPlan(), plan, begun, watch=Watch())


@pytest.mark.parametrize("name", ["sips", "rips", "iips"])
def test_orders_are_held_to_the_largest_weight_of_their_estimator(name: str) -> None:
    rankings = random_rankings(1, 500)
    inputs = ranking_inputs(rankings, Orders(TARGET))
    weight = inputs.marginal_weight() if name == "iips" else inputs.cascade_weight()
    largest = float(weight[:, -1].max() if name == "sips" else weight.max())
    asked = asked_estimators([name], "rows")
    for most in (largest, largest - 0.01):
        plan = JudgePlan(estimators=asked, weight_max=most)
        case = RankingCase(rankings, Orders(TARGET), plan, None, None)
        if most == largest:
            assert case.diagnose("target", asked[0]).rounds == 500
        else:
            with pytest.raises(EstimationError, match="is said to be the largest possible"):
                case.diagnose("target", asked[0])


@pytest.mark.parametrize("name", ["sips", "iips", "rips", "cascade-dr"])
def test_orders_without_overlap_have_no_value(name: str) -> None:
    rankings = random_rankings(1, 500)
    first = rankings.items[:, 0]
    rankings = rankings.take(np.flatnonzero(first != 0))
    only = Orders(np.array([1e4, 0.0, 0.0, 0.0]))
    fitted = cross_fit_rankings(rankings, "logistic", folds=2, seed=0)
    asked = asked_estimators([name], "rows")
    case = RankingCase(rankings, only, JudgePlan(estimators=asked), fitted, None)
    one = estimated("only", asked[0], case).estimate
    assert one.value is None
    assert one.intervals == []
    assert not one.diagnostics.sound


@pytest.mark.parametrize("word", ["ips", "ips=5", "dr", "mrdr", "switch-dr=5", "dros=5", "sgdr"])
def test_choices_without_overlap_have_no_value(tmp_path: Path, word: str) -> None:
    """Editorial order takes the first action always, which this log never has."""
    columns = draw(600)
    part = type(columns)(*(column[columns.action > 0] for column in columns))
    plan = JudgePlan(estimators=asked_estimators([word, "dm"], "artwork"))
    begun = begin("the command", 0, ManualClock(10))
    source = open_source(write(tmp_path / "log.npz", part))
    one, dm = evaluate(
        source, ["editorial"], LogPlan(), plan, begun, jobs=1, watch=Watch()
    ).estimates
    assert one.value is None
    assert one.intervals == []
    assert "has weight" in one.diagnostics.verdict
    assert dm.value is not None


def test_a_stream_without_overlap_has_no_value(tmp_path: Path) -> None:
    columns = draw(600)
    part = type(columns)(*(column[columns.action > 0] for column in columns))
    plan = JudgePlan(estimators=asked_estimators(["ips"], "artwork"))
    begun = begin("the command", 0, ManualClock(10))
    source = open_source(write(tmp_path / "log.npz", part))
    found, _ = evaluate_streamed(source, ["editorial"], LogPlan(), plan, begun, watch=Watch())
    (one,) = found.estimates
    assert one.value is None
    assert one.diagnostics.verdict.startswith("no overlap")


def test_a_plan_knows_its_intervals_before_any_work() -> None:
    with pytest.raises(EstimationError, match="no interval 'norml'") as refused:
        JudgePlan(estimators=(), intervals=("normal", "norml"))
    assert "cressie-read" in refused.value.hint


@pytest.mark.parametrize(
    "word",
    ["ips=-1", "ips=nan", "dros=nan", "switch-dr=-0.5", "sgdr=1.5", "replay=inf", "mrdr=-inf"],
)
def test_parameters_that_make_no_sense_are_refused_by_name(word: str) -> None:
    with pytest.raises(EstimationError, match=f"of {word.partition('=')[0]} is") as refused:
        asked_estimators([word], "artwork")
    assert "give a number" in refused.value.hint


@pytest.mark.parametrize("word", ["ips=0", "ips=inf", "dros=inf", "sgdr=1", "replay=8"])
def test_parameters_at_the_end_of_their_range_are_taken(word: str) -> None:
    (asked,) = asked_estimators([word], "artwork")
    assert asked.parameter == float(word.partition("=")[2])
