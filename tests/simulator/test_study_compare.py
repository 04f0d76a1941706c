"""Comparisons: in pairs, said in words, and not told where nothing can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bandit.clock import ManualClock
from simulator.datasets.registry import open_source
from simulator.diagnostics import diagnose
from simulator.estimators.inputs import Inputs
from simulator.estimators.ips import ips
from simulator.progress import Watch
from simulator.results import Comparison, Estimate
from simulator.studies.about import begin
from simulator.studies.asked import asked_estimators
from simulator.studies.cases import Answer
from simulator.studies.compare import Side, compare, contrast
from simulator.studies.pairing import rounds_needed, verdict
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.search import Tried, best_first
from tests.simulator.choice_world import draw, write

INTERVALS = ("normal", "bootstrap")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("pairs") / "log.npz", draw(6000))


def compared(log: Path, first: str, second: str) -> Comparison:
    (asked,) = asked_estimators(["snips"], "artwork")
    begun = begin("the command", 0, ManualClock(10))
    source = open_source(log)
    judge_plan = JudgePlan(estimators=(asked,), intervals=INTERVALS, resamples=100)
    return compare(
        source, (first, second), asked, LogPlan(), judge_plan, begun, jobs=1, watch=Watch()
    )


def test_a_comparison_is_of_pairs_and_turns_with_its_sides(log: Path) -> None:
    there, back = compared(log, "uniform", "editorial"), compared(log, "editorial", "uniform")
    assert there.difference == pytest.approx(-back.difference)
    assert there.p_value == pytest.approx(back.p_value)
    assert there.difference == pytest.approx((there.second.value or 0) - (there.first.value or 0))
    near = compared(log, "uniform", "popularity:epsilon=0.95")
    width = near.intervals[0].high - near.intervals[0].low
    assert width < 0.5 * (near.first.intervals[0].high - near.first.intervals[0].low)
    same = compared(log, "uniform", "uniform")
    assert same.difference == 0
    assert same.verdict == "uniform and uniform (2) earn the same on these rounds"


def test_what_hardly_overlaps_is_not_told_apart_however_certain_it_looks(tmp_path: Path) -> None:
    """All that the target would have done earned 1: SNIPS is 1, and its interval from 1 to 1."""
    columns = draw(400)
    rare = np.arange(400) % 80 == 0
    action = np.where(rare, 0, 1)
    reward = np.where(rare, 1.0, columns.reward)
    log = write(tmp_path / "log.npz", columns._replace(action=action, reward=reward))
    seen = compared(log, "editorial", "editorial:epsilon=0.01")
    assert seen.first.intervals[0].high - seen.first.intervals[0].low < 1e-9
    assert not seen.first.diagnostics.sound
    assert "cannot be told: the estimate of editorial is not trustworthy" in seen.verdict


def test_a_difference_without_a_spread_has_no_telling_p_value() -> None:
    """Sides that look sound, and differ by the same in every round."""
    ones = np.ones(500)
    sides = []
    for name, reward in (("low", 0.25 * ones), ("high", 0.5 * ones)):
        terms = ips(Inputs(reward, ones))
        diagnostics = diagnose(ones, target_name=name)
        estimate = Estimate(policy=name, estimator="ips", value=1.0, diagnostics=diagnostics)
        sides.append(Side(estimate, Answer(terms, {}, None), None))
    assert all(one.estimate.diagnostics.sound for one in sides)
    apart = contrast(
        sides[0], sides[1], JudgePlan(estimators=asked_estimators(["ips"], "artwork")), rounds=500
    )
    assert apart.difference == 0.25
    assert apart.p_value == 1.0
    assert apart.verdict.endswith("cannot be told: the difference of 0.25 has no spread")


def test_candidates_that_are_not_sound_come_last_however_high() -> None:
    tried = [
        Tried(0.9, 0.9, 0.9, sound=False),
        Tried(0.2, 0.1, 0.3, sound=True),
        None,
        Tried(0.25, 0.2, 0.3, sound=True),
        Tried(None, None, None, sound=False),
    ]
    assert best_first(tried, "low") == [3, 1, 0, 4]
    assert best_first(tried[:1], "low") == [0]


def test_verdicts_say_who_is_better_or_how_many_rounds_it_takes() -> None:
    assert verdict("a", "b", 0.02, 0.001, level=0.95, rounds=100).startswith("b earns more than a")
    assert verdict("a", "b", -0.02, 0.001, level=0.95, rounds=100).startswith("a earns more than b")
    assert "no difference" in verdict("a", "b", 0.02, 0.3, level=0.95, rounds=100)
    # At p = 0.05 the power is a half: (1.96 + 0.84)² / 1.96² times the rounds bring it to 80 %.
    assert rounds_needed(0.05, 0.95, 1000) == "2,044"
    assert rounds_needed(1.0, 0.95, 1000) == "infinitely many"
