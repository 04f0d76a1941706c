"""Viewers' rounds hang together: lawful sticky logs raise no alarm, wrong ones still do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bandit.types import FloatArray
from simulator.diagnostics import calibration, diagnose
from simulator.diagnostics.weights import Weights, WeightSums
from simulator.logged import LoggedChoices
from simulator.results import Diagnostics

VIEWERS, VISITS, TITLES, ARTWORKS = 60, 25, 12, 4
LOGITS = np.random.default_rng(3).normal(size=(TITLES, ARTWORKS))


def _pmf(logits: FloatArray) -> FloatArray:
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(found / found.sum(axis=1, keepdims=True))


LOGGED = _pmf(LOGITS)
TARGET = _pmf(LOGITS + np.random.default_rng(4).normal(size=LOGITS.shape) * 0.7)


def _sticky(seed: int, told: float = 1.0) -> tuple[LoggedChoices, FloatArray]:
    """Return a log whose viewers see the same artwork of a title on every visit, and weights.

    Propensities are told to the power ``told``.
    """
    rng = np.random.default_rng(seed)
    drawn = (LOGGED.cumsum(axis=1) < rng.random((VIEWERS, TITLES, 1))).sum(axis=2)
    viewer = np.repeat(np.arange(VIEWERS), VISITS)
    title = rng.integers(0, TITLES, len(viewer))
    action = np.minimum(drawn, ARTWORKS - 1)[viewer, title]
    propensity = LOGGED[title, action] ** told
    candidates = title[:, None] * ARTWORKS + np.arange(ARTWORKS)
    logged = LoggedChoices(
        action.astype(np.int32),
        (rng.random(len(viewer)) < 0.3).astype(np.float64),
        propensity,
        ARTWORKS,
        candidates=candidates.astype(np.int32),
        cluster=viewer,
    )
    return logged, TARGET[title, action] / propensity


def _diagnosed(seed: int, told: float = 1.0) -> Diagnostics:
    logged, weight = _sticky(seed, told)
    return diagnose(weight, target_name="target", logged=logged)


def _alarmed(found: Diagnostics) -> bool:
    told = any("do not match frequencies" in warning for warning in found.warnings)
    return told or "where 1 is expected" in found.verdict


def test_right_propensities_of_sticky_logs_raise_no_more_alarms_than_alpha() -> None:
    """Alarms are meant for 0.2 % of right logs; a binomial test at alpha 1e-3 over 150 logs."""
    alarms = sum(_alarmed(_diagnosed(seed)) for seed in range(150))
    assert stats.binomtest(alarms, 150, 0.002, "greater").pvalue > 1e-3
    # Rounds taken as independent, the same logs are found wrong in droves.
    alone = 0
    for seed in range(150):
        _, weight = _sticky(seed)
        alone += Weights.of(weight).p_value < 0.05
    assert stats.binomtest(alone, 150, 0.05, "greater").pvalue < 1e-3


@pytest.mark.parametrize("told", [0.6, 1.6])
def test_wrong_propensities_of_sticky_logs_are_still_found(told: float) -> None:
    assert all(_alarmed(_diagnosed(seed, told)) for seed in range(20))


def test_bins_of_sticky_logs_cover_their_propensities() -> None:
    """Of 60 viewers, whose sums are skewed, 95 % intervals hold in 85 % at least (alpha 1e-3)."""
    held = [
        one.low <= one.predicted <= one.high
        for seed in range(60)
        for one in calibration(_sticky(seed)[0])
    ]
    assert stats.binomtest(sum(held), len(held), 0.85, "less").pvalue > 1e-3


def test_a_few_viewers_with_many_rounds_are_few() -> None:
    viewer = np.repeat(np.arange(8), 2000)
    weight = np.repeat([1.8, 0.2] * 4, 2000)
    found = diagnose(weight, target_name="t", cluster=viewer)
    assert (found.rounds, found.viewers) == (16_000, 8)
    assert found.effective_viewers == pytest.approx(8 / 1.64)
    assert found.effective_rounds == pytest.approx(16_000 / 1.64)
    assert not found.sound
    assert found.verdict == "too few viewers: 5 effective viewers of 8; gather more of them"


def test_one_viewer_that_decides() -> None:
    viewer = np.concatenate([np.arange(2000), np.full(120, 2000)])
    found = diagnose(np.ones(2120), target_name="t", cluster=viewer)
    assert not found.sound
    assert found.verdict.startswith("one viewer decides: it carries 6% of all the weight")


def test_good_overlap_is_counted_by_viewer() -> None:
    viewer = np.repeat(np.arange(500), 10)
    found = diagnose(np.ones(5000), target_name="t", cluster=viewer)
    assert found.sound
    assert found.verdict == "good overlap: 500 effective viewers of 500"


def test_sums_by_viewer_are_those_of_the_rounds() -> None:
    rng = np.random.default_rng(6)
    weight, reward = rng.lognormal(size=4000), rng.random(4000)
    viewer = rng.integers(0, 300, 4000)
    whole = Weights.of(weight, viewer, reward)
    assert np.isclose(whole.effective, weight.sum() ** 2 / (weight**2).sum(), rtol=1e-12)
    by_viewer = np.bincount(viewer, weight)
    assert np.isclose(whole.effective_units, by_viewer.sum() ** 2 / (by_viewer**2).sum())
    assert whole.top_share == pytest.approx(by_viewer.max() / weight.sum())
    deviation = np.bincount(viewer, weight - 1)
    assert whole.p_value == pytest.approx(stats.ttest_1samp(deviation, 0.0).pvalue)
    value = (weight * reward).sum() / weight.sum()
    squares = np.bincount(viewer, weight * (reward - value)) ** 2
    assert whole.telling == pytest.approx(squares.sum() ** 2 / (squares**2).sum())


def _streamed(weight: FloatArray, reward: FloatArray, size: int) -> Weights:
    sums = WeightSums.none()
    for first in range(0, len(weight), size):
        sums = sums.plus(weight[first : first + size], reward[first : first + size])
    return Weights.of_sums(sums)


@pytest.mark.parametrize("size", [1, 333, 5000])
def test_a_stream_and_a_whole_log_are_one(size: int) -> None:
    rng = np.random.default_rng(7)
    weight = np.where(rng.random(5000) < 0.3, 0.0, rng.lognormal(sigma=0.5, size=5000))
    reward = np.where(rng.random(5000) < 0.1, 1.001e6, 1e6)
    whole, found = Weights.of(weight, None, reward), _streamed(weight, reward, size)
    assert found[:1] == whole[:1]
    for one, other in zip(found, whole, strict=True):
        assert one == (None if other is None else pytest.approx(other, rel=1e-9))
    assert _streamed(weight, reward, size) == found


def test_weights_of_1_up_to_rounding_raise_no_alarm() -> None:
    """Propensities kept in single precision leave weights off by 6e-8, all to one side."""
    propensity = np.full(10_000, 0.1)
    weight = propensity / propensity.astype(np.float32).astype(np.float64)
    assert 0 < abs(weight[0] - 1) < 1e-6
    assert Weights.of(weight).p_value == 1
    assert _streamed(weight, np.ones(10_000), 777).p_value == 1
    assert Weights.of(np.full(10_000, 1.001)).p_value == 0
