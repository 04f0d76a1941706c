"""Estimates and intervals against a small homepage's truth, as the experiments judge them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from simulator.environments.recording import logged_choices
from simulator.estimators.inputs import weighted
from simulator.estimators.registry import estimator_named
from simulator.experiments.coverage import Drawn, binomial_band, covered, lines, repetition
from simulator.experiments.overlap import (
    WORLD,
    Candidate,
    Stage,
    TruthTask,
    World,
    merged,
    staged,
    truth_part,
)
from simulator.experiments.viewer_sums import (
    ESTIMATORS,
    Judging,
    Logged,
    fitted_model,
    statistic,
    sums_by_viewer,
    sums_of_run,
)
from simulator.intervals import interval
from simulator.logged import LoggedChoices
from simulator.loop import run
from simulator.pages import Truth

SMALL = World(
    {"world_seed": 7, "titles": 60, "artworks": 4, "rows": 3, "titles_a_row": 4, "viewers": 2000},
    taught_pages=500,
)
ALPHA = 0.01


@cache
def stage() -> Stage:
    return staged(SMALL)


@cache
def truth() -> list[Truth]:
    parts = [
        [truth_part(stage(), TruthTask(place, 10_000, 2_000_003 + part)) for part in range(4)]
        for place in range(len(stage().cast.judged))
    ]
    return [merged(of_policy) for of_policy in parts]


def log_of(candidate: Candidate, pages: int, seed: int) -> LoggedChoices:
    environment = SMALL.environment(pages, pages)
    return logged_choices(environment, *next(run(environment, candidate.policy(), seed)))


def test_a_policy_serves_with_the_probabilities_that_its_target_has() -> None:
    for candidate in stage().cast.judged:
        logged = log_of(candidate, 60, 3)
        told = candidate.target().chosen_probability(logged)
        np.testing.assert_allclose(logged.propensity, told, rtol=1e-6)
        assert len(np.unique(told.round(6))) > 1


@pytest.mark.parametrize(
    ("task", "repetitions"), [(Drawn(400, 0, ("ips", "snips")), 100), (Drawn(250, 0, ("dr",)), 30)]
)
def test_intervals_hold_the_truth_as_often_as_they_say(task: Drawn, repetitions: int) -> None:
    """Over all cells together, honest intervals fail with a probability of 1 % at most."""
    found = np.stack([repetition(stage(), task._replace(seed=n)) for n in range(repetitions)])
    cells = found[0, :, :, 1::2].size
    low, high = binomial_band(repetitions, 1 - ALPHA / cells)
    for place, one in enumerate(truth()):
        assert one.standard_error < 0.005 * one.value
        for which in range(len(task.estimators)):
            for share in covered(one.value, found[:, place, which]):
                assert low <= share <= high, (place, which, share)
            values = found[:, place, which, 0]
            error = values.std(ddof=1) / np.sqrt(repetitions) + one.standard_error
            assert abs(values.mean() - one.value) < 4 * error
    rows = lines(task, stage(), truth(), found)
    assert [row[2] for row in rows] == [*task.estimators] * len(truth())


def test_coverage_counts_intervals_that_hold_the_truth() -> None:
    found = np.array([[0.5, 0.4, 0.6, 0.51, 0.6], [0.5, 0.6, 0.7, 0.1, 0.2]])
    assert covered(0.5, found) == [0.5, 0.0]
    assert binomial_band(500) == pytest.approx((0.93, 0.968), abs=0.003)


def test_truths_of_parts_merge_to_their_mean() -> None:
    found = merged([Truth(0.2, 2.0, 0.03, 10), Truth(0.4, 4.0, 0.04, 10)])
    assert tuple(found) == pytest.approx((0.3, 3.0, 0.025, 20))


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "sndr"])
def test_sums_of_parts_are_the_estimate_and_interval_of_the_whole(name: str) -> None:
    candidate = stage().cast.judged[0]
    logged = log_of(stage().cast.logs, 300, 5)
    assert logged.cluster is not None
    predicted, expected = np.random.default_rng(1).random((2, len(logged)))
    inputs = weighted(
        logged.reward,
        candidate.target().chosen_probability(logged),
        logged.propensity,
        predicted=predicted,
        expected=expected,
    )
    whole = estimator_named(name).terms(inputs, None)
    parts = []
    for part in (slice(0, 700), slice(700, None)):
        some = weighted(
            logged.reward[part],
            candidate.target().chosen_probability(logged)[part],
            logged.propensity[part],
            predicted=predicted[part],
            expected=expected[part],
        )
        terms = estimator_named(name).terms(some, None)
        parts.append(sums_by_viewer(terms, logged.cluster[part], 2000))
    found = statistic(parts[0] + parts[1])
    assert found.value() == pytest.approx(whole.value(), rel=1e-12)
    seen = statistic((parts[0] + parts[1])[:, np.unique(logged.cluster)])
    told, by_rounds = interval("normal", seen), interval("normal", whole, cluster=logged.cluster)
    assert (told.low, told.high) == pytest.approx((by_rounds.low, by_rounds.high), rel=1e-9)


def test_a_streamed_run_finds_what_its_log_says() -> None:
    full = staged(WORLD)
    task = Logged(seed=11, pages=40)
    sums = sums_of_run(Judging(full, fitted_model(full), 5000), task)
    environment = WORLD.environment(40)
    logged = logged_choices(environment, *next(run(environment, full.cast.logs.policy(), 11)))
    for place, candidate in enumerate(full.cast.judged):
        probability = candidate.target().chosen_probability(logged)
        inputs = weighted(logged.reward, probability, logged.propensity)
        for name in ("ips", "snips"):
            expected = estimator_named(name).terms(inputs, None).value()
            found = statistic(sums[place, ESTIMATORS.index(name)]).value()
            assert found == pytest.approx(expected, rel=1e-12)
