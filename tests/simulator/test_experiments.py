"""The experiments' commands: what they score and keep, the same for any number of jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from bandit.clock import ManualClock
from simulator.experiments import (
    bake_off,
    coverage,
    deezer_carousel,
    learned_policy,
    million_pages,
    open_bandit,
)
from simulator.experiments.open_bandit_peer import PEER
from simulator.progress import Watch
from simulator.results import Evaluation, Simulation, read_result
from simulator.studies.about import begin
from simulator.studies.simulate import SimulatePlan, simulate
from tests.real_data import deezer_directory, open_bandit_directory

COMMANDS = (
    bake_off.main,
    coverage.main,
    deezer_carousel.main,
    learned_policy.main,
    million_pages.main,
    open_bandit.main,
)
RIGHT_DIGITS = 1e-9


def found(command: click.Command, *arguments: str, directory: Path) -> dict[str, Any]:
    """Run an experiment and return what it kept, without what differs from run to run."""
    path = directory / "found.json"
    result = CliRunner().invoke(command, [*arguments, "--json", str(path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    kept: dict[str, Any] = json.loads(path.read_text())
    assert kept["about"]["command"].startswith(
        f"python -m simulator.experiments.{command.name} {arguments[0]}"
    )
    for table in kept["tables"]:
        assert table["title"].split()[0] in result.output
        assert all(len(row) == len(table["headings"]) for row in table["rows"])
    return kept


@pytest.mark.parametrize("command", COMMANDS)
def test_every_experiment_tells_its_options(command: click.Command) -> None:
    told = CliRunner().invoke(command, ["--help"], catch_exceptions=False).output
    for option in ("--seed", "--jobs", "--json", "--results"):
        assert option in told


def test_the_bake_off_is_the_same_for_any_number_of_jobs(tmp_path: Path) -> None:
    small = ("--data", "iris", "--examples", "60", "--seeds", "2")
    one, two = (
        found(bake_off.main, *small, "--jobs", jobs, directory=tmp_path) for jobs in ("1", "2")
    )
    assert one["tables"] == two["tables"]
    rows = one["tables"][0]["rows"]
    assert len(rows) == len(bake_off.POLICIES) + 1
    assert all(0 <= row[1] <= 1 for row in rows)
    assert sum(row[-2] for row in rows) == sum(row[-1] for row in rows)


def test_wins_are_counted_where_chance_does_not_explain_the_difference() -> None:
    plan = SimulatePlan(
        environment="supervised",
        policies=("uniform", "oracle", "editorial"),
        pages=90,
        batch=30,
        seeds=(1, 2, 3, 4),
        settings={"data": "iris"},
    )
    result = simulate(plan, begin("", 0, ManualClock(1)), jobs=1, watch=Watch())
    records = bake_off.records([result, result], alpha=0.05)
    assert records["oracle"] == (4, 0)
    assert records["uniform"].losses >= 2
    assert records["uniform"].wins == records["editorial"].wins == 0
    strict = bake_off.records([result], alpha=1e-12)
    assert sum(record.wins for record in strict.values()) < sum(
        record.wins for record in bake_off.records([result], alpha=0.5).values()
    )


def test_production_is_weighed_against_every_baseline(tmp_path: Path) -> None:
    small = ("--environment", "homepage", "--pages", "60", "--seeds", "2")
    kept = found(
        learned_policy.main, *small, "--results", str(tmp_path / "kept"), directory=tmp_path
    )
    rows = kept["tables"][0]["rows"]
    assert [row[0] for row in rows] == ["production", *learned_policy.BASELINES]
    result = read_result(tmp_path / "kept" / "learned-homepage.json")
    assert isinstance(result, Simulation)
    ours = np.array(result.policies[0].by_seed)
    for row, one in zip(rows[1:], result.policies[1:], strict=True):
        assert row[1] == pytest.approx(np.mean(one.by_seed))
        assert row[3] == pytest.approx((ours - one.by_seed).mean())
        assert row[6] == f"{int((ours > one.by_seed).sum())} of 2"
    assert rows[-1][0] == "oracle"
    assert rows[-1][-1] == pytest.approx(0)
    assert all(row[-1] >= 0 for row in rows)


def test_coverage_is_told_by_size_policy_and_estimator(tmp_path: Path) -> None:
    small = (
        "--pages",
        "20",
        "--repetitions",
        "4",
        "--truth-pages",
        "1",
        "--estimators",
        "ips,snips",
    )
    one, two = (found(coverage.main, *small, directory=tmp_path) for _ in range(2))
    assert one["tables"] == two["tables"]
    rows = one["tables"][0]["rows"]
    assert len(rows) == 8
    assert {row[3] for row in rows} <= {"0.0 %", "25.0 %", "50.0 %", "75.0 %", "100.0 %"}


def test_deezers_policies_are_ranked_by_regret(tmp_path: Path) -> None:
    data = str(deezer_directory())
    small = ("--rounds", "3", "--sessions", "40", "--seeds", "1", "--users", "nine", "--data", data)
    rows = found(deezer_carousel.main, *small, directory=tmp_path)["tables"][0]["rows"]
    assert [row[0] for row in rows] == list(range(1, 11))
    regrets = [row[3] for row in rows]
    assert regrets == sorted(regrets)
    assert {row[1]: row[5] for row in rows}["uniform"] == "100.0%"
    assert {row[2] for row in rows} >= {"ts-seg-pessimistic", "kl-ucb-seg", "random"}


def test_open_bandit_estimates_are_the_peers_where_no_model_is_asked(tmp_path: Path) -> None:
    small = ("--data", str(open_bandit_directory().parent), "--results", str(tmp_path / "kept"))
    kept = found(open_bandit.main, *small, directory=tmp_path)
    assert len(kept["tables"]) == 4
    for (campaign, judged), peer in PEER.items():
        logging = "bts" if judged == "random" else "random"
        path = tmp_path / "kept" / f"open-bandit-{campaign}-{logging}-to-{judged}.json"
        result = read_result(path)
        assert isinstance(result, Evaluation)
        values = {one.estimator: one.value for one in result.estimates}
        assert set(values) == set(peer)
        for name in ("ips", "snips"):
            assert values[name] == pytest.approx(peer[name], rel=RIGHT_DIGITS)
