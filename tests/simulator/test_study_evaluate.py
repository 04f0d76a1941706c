"""Policies judged on logs: against formulas, on the same rounds, honestly, and said in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bandit.clock import ManualClock
from simulator.datasets.registry import concatenate, open_source
from simulator.errors import EstimationError, NotApplicableError, PropensityError, SimulationError
from simulator.estimators.inputs import Inputs
from simulator.estimators.snips import snips
from simulator.intervals import interval
from simulator.policies.targets import make_target
from simulator.progress import Watch
from simulator.results import Estimate, Evaluation
from simulator.studies.about import begin
from simulator.studies.asked import asked_estimators
from simulator.studies.choice_case import (
    BIAS_WARNING,
    CLASSIFIER_WARNING,
    ESTIMATED_MARK,
    TUNED_MARK,
    largest_modified,
)
from simulator.studies.evaluate import evaluate
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.specs import Spec, read_spec
from simulator.studies.splitting import split, unit_hash
from simulator.studies.streaming import evaluate_streamed, is_large
from tests.simulator.choice_world import ACTIONS, CHANCES, KINDS, Columns, draw, write

ROUNDS = 6000


@pytest.fixture(scope="module")
def columns() -> Columns:
    return draw(ROUNDS)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, columns: Columns) -> Path:
    return write(tmp_path_factory.mktemp("choices") / "log.npz", columns)


def plan(words: Sequence[str] = ("ips", "snips"), **changes: Any) -> JudgePlan:
    return JudgePlan(estimators=asked_estimators(words, "artwork"), resamples=100, **changes)


def judged(
    log: Path, policies: Sequence[str], judge_plan: JudgePlan, *, jobs: int = 1, **changes: Any
) -> Evaluation:
    begun = begin("the command", 0, ManualClock(10))
    source = open_source(log)
    return evaluate(
        source, policies, LogPlan(**changes), judge_plan, begun, jobs=jobs, watch=Watch()
    )


def by_name(estimates: Sequence[Estimate]) -> dict[tuple[str, str], Estimate]:
    return {(one.policy, one.estimator): one for one in estimates}


def found(estimate: Estimate) -> float:
    assert estimate.value is not None
    return estimate.value


EVERY = (
    "replay", "take-fraction", "dm", "ips", "ips=2", "ips=tuned", "snips", "dr", "sndr",
    "switch-dr", "dros", "sgdr", "bips", "mrdr",
)  # fmt: skip


def test_every_estimator_comes_near_the_truth(log: Path) -> None:
    """The truth of uniform choices is the mean of the chances; seed fixed, 4 standard errors."""
    every = plan(EVERY, clustered=False)
    result = judged(log, ["uniform"], every)
    truth = float(CHANCES.mean())
    kept = [one for one in result.estimates if one.estimator not in ("ips=2", "ips=tuned")]
    assert len(result.estimates) == len(EVERY)
    for one in kept:
        (normal,) = one.intervals
        error = (normal.high - normal.low) / (2 * 1.96)
        assert found(one) == pytest.approx(truth, abs=4 * error), one.estimator
    clipped = by_name(result.estimates)[("uniform", "ips=2")]
    assert clipped.parameters == {"clip": 2.0}
    assert found(clipped) < truth
    assert BIAS_WARNING in clipped.diagnostics.warnings
    assert BIAS_WARNING not in by_name(kept)[("uniform", "ips")].diagnostics.warnings
    assert by_name(result.estimates)[("uniform", "dros")].parameters["chosen by"] == "mse"


def test_any_number_of_jobs_gives_the_same_bits(log: Path) -> None:
    every = plan(EVERY, intervals=("normal", "bootstrap"), model="boosting", folds=2)
    policies = ["uniform", "popularity", "segment-ts", "popularity:epsilon=0.2"]
    one, two = (judged(log, policies, every, jobs=jobs) for jobs in (1, 2))
    assert msgspec.json.encode(one) == msgspec.json.encode(two)
    assert [each.policy for each in one.estimates[:: len(EVERY)]] == policies


def test_who_learns_is_trained_on_the_first_part_and_all_are_judged_on_the_rest(
    log: Path, columns: Columns
) -> None:
    result = judged(
        log, ["popularity:epsilon=0.3", "uniform"], plan(["snips"]), train=0.25, split_by="order"
    )
    rounds = concatenate(open_source(log).choices())
    first, rest = rounds.take(slice(0, 1500)), rounds.take(slice(1500, None))
    target = make_target("popularity", epsilon=0.3)
    target.fit(first)
    expected = snips(Inputs(rest.reward, target.chosen_probability(rest) / rest.propensity))
    estimates = by_name(result.estimates)
    assert found(estimates[("popularity:epsilon=0.3", "snips")]) == expected.value()
    assert {one.diagnostics.rounds for one in result.estimates} == {4500}
    assert result.data.rounds == 4500
    assert result.data.logged_mean == columns.reward[1500:].mean()
    assert result.notes == [
        "popularity:epsilon=0.3 trained on rounds 1 to 1,500 of 6,000 in log order",
        "all judged on rounds 1,501 to 6,000 of 6,000 in log order",
    ]


def test_where_nobody_learns_all_rounds_judge(log: Path, columns: Columns) -> None:
    result = judged(log, ["uniform"], plan())
    assert result.data.rounds == ROUNDS
    assert result.notes == ["no policy learns from the log: all 6,000 rounds judge"]
    weight = 1 / ACTIONS / columns.propensity
    estimates = by_name(result.estimates)
    assert found(estimates[("uniform", "ips")]) == pytest.approx((weight * columns.reward).mean())
    assert result.data.viewers == len(np.unique(columns.viewer))
    assert sum(result.weights["uniform"].counts) == ROUNDS


def test_rounds_of_a_viewer_are_taken_together_unless_told_otherwise(
    log: Path, columns: Columns
) -> None:
    rounds = concatenate(open_source(log).choices())
    terms = snips(Inputs(rounds.reward, 1 / ACTIONS / rounds.propensity))
    for clustered in (True, False):
        (one,) = judged(log, ["uniform"], plan(["snips"], clustered=clustered)).estimates
        expected = interval("normal", terms, cluster=rounds.cluster if clustered else None)
        assert one.intervals == [expected]


def test_groups_have_their_own_estimates(log: Path, columns: Columns) -> None:
    result = judged(log, ["uniform"], plan())
    assert [row.group for row in result.segments] == [f"kind {kind}" for kind in range(KINDS)]
    assert sum(row.rounds for row in result.segments) == ROUNDS
    for kind, row in enumerate(result.segments):
        of_kind = columns.kind == kind
        weight = 1 / columns.propensity[of_kind]
        assert row.estimate == pytest.approx(
            (weight * columns.reward[of_kind]).sum() / weight.sum()
        )
        assert row.logged_mean == columns.reward[of_kind].mean()
    assert [row.group for row in result.positions] == ["0", "1"]


def test_what_the_log_says_nothing_of_has_no_value_but_a_reason(
    tmp_path: Path, columns: Columns
) -> None:
    never_first = columns.action > 0
    part = Columns(*(column[never_first] for column in columns))
    log = write(tmp_path / "log.npz", part, action_count=np.array(ACTIONS))
    result = judged(log, ["editorial"], plan(["ips", "snips", "replay"]))
    estimates = by_name(result.estimates)
    assert estimates[("editorial", "snips")].value is None
    assert estimates[("editorial", "replay")].value is None
    assert estimates[("editorial", "snips")].intervals == []
    for one in result.estimates:
        assert not one.diagnostics.sound
        assert "overlap" in one.diagnostics.verdict or "none of the" in one.diagnostics.verdict
    encoded = msgspec.json.encode(result)
    assert msgspec.json.decode(encoded, type=Evaluation) == result


def test_one_round_has_a_value_and_no_normal_interval(tmp_path: Path, columns: Columns) -> None:
    one_round = Columns(*(column[:1] for column in columns))
    log = write(tmp_path / "log.npz", one_round, action_count=np.array(ACTIONS))
    judge_plan = plan(["ips"], intervals=("normal",))
    whole = judged(log, ["uniform"], judge_plan)
    begun = begin("the command", 0, ManualClock(10))
    streamed, _ = evaluate_streamed(
        open_source(log), ["uniform"], LogPlan(), judge_plan, begun, watch=Watch()
    )
    for result in (whole, streamed):
        assert result.data.logged_interval is None
        (one,) = result.estimates
        assert one.value is not None
        assert one.intervals == []
        assert msgspec.json.decode(msgspec.json.encode(result), type=Evaluation) == result


def test_missing_propensities_are_refused_or_estimated_and_marked(
    tmp_path: Path, columns: Columns
) -> None:
    log = write(tmp_path / "log.npz", columns, propensity=None)
    with pytest.raises(PropensityError, match="propensity"):
        judged(log, ["uniform"], plan())
    result = judged(log, ["uniform"], plan(), estimate_propensities=True)
    assert {one.marked for one in result.estimates} == {ESTIMATED_MARK}
    assert result.data.propensities == "estimated"
    (_, snips_one) = result.estimates
    assert found(snips_one) == pytest.approx(float(CHANCES.mean()), abs=0.03)


def test_intervals_that_do_not_apply_are_told(log: Path) -> None:
    (one,) = judged(log, ["uniform"], plan(["snips"], intervals=("normal", "bernstein"))).estimates
    assert [each.method for each in one.intervals] == ["normal"]
    assert any("no bernstein interval" in warning for warning in one.diagnostics.warnings)


def test_a_stream_says_what_the_whole_says(log: Path) -> None:
    judge_plan = plan(["ips", "ips=2", "snips"])
    whole = judged(log, ["uniform", "editorial"], judge_plan)
    begun = begin("the command", 0, ManualClock(10))
    streamed, interrupted = evaluate_streamed(
        open_source(log), ["uniform", "editorial"], LogPlan(), judge_plan, begun, watch=Watch()
    )
    assert not interrupted
    for one, other in zip(whole.estimates, streamed.estimates, strict=True):
        assert (one.policy, one.estimator) == (other.policy, other.estimator)
        assert found(other) == pytest.approx(found(one), rel=1e-12)
        (there,), (here,) = one.intervals, other.intervals
        assert (here.low, here.high) == pytest.approx((there.low, there.high), rel=1e-9)
        assert here.note == there.note
        for name in ("effective_rounds", "telling_rounds", "weight_mean_p"):
            ours = getattr(other.diagnostics, name)
            assert ours == pytest.approx(getattr(one.diagnostics, name), rel=1e-6), name
        assert other.parameters == one.parameters
    assert streamed.data.viewers == whole.data.viewers
    assert sum(streamed.weights["editorial"].counts) == ROUNDS
    assert streamed.data.logged_mean == pytest.approx(whole.data.logged_mean)


def test_a_stream_trains_on_the_viewers_that_the_whole_log_trains_on(log: Path) -> None:
    begun = begin("the command", 0, ManualClock(10))
    streamed, _ = evaluate_streamed(
        open_source(log), ["popularity"], LogPlan(train_rounds=1500), plan(), begun, watch=Watch()
    )
    whole = judged(log, ["popularity"], plan(), train=0.25)
    assert found(streamed.estimates[0]) == pytest.approx(found(whole.estimates[0]), rel=1e-12)


@pytest.mark.parametrize("word", ["dr", "ips=tuned", "bips", "replay"])
def test_what_needs_all_rounds_at_once_is_not_streamed(log: Path, word: str) -> None:
    begun = begin("the command", 0, ManualClock(10))
    with pytest.raises(NotApplicableError, match="all rounds at once"):
        evaluate_streamed(
            open_source(log), ["uniform"], LogPlan(), plan([word]), begun, watch=Watch()
        )


def test_what_was_tuned_or_classified_says_so(log: Path) -> None:
    every = by_name(judged(log, ["uniform"], plan(EVERY)).estimates)
    marked = {estimator for (_, estimator), one in every.items() if one.marked == TUNED_MARK}
    assert marked == {"ips=tuned", "switch-dr", "dros", "sgdr"}
    warned = {name for name, one in every.items() if CLASSIFIER_WARNING in one.diagnostics.warnings}
    assert warned == {("uniform", "bips")}


def test_parts_have_no_round_in_common_and_leave_none_out() -> None:
    viewers = np.repeat(np.arange(500), 4)
    for by in ("order", "viewer"):
        parts = split(2000, (0.5, 0.25, 0.25), by=by, clusters=viewers, seed=3)
        together = np.concatenate([part.rounds for part in parts])
        assert sorted(together.tolist()) == list(range(2000))
        assert [len(part.rounds) for part in parts] == pytest.approx([1000, 500, 500], rel=0.2)
    offices = [set(viewers[part.rounds].tolist()) for part in parts]
    assert sum(map(len, offices)) == len(set().union(*offices)) == 500


def test_parts_that_would_be_empty_or_unknown_are_refused() -> None:
    with pytest.raises(EstimationError, match="is none"):
        split(3, (0.9, 0.1), by="order")
    with pytest.raises(EstimationError, match="viewers"):
        split(10, (0.5, 0.5), by="viewer")


def test_hashes_of_viewers_are_even() -> None:
    """Counts in 20 bins: chi-square below its 0.999 quantile of 19 degrees, 43.8."""
    hashed = unit_hash(np.arange(20_000), 5)
    counts, _ = np.histogram(hashed, bins=20, range=(0, 1))
    assert float(((counts - 1000) ** 2 / 1000).sum()) < 43.8


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing"], "no estimator"),
        (["snips=3"], "no parameter"),
        (["bips=tuned"], "cannot be tuned"),
        (["ips=much"], "no clip"),
        (["ips", "ips"], "twice"),
    ],
)
def test_estimators_that_make_no_sense_are_refused(words: list[str], told: str) -> None:
    with pytest.raises(EstimationError, match=told):
        asked_estimators(words, "artwork")
    with pytest.raises(EstimationError, match="rankings"):
        asked_estimators(["ips"], "rows")


def test_policies_are_named_with_settings() -> None:
    assert read_spec("popularity:epsilon=0.1,x=true") == Spec(
        "popularity", {"epsilon": 0.1, "x": True}
    )
    assert read_spec("/a:b/c.toml") == Spec("/a:b/c.toml", {})
    assert read_spec("c.toml:snapshots=state") == Spec("c.toml", {"snapshots": "state"})
    with pytest.raises(SimulationError, match="no setting"):
        read_spec("popularity:epsilon=0.1,wrong")


@pytest.mark.parametrize(
    ("name", "parameter"), [("ips", 3.0), ("switch-dr", 3.0), ("dros", 4.0), ("sgdr", 0.2)]
)
def test_the_largest_modified_weight_is_never_passed(name: str, parameter: float) -> None:
    (asked,) = asked_estimators([f"{name}={parameter}"], "artwork")
    from simulator.estimators.registry import estimator_named

    modified = estimator_named(asked.name).modified
    assert modified is not None
    weights = np.random.default_rng(0).random(10_000) * 40
    top = largest_modified(modified, 40.0, parameter)
    seen = float(modified(weights, parameter).max())
    assert seen <= top * (1 + 1e-12)
    assert seen >= 0.95 * top


def test_a_log_is_large_by_its_rounds_or_by_its_bytes(log: Path) -> None:
    source = open_source(log)
    assert source.rounds_max == ROUNDS
    assert not is_large(source)
    assert is_large(source, rounds=ROUNDS - 1)
    assert is_large(source, size_bytes=log.stat().st_size - 1)
    assert not is_large(source, rounds=ROUNDS, size_bytes=log.stat().st_size)
