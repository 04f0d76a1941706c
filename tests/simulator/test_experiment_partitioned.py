"""The experiment on partitioned learning: what it compares, tells and keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from simulator.experiments import partitioned_learning
from simulator.experiments.partitioned_learning import Gain, gain
from simulator.results import Interval, SimulatedPolicy, Simulation, read_result

SMALL = ("--pages", "120", "--batch", "20", "--seeds", "2", "--partitions", "3")


def test_it_pairs_one_learner_with_as_seldom_and_merged_ones(tmp_path: Path) -> None:
    kept = findings(*SMALL, "--interval", "20", "--interval", "60", directory=tmp_path)
    result = read_result(tmp_path / "kept" / "partitioned-homepage.json")
    assert isinstance(result, Simulation)
    assert [one.policy for one in result.policies] == [
        "one learner, published every 20 pages",
        "one learner, published every 60 pages",
        "3 learners, merged every 20 pages",
        "3 learners, merged every 60 pages",
    ]
    one, seldom, merged, merged_seldom = (np.array(found.by_seed) for found in result.policies)
    assert (merged != one).any()
    (table,) = kept["tables"]
    for row, other, ours in zip(table["rows"], (one, seldom), (merged, merged_seldom), strict=True):
        assert row[1:4] == pytest.approx([one.mean(), other.mean(), ours.mean()])
        assert row[4] == f"{100 * (ours / one - 1).mean():+.2f} %"
        assert row[7] == f"{100 * (ours / other - 1).mean():+.2f} %"
        assert row[9] == f"{int((ours > one).sum())} of 2"
    assert [row[0] for row in table["rows"]] == [20, 60]


def test_models_are_merged_between_batches(tmp_path: Path) -> None:
    result = CliRunner().invoke(partitioned_learning.main, [*SMALL, "--interval", "30"])
    assert result.exit_code == 2
    assert "give multiples of --batch" in result.output


def test_a_gain_is_paired_and_its_verdict_as_sure_as_its_interval() -> None:
    one, other = policy(2.02, 3.03, 4.04), policy(2.0, 3.0, 4.0)
    assert gain(one, other).mean == pytest.approx(0.01)
    assert gain(one, other).high == pytest.approx(0.01)
    assert Gain(0.0, -0.01, 0.01).verdict() == "yes"
    assert Gain(-0.005, -0.02, 0.01).verdict() == "likely"
    assert Gain(-0.015, -0.03, 0.0).verdict() == "unlikely"
    assert Gain(-0.03, -0.04, -0.02).verdict() == "no"


def findings(*arguments: str, directory: Path) -> dict[str, Any]:
    path = directory / "found.json"
    result = CliRunner().invoke(
        partitioned_learning.main,
        [*arguments, "--json", str(path), "--results", str(directory / "kept")],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    kept: dict[str, Any] = json.loads(path.read_text())
    return kept


def policy(*by_seed: float) -> SimulatedPolicy:
    interval = Interval(method="", level=0.95, low=0.0, high=0.0, note="")
    return SimulatedPolicy(
        policy="",
        curve=[],
        final_reward=interval,
        final_reward_mean=float(np.mean(by_seed)),
        final_regret_mean=None,
        final_regret=None,
        pages_per_second=1.0,
        by_seed=list(by_seed),
    )
