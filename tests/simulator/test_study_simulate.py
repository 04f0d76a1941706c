"""Policies over seeds: the same numbers for any number of jobs, honest bands, whole seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats

from bandit.clock import ManualClock
from simulator.datasets.registry import concatenate, open_source
from simulator.environments.registry import make_environment
from simulator.errors import InterruptedEarlyError, SimulationError
from simulator.jobs import Finished
from simulator.loop import run
from simulator.pages import Displays, Environment, Pages, Served
from simulator.policies.registry import make_policy
from simulator.progress import Watch
from simulator.results import Simulation
from simulator.studies.about import begin
from simulator.studies.curves import point_batches
from simulator.studies.naming import distinct
from simulator.studies.over_seeds import band, seed_interval
from simulator.studies.simulate import Run, SimulatePlan, Trace, run_one, simulate, whole_seeds
from tests.simulator.choice_world import CHANCES, draw, write

SMALL = {"titles": 60, "artworks": 3, "rows": 3, "titles_a_row": 4, "viewers": 50}
PLAN = SimulatePlan(
    environment="homepage",
    policies=("uniform", "editorial", "oracle"),
    pages=120,
    batch=25,
    seeds=(3, 4, 5),
    settings=SMALL,
    points=3,
)


def simulated(plan: SimulatePlan = PLAN, jobs: int = 1) -> Simulation:
    return simulate(plan, begin("the command", 3, ManualClock(10)), jobs=jobs, watch=Watch())


def without_timing(result: Simulation) -> bytes:
    policies = [msgspec.structs.replace(one, pages_per_second=0.0) for one in result.policies]
    return msgspec.json.encode(msgspec.structs.replace(result, policies=policies))


def test_any_number_of_jobs_gives_the_same_bits(tmp_path: Path) -> None:
    production = tmp_path / "ours.toml"
    production.write_text("[surfaces.artwork.model]\nbits = 12\n")
    policies = ("uniform", "linucb", "segment-ts", "lints:scale=0.5", str(production))
    plan = replace(PLAN, policies=policies, pages=75, seeds=(3, 4))
    one, two = (simulated(plan, jobs) for jobs in (1, 2))
    assert without_timing(one) == without_timing(two)
    names = ["uniform", "linucb", "segment-ts", "lints:scale=0.5", "ours"]
    assert [each.policy for each in one.policies] == names


def test_what_is_told_is_what_the_loop_gives() -> None:
    result = simulated()
    assert [one.policy for one in result.policies] == list(PLAN.policies)
    assert result.seeds == [3, 4, 5]
    for one in result.policies:
        by_seed = []
        for seed in PLAN.seeds:
            environment = make_environment("homepage", pages=120, batch=25, **SMALL)
            rounds = run(environment, make_policy(one.policy), seed)
            by_seed.append(sum(float(each.displays.reward.sum()) for each in rounds) / 120)
        assert one.by_seed == pytest.approx(by_seed, rel=1e-12)
        assert one.final_reward_mean == pytest.approx(np.mean(by_seed))
        assert [point.pages for point in one.curve] == [50, 100, 120]
        # The points' means, weighted by their pages, are the whole.
        total = sum(
            point.reward * pages for point, pages in zip(one.curve, (50, 50, 20), strict=True)
        )
        assert total / 120 == pytest.approx(one.final_reward_mean)


class Expecting:
    """Asks what pages earn on average while their batch is under way."""

    name = "expecting"

    def __init__(self, inner: str) -> None:
        self._inner = make_policy(inner)
        self.lost = 0.0

    def reset(self, environment: Environment, seed: int) -> None:
        self._environment = environment
        self._inner.reset(environment, seed)

    def serve(self, pages: Pages) -> Served:
        served = self._inner.serve(pages)
        best = self._environment.expected(pages, self._environment.best(pages)).reward.sum()
        self.lost += float(best - self._environment.expected(pages, served).reward.sum())
        return served

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        self._inner.learn(pages, served, displays)


def test_regret_is_what_the_oracle_has_more_on_the_same_pages() -> None:
    regrets = {one.policy: one for one in simulated().policies}
    assert regrets["oracle"].final_regret_mean == 0
    lost = []
    for seed in PLAN.seeds:
        policy = Expecting("uniform")
        environment = make_environment("homepage", pages=120, batch=25, **SMALL)
        assert sum(each.pages.size for each in run(environment, policy, seed)) == 120
        lost.append(policy.lost)
    assert regrets["uniform"].final_regret_mean == pytest.approx(np.mean(lost), rel=1e-9)
    assert regrets["uniform"].curve[-1].regret == regrets["uniform"].final_regret_mean
    assert regrets["uniform"].regret().interval.low > 0


def test_a_band_is_students() -> None:
    values = np.array([1.0, 2.0, 4.0, 4.5])
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    found = seed_interval(values, 0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.note == "4 seeds"


def test_bands_cover_as_they_say() -> None:
    """At the level 0.9 over 5 seeds: within the binomial's band at alpha 0.001."""
    repetitions = 2000
    values = np.random.default_rng(0).normal(1.0, 2.0, (5, repetitions))
    found = band(values, 0.9)
    covered = int(((found.low <= 1.0) & (found.high >= 1.0)).sum())
    low, high = stats.binom.ppf([0.0005, 0.9995], repetitions, 0.9)
    assert low <= covered <= high


