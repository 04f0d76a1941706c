"""Which rounds train and which judge: what each way of dividing does to what was learned."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from bandit.clock import ManualClock
from simulator.datasets.registry import open_source
from simulator.errors import EstimationError
from simulator.logged import LoggedChoices
from simulator.policies.targets import make_target
from simulator.progress import Watch
from simulator.results import Evaluation
from simulator.studies.about import begin
from simulator.studies.asked import asked_estimators
from simulator.studies.bench import divide
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.splitting import ORDER_NOTE, split
from simulator.studies.stream_viewers import ViewerSums
from simulator.studies.streaming import evaluate_streamed
from tests.simulator.choice_world import draw, write

VIEWERS = 60
VISITS = 25
ACTIONS = 6
LOGS = 150


def sticky_log(seed: int) -> tuple[LoggedChoices, np.ndarray]:
    """Return a log in one window of stickiness, and (n, ACTIONS) chances of a reward.

    A viewer keeps the action that was drawn for them at their first visit.
    """
    random = np.random.default_rng(seed)
    taste = random.beta(1.0, 3.0, (VIEWERS, ACTIONS))
    kept = random.integers(0, ACTIONS, VIEWERS)
    viewer = random.permutation(np.repeat(np.arange(VIEWERS), VISITS))
    reward = (random.random(len(viewer)) < taste[viewer, kept[viewer]]).astype(np.float64)
    logged = LoggedChoices(
        kept[viewer].astype(np.int32),
        reward,
        np.full(len(viewer), 1 / ACTIONS),
        ACTIONS,
        cluster=viewer.astype(np.int64),
    )
    return logged, taste[viewer]


def off_by(split_by: Literal["order", "viewer"] | None) -> tuple[float, float]:
    """Return how far IPS of what was learned is from its truth over logs, and by how many σ."""
    errors = np.empty(LOGS)
    truths = np.empty(LOGS)
    for seed in range(LOGS):
        logged, chance = sticky_log(seed)
        plan = LogPlan(split_by=split_by, seed=seed)
        training, judged, _ = divide(logged, ["popularity"], plan)
        assert isinstance(training, LoggedChoices)
        assert isinstance(judged, LoggedChoices)
        target = make_target("popularity")
        target.fit(training)
        rounds = split(len(logged), (0.5, 0.5), by=split_by, clusters=logged.cluster, seed=seed)[1]
        truths[seed] = (target.pmf(judged) * chance[rounds.rounds]).sum(axis=1).mean()
        weight = target.chosen_probability(judged) / judged.propensity
        errors[seed] = (weight * judged.reward).mean() - truths[seed]
    sigma = errors.std(ddof=1) / np.sqrt(LOGS)
    return float(errors.mean() / truths.mean()), float(errors.mean() / sigma)


def test_by_order_what_was_learned_from_sticky_draws_looks_better_than_it_is() -> None:
    """150 seeded logs; were there no bias, z would pass 5 in 1 of 3 million cases."""
    bias, z = off_by("order")
    assert bias > 0.05
    assert z > 5


def test_by_viewer_it_does_not_and_that_is_the_default() -> None:
    """The same logs; z of an unbiased estimate passes 3.3 in 1 of 1,000 cases."""
    _, z = off_by(None)
    assert abs(z) < 3.3
    assert off_by("viewer")[1] == z


def test_without_viewers_order_divides_and_says_what_that_means() -> None:
    logged, _ = sticky_log(1)
    alone = LoggedChoices(logged.action, logged.reward, logged.propensity, ACTIONS)
    _, judged, notes = divide(alone, ["popularity"], LogPlan())
    assert judged.reward.tolist() == logged.reward[750:].tolist()
    assert ORDER_NOTE in notes
    assert ORDER_NOTE not in divide(logged, ["popularity"], LogPlan()).notes
    assert ORDER_NOTE not in divide(alone, ["popularity"], LogPlan(split_by="order")).notes


def test_no_decision_is_divided() -> None:
    pages = np.repeat(np.arange(40), np.random.default_rng(2).integers(1, 9, 40)).astype(np.int32)
    for by in ("order", "viewer"):
        parts = split(
            len(pages),
            (0.5, 0.25, 0.25),
            by=by,
            clusters=(pages // 2).astype(np.int64),
            decisions=pages,
            seed=4,
        )
        held = [set(pages[part.rounds].tolist()) for part in parts]
        assert sum(map(len, held)) == 40
        assert sum(len(part.rounds) for part in parts) == len(pages)


def test_a_last_decision_that_is_all_the_rest_leaves_nothing_to_judge() -> None:
    with pytest.raises(EstimationError, match="none"):
        split(10, (0.5, 0.5), by="order", decisions=np.zeros(10, np.int32))


def streamed(log: Path, plan: LogPlan) -> Evaluation:
    judging = JudgePlan(estimators=asked_estimators(["ips"], "artwork"))
    begun = begin("the command", 0, ManualClock(10))
    source = open_source(log)
    return evaluate_streamed(source, ["popularity"], plan, judging, begun, watch=Watch())[0]


def test_a_stream_is_divided_by_order_where_viewers_are_not_known(tmp_path: Path) -> None:
    log = write(tmp_path / "log.npz", draw(2000), viewer=None)
    found = streamed(log, LogPlan(train_rounds=500))
    assert found.data.rounds == 1500
    assert found.data.viewers is None
    assert ORDER_NOTE in found.notes
    assert any("take rounds as independent" in note for note in found.notes)
    with pytest.raises(EstimationError, match="does not tell viewers apart"):
        streamed(log, LogPlan(split_by="viewer"))


def test_a_stream_by_viewer_says_so_and_needs_one_that_trains(tmp_path: Path) -> None:
    log = write(tmp_path / "log.npz", draw(2000))
    found = streamed(log, LogPlan(train_rounds=500))
    assert found.notes[0].endswith("of the viewers, all judged on the others'")
    assert not any("independent" in note for note in found.notes)
    with pytest.raises(EstimationError, match="none of the viewers"):
        streamed(log, LogPlan(train_rounds=1, train=1e-9))


def test_sums_by_viewer_are_the_same_for_any_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.studies.stream_viewers.PENDING_MIN", 50)
    random = np.random.default_rng(3)
    viewer, values = random.integers(0, 300, 2000), random.integers(0, 9, (2, 2000)).astype(float)
    sums = ViewerSums()
    for first in range(0, 2000, 70):
        batch = slice(first, first + 70)
        sums.take(viewer[batch], values[:, batch])
    codes, unit = np.unique(viewer, return_inverse=True)
    whole = np.stack([np.bincount(unit, column, len(codes)) for column in values])
    assert np.array_equal(sums.sums(), whole)
