"""Rounds that the spread rests on: clicks where weights are even, fewer where they are not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from bandit.types import FloatArray
from simulator.diagnostics import diagnose
from simulator.diagnostics.telling import TellingSums
from simulator.diagnostics.weights import Weights
from simulator.errors import EstimationError
from simulator.results import Diagnostics


def telling_rounds(
    weight: FloatArray, reward: FloatArray, viewer: npt.NDArray[np.int64] | None = None
) -> float:
    found = Weights.of(weight, viewer, reward).telling
    assert found is not None
    return found


def _clicks(count: int, rounds: int) -> FloatArray:
    return np.repeat([1.0, 0.0], [count, rounds - count])


def _of(weight: FloatArray, reward: FloatArray) -> Diagnostics:
    return diagnose(weight, target_name="greedy", reward=reward)


def test_of_rounds_with_equal_weights_it_is_n_over_the_kurtosis() -> None:
    reward = np.random.default_rng(1).normal(size=500)
    kurtosis = stats.kurtosis(reward, fisher=False)
    assert telling_rounds(np.full(500, 3.0), reward) == pytest.approx(500 / kurtosis)
    assert telling_rounds(np.ones(200), _clicks(100, 200)) == pytest.approx(200)


@pytest.mark.parametrize("count", [1, 7, 40])
def test_it_is_the_number_of_rare_clicks_or_of_rare_failures(count: int) -> None:
    reward = _clicks(count, 20_000)
    assert telling_rounds(np.ones(20_000), reward) == pytest.approx(count, rel=0.01)
    assert telling_rounds(np.ones(20_000), 1 - reward) == pytest.approx(count, rel=0.01)


def test_uneven_weights_leave_fewer() -> None:
    weight = np.ones(20_000)
    weight[:20] = np.repeat([20.0, 1.0], 10)
    assert telling_rounds(weight, _clicks(20, 20_000)) == pytest.approx(10, rel=0.06)


@pytest.mark.parametrize("alike", [0.0, 1.0, 0.3])
def test_rewards_that_are_all_alike_where_it_counts_tell_nothing(alike: float) -> None:
    weight = np.append(np.random.default_rng(2).gamma(2.0, 0.5, 300), np.zeros(300))
    reward = np.append(np.full(300, alike), np.ones(300))
    assert telling_rounds(weight, reward) == 0
    assert telling_rounds(np.zeros(600), reward) == 0
    assert TellingSums.none().plus(weight, reward).rounds() == 0


def test_clicks_of_one_viewer_tell_once() -> None:
    viewer = np.repeat(np.arange(1000), 10)
    assert telling_rounds(np.ones(10_000), _clicks(20, 10_000), viewer) == pytest.approx(
        2, rel=0.02
    )


@pytest.mark.parametrize("rate", [0.005, 0.5, 0.999])
def test_a_stream_tells_the_same(rate: float) -> None:
    rng = np.random.default_rng(3)
    weight = np.where(rng.random(9000) < 0.2, 0.0, rng.lognormal(size=9000))
    reward = (rng.random(9000) < rate) * rng.uniform(0.5, 1.0, 9000)
    sums = TellingSums.none()
    for part in np.array_split(np.arange(9000), 4):
        sums = sums.plus(weight[part], reward[part])
    assert sums.rounds() == pytest.approx(telling_rounds(weight, reward), rel=1e-9)
    assert TellingSums.none().rounds() == 0


def test_no_click_where_it_counts_is_no_certainty() -> None:
    weight = np.append(np.full(160, 31.25), np.zeros(4840))
    found = _of(weight, 1 - _clicks(4974, 5000))
    assert found.telling_rounds == 0
    assert not found.sound
    assert found.verdict.startswith(
        "nothing to tell by: all 160 effective rounds of 5,000 earned the same; gather more rounds"
    )
    assert "bernstein" in found.verdict
    assert "clopper-pearson" in found.verdict
    assert not any("rounds tell" in warning for warning in found.warnings)


def test_few_clicks_are_told() -> None:
    found = _of(np.ones(5000), _clicks(6, 5000))
    assert not found.sound
    assert found.verdict.startswith(
        "too few rewards tell: the spread rests on about 6 of 5,000 effective rounds of 5,000"
    )
    some = _of(np.ones(5000), _clicks(20, 5000))
    assert some.sound
    assert some.warnings[0].startswith("only about 20 rounds tell")
    assert _of(np.ones(5000), _clicks(100, 5000)).warnings == []


def test_other_verdicts_come_first_and_few_clicks_are_a_warning_then() -> None:
    weight = np.append(np.full(40, 100.0), np.zeros(3960))
    found = _of(weight, np.zeros(4000))
    assert found.verdict.startswith("not enough overlap")
    assert found.warnings[0].startswith("only about 0 rounds tell")


def test_without_rewards_nothing_is_said_of_them() -> None:
    found = diagnose(np.ones(5000), target_name="greedy")
    assert found.telling_rounds is None
    assert found.sound


@pytest.mark.parametrize(
    ("share", "words"), [(1.0, "good"), (0.2, "good"), (0.05, "usable"), (0.005, "thin")]
)
def test_words_go_by_the_share_that_counts(share: float, words: str) -> None:
    count = round(100_000 * share)
    weight = np.append(np.full(count, 1 / share), np.zeros(100_000 - count))
    found = diagnose(weight, target_name="greedy")
    assert found.sound
    assert found.verdict == f"{words} overlap: {count:,} effective rounds of 100,000"


def test_there_is_one_reward_a_round() -> None:
    with pytest.raises(EstimationError, match="rewards of shape"):
        _of(np.ones(10), np.ones((10, 2)))


@pytest.mark.parametrize(("expected", "covered"), [(5, 0.91), (10, 0.926), (15, 0.934)])
def test_the_threshold_is_where_normal_intervals_begin_to_hold(
    expected: int, covered: float
) -> None:
    """Rare clicks are Poisson: what 1.96 spreads hold, averaged over rates near the one named."""
    clicks = np.arange(400)
    reach = stats.norm.ppf(0.975) * np.sqrt(clicks)
    held = [
        stats.poisson.pmf(clicks, rate)[np.abs(clicks - rate) <= reach].sum()
        for rate in np.linspace(0.8 * expected, 1.2 * expected, 201)
    ]
    assert float(np.mean(held)) == pytest.approx(covered, abs=4e-3)