def test_one_seed_has_no_spread_and_says_so() -> None:
    found = seed_interval(np.array([0.5]), 0.95)
    assert (found.low, found.high) == (0.5, 0.5)
    assert "not known" in found.note


def test_only_seeds_that_every_policy_finished_are_kept() -> None:
    empty = np.zeros(1)

    def trace(name: str) -> Trace:
        return Trace(name, empty, empty, empty, empty, 0.0)

    done: Sequence[Trace | None] = [trace("oracle"), trace("a"), trace("b"), trace("c")] * 2
    partial = Finished([*done, trace("oracle"), None, trace("b"), None], interrupted=True)
    kept = whole_seeds(PLAN, partial)
    assert kept.seeds == [3, 4]
    assert [[one.name for one in found] for found in kept.traces] == [
        ["a"] * 2,
        ["b"] * 2,
        ["c"] * 2,
    ]
    with pytest.raises(InterruptedEarlyError):
        whole_seeds(PLAN, Finished([None] * 12, interrupted=True))


def test_policies_of_one_name_are_told_apart() -> None:
    assert distinct(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]


@pytest.mark.parametrize(("batches", "points"), [(1, 5), (5, 5), (7, 3), (100, 50)])
def test_points_are_spread_and_end_at_the_end(batches: int, points: int) -> None:
    ends = point_batches(batches, points)
    assert ends[-1] == batches - 1
    assert len(set(ends.tolist())) == len(ends) == min(batches, points)
    assert np.diff(ends, prepend=-1).max() - np.diff(ends, prepend=-1).min() <= 1


def test_what_is_unknown_is_refused_before_any_run() -> None:
    with pytest.raises(SimulationError, match="no environment"):
        simulated(replace(PLAN, environment="nowhere"))
    with pytest.raises(SimulationError, match="no policy"):
        simulated(replace(PLAN, policies=("nobody",)))


def test_a_run_alone_is_the_run_of_a_study() -> None:
    trace = run_one(PLAN, Run("uniform", 4))
    result = simulated()
    assert trace.reward.sum() / trace.pages.sum() == result.policies[0].by_seed[1]


def replayed(path: Path, jobs: int = 1, **changes: Any) -> Simulation:
    log = write(path / "log.npz", draw(3000))
    plan = SimulatePlan(
        environment="logged",
        policies=("uniform", "popularity"),
        pages=10_000,
        batch=100,
        seeds=(0, 1, 2),
        settings={"log": str(log)},
        points=10,
    )
    return simulated(replace(plan, **changes), jobs)


def test_a_log_is_replayed_without_regret(tmp_path: Path) -> None:
    """Of each choice the rarest propensity's share is accepted: alpha 1e-4 for each seed."""
    result = replayed(tmp_path)
    assert result.pages == 3000
    assert result.unit == "an accepted round"
    assert "regret is not known here" in result.notes[0]
    assert f"log = {tmp_path}" in result.description
    rounds = concatenate(open_source(tmp_path / "log.npz").choices())
    rarest = float(rounds.propensity.min())
    spread = 3.9 * np.sqrt(3000 * rarest)
    for one in result.policies:
        assert one.final_regret is None
        assert one.final_regret_mean is None
        assert one.accepted is not None
        assert one.accepted == pytest.approx([3000 * rarest] * 3, abs=spread)
        assert {point.regret for point in one.curve} == {None}
        assert one.curve[-1].pages == 3000
        with pytest.raises(SimulationError, match="not known"):
            one.regret()
    assert msgspec.json.decode(msgspec.json.encode(result), type=Simulation) == result
    # What uniform choices earn over these rounds is the mean of the chances: 4 standard errors.
    uniform = result.policies[0]
    assert uniform.accepted is not None
    error = 0.5 / np.sqrt(sum(uniform.accepted))
    assert uniform.final_reward_mean == pytest.approx(CHANCES.mean(), abs=4 * error)


def test_replay_gives_the_same_bits_for_any_number_of_jobs(tmp_path: Path) -> None:
    one, two = (replayed(tmp_path, jobs) for jobs in (1, 2))
    assert without_timing(one) == without_timing(two)


def test_a_replay_that_accepts_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="no round of the log was accepted"):
        replayed(tmp_path, pages=1, batch=1)


def test_points_without_an_accepted_round_are_put_together_with_the_next(tmp_path: Path) -> None:
    (one, _) = replayed(tmp_path, batch=5, points=600).policies
    assert one.accepted is not None
    assert 1 < len(one.curve) < 600
    assert all(0 <= point.reward <= 1 for point in one.curve)


def test_a_log_has_no_oracle(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="what would have been best"):
        replayed(tmp_path, policies=("oracle",))
