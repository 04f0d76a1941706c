"""Counting policies by segment: their scores by plain formulas, their ties by chance."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.errors import SimulationError
from simulator.policies.models import Asked, Observed, Problem
from simulator.policies.segment_counts import (
    SegmentCounts,
    SegmentExploreThenCommit,
    SegmentGreedy,
    SegmentKLUCB,
)
from simulator.policies.ties import draw_best

ITEMS, SEGMENTS = 4, 2
EVERY = np.arange(ITEMS, dtype=np.int32)[None]
DISPLAYS = np.array([[10, 5, 40, 0], [0, 0, 0, 0]])
SUCCESSES = np.array([[1, 5, 10, 0], [0, 0, 0, 0]])


def taught(model: SegmentCounts) -> SegmentCounts:
    model.start(Problem(np.zeros((ITEMS, 0), np.float32), 0, SEGMENTS))
    for item in range(ITEMS):
        shown, won = int(DISPLAYS[0, item]), int(SUCCESSES[0, item])
        rewards = np.array([1.0] * won + [0.0] * (shown - won))
        model.learn(Observed(of_segment(0, shown), np.full(shown, item, np.int32), rewards))
    return model


def of_segment(segment: int, count: int) -> Asked:
    return Asked(np.zeros((count, 0), np.float32), np.full(count, segment, np.int32))


def scores(model: SegmentCounts, segment: int) -> list[float]:
    rng = np.random.default_rng(0)
    found = model.scores(of_segment(segment, 1), EVERY, rng)[0]
    return [float(score) for score in found]


def test_greedy_scores_are_means_and_what_is_unseen_comes_first() -> None:
    model = taught(SegmentGreedy())
    assert scores(model, 0) == pytest.approx([0.1, 1.0, 0.25, 1.0])
    assert scores(model, 1) == pytest.approx([1.0] * ITEMS)


def test_exploring_takes_what_lacks_most_first_then_commits_to_means() -> None:
    model = taught(SegmentExploreThenCommit(displays=20))
    assert scores(model, 0) == pytest.approx([1.5, 1.75, 0.25, 2.0])
    committed = taught(SegmentExploreThenCommit(displays=5))
    assert scores(committed, 0) == pytest.approx([0.1, 1.0, 0.25, 2.0])


def test_kl_ucb_is_the_greatest_mean_within_the_budget() -> None:
    found = scores(taught(SegmentKLUCB()), 0)
    budget = math.log(DISPLAYS.sum())
    for item in (0, 2):
        shown = float(DISPLAYS[0, item])
        mean, upper = SUCCESSES[0, item] / shown, found[item]
        assert mean < upper < 1
        divergence = mean * math.log(mean / upper)
        divergence += (1 - mean) * math.log((1 - mean) / (1 - upper))
        assert shown * divergence == pytest.approx(budget, rel=1e-6)
    assert found[1] == pytest.approx(1.0)
    assert found[3] == pytest.approx(1.0)


@pytest.mark.parametrize("model", [SegmentGreedy(), SegmentExploreThenCommit(), SegmentKLUCB()])
def test_ties_are_drawn_as_evenly_as_the_probabilities_say(model: SegmentCounts) -> None:
    taught(model)
    sets = np.array([[[0, 1, 3, -1], [2, 0, -1, -1]]], np.int32)
    pmf = model.pmf(of_segment(1, 1), sets)[0]
    np.testing.assert_array_equal(pmf, [[1 / 3, 1 / 3, 1 / 3, 0], [0.5, 0.5, 0, 0]])
    count = 4000
    rng = np.random.default_rng(5)
    drawn, _ = draw_best(model.scores(of_segment(1, count), sets, rng), rng)
    for place in range(2):
        shares = np.bincount(drawn[:, place], minlength=4) / count
        # Four standard deviations: alpha below 1e-4 a share; the seed is fixed.
        assert np.abs(shares - pmf[place]).max() < 4 * 0.5 / math.sqrt(count)


def test_rewards_outside_of_the_unit_interval_are_refused() -> None:
    model = taught(SegmentGreedy())
    with pytest.raises(SimulationError, match="between 0 and 1"):
        model.learn(Observed(of_segment(0, 1), np.array([0], np.int32), np.array([1.5])))
