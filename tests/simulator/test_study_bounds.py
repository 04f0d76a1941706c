"""Where the largest weight is known from, and that what a log happens to hold is never taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandit.clock import ManualClock
from simulator.datasets.registry import open_source
from simulator.progress import Watch
from simulator.results import Estimate
from simulator.studies.about import begin
from simulator.studies.asked import asked_estimators
from simulator.studies.evaluate import evaluate
from simulator.studies.plans import JudgePlan, LogPlan

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
