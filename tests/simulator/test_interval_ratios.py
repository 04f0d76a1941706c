"""Ratios, clusters and paired differences: what is resampled or summed together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from simulator.errors import EstimationError, NotApplicableError
from simulator.intervals import difference, interval, paired
from simulator.terms import Terms
from tests.simulator.interval_terms import draw_rounds

ROUNDS = draw_rounds(np.random.default_rng(3), 3000)


def _width(method: str, terms: Terms, **settings: object) -> float:
    found = interval(method, terms, **settings)  # type: ignore[arg-type]
    return found.high - found.low


def test_a_ratio_is_formed_anew_in_each_resample() -> None:
    """Where rewards are nearly alike, most of the weights' luck cancels in the ratio.

    Resampling terms over a denominator that stays as it was keeps all of that luck: the interval
    is many times too wide.
    """
    rng = np.random.default_rng(4)
    weight = rng.gamma(0.5, 2.0, 3000)
    reward = 0.7 + 0.05 * rng.normal(size=3000)
    terms = Terms(weight * reward, weight)
    drawn = rng.integers(0, 3000, (1000, 3000))
    anew = (terms.numerator[drawn].sum(1)) / weight[drawn].sum(1)
    fixed = terms.numerator[drawn].mean(1) / weight.mean()
    width = _width("bootstrap", terms)
    assert width == pytest.approx(np.ptp(np.quantile(anew, [0.025, 0.975])), rel=0.1)
    assert width == pytest.approx(_width("normal", terms), rel=0.1)
    assert width < 0.2 * float(np.ptp(np.quantile(fixed, [0.025, 0.975])))


def test_resamples_without_weight_are_left_out_and_told() -> None:
    terms = Terms(np.append(np.zeros(19), 0.5), np.append(np.zeros(19), 1.0))
    found = interval("bootstrap", terms, resamples=500)
    assert (found.low, found.high) == (0.5, 0.5)
    assert "without weight" in found.note


def _by_viewer(
    rng: np.random.Generator, viewers: int
) -> tuple[Terms, Terms, npt.NDArray[np.int64]]:
    """Rounds of viewers whose taste is their own: rounds of one are alike."""
    rounds = rng.integers(1, 12, viewers)
    viewer = np.repeat(np.arange(viewers, dtype=np.int64), rounds)
    taste = rng.random(viewers)[viewer]
    weight = rng.choice([0.5, 1.0, 2.0], len(viewer), p=[0.4, 0.4, 0.2])
    reward = (rng.random(len(viewer)) < taste).astype(np.float64)
    return Terms(weight * reward), Terms(weight * reward, weight), viewer


@pytest.mark.parametrize("method", ["normal", "bootstrap"])
def test_clustered_intervals_are_as_wide_as_viewers_differ(method: str) -> None:
    ips, snips, viewer = _by_viewer(np.random.default_rng(6), 800)
    repeated = [_by_viewer(np.random.default_rng(100 + i), 800)[:2] for i in range(300)]
    for terms, values in (
        (ips, [one.value() for one, _ in repeated]),
        (snips, [two.value() for _, two in repeated]),
    ):
        true = 2 * 1.96 * float(np.std(values))
        clustered = _width(method, terms, cluster=viewer)
        assert clustered == pytest.approx(true, rel=0.15)
        assert clustered > 1.3 * _width(method, terms)


def test_clusters_of_one_round_change_nothing() -> None:
    cluster = np.random.default_rng(1).permutation(3000)
    for terms in (ROUNDS.ips(), ROUNDS.snips(), ROUNDS.dr(), ROUNDS.sndr()):
        plain, clustered = interval("normal", terms), interval("normal", terms, cluster=cluster)
        assert (plain.low, plain.high) == pytest.approx((clustered.low, clustered.high), rel=1e-9)
        assert clustered.note == "3000 clusters"


def test_a_clustered_bootstrap_resamples_viewers() -> None:
    ips, _, viewer = _by_viewer(np.random.default_rng(6), 50)
    rng = np.random.default_rng(7)
    total = np.bincount(viewer, weights=ips.numerator)
    rounds = np.bincount(viewer)
    drawn = rng.integers(0, 50, (20_000, 50))
    naive = np.quantile(total[drawn].sum(1) / rounds[drawn].sum(1), [0.025, 0.975])
    found = interval("bootstrap", ips, resamples=20_000, cluster=viewer)
    assert (found.low, found.high) == pytest.approx(tuple(naive), abs=0.006)


@pytest.mark.parametrize("method", ["normal", "bootstrap"])
def test_a_paired_difference_is_surer_than_two_values(method: str) -> None:
    second = Terms(ROUNDS.weight * np.minimum(1.0, ROUNDS.reward + 0.02))
    found = paired(method, ROUNDS.ips(), second)
    assert found.difference == pytest.approx(second.value() - ROUNDS.ips().value())
    assert found.interval.low <= found.difference <= found.interval.high
    width = found.interval.high - found.interval.low
    assert width < 0.2 * _width(method, ROUNDS.ips())
    assert found.p_value < 0.01


def test_differences_of_any_two_kinds_are_the_difference_of_values() -> None:
    kinds = [ROUNDS.ips(), ROUNDS.snips(), ROUNDS.dr(), ROUNDS.sndr()]
    for first in kinds:
        for second in kinds:
            apart = difference(first, second)
            assert apart.value() == pytest.approx(second.value() - first.value(), abs=1e-12)
            influence = second.influence() - first.influence()
            assert apart.influence() == pytest.approx(influence - influence.mean(), abs=1e-9)


def test_a_paired_bootstrap_resamples_both_together() -> None:
    first, second = ROUNDS.snips(), ROUNDS.sndr()
    assert first.denominator is not None
    assert second.denominator is not None
    assert second.base is not None
    rng = np.random.default_rng(8)
    drawn = rng.integers(0, 3000, (2000, 3000))
    values = (
        second.base[drawn].mean(1)
        + second.numerator[drawn].sum(1) / second.denominator[drawn].sum(1)
        - first.numerator[drawn].sum(1) / first.denominator[drawn].sum(1)
    )
    naive = np.quantile(values, [0.025, 0.975])
    found = paired("bootstrap", first, second, resamples=2000)
    width = float(np.ptp(naive))
    assert found.interval.low == pytest.approx(naive[0], abs=0.1 * width)
    assert found.interval.high == pytest.approx(naive[1], abs=0.1 * width)


@pytest.mark.parametrize("method", ["normal", "bootstrap"])
def test_p_values_are_uniform_without_a_difference(method: str) -> None:
    """Kolmogorov–Smirnov at alpha 1e-3 over 300 repetitions."""
    rng = np.random.default_rng(9)
    found = []
    for seed in range(300):
        terms = [Terms(rng.random(200)) for _ in range(2)]
        found.append(paired(method, *terms, resamples=400, seed=seed).p_value)
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_paired_clusters_are_resampled_together() -> None:
    ips, snips, viewer = _by_viewer(np.random.default_rng(6), 300)
    for method in ("normal", "bootstrap"):
        plain = paired(method, ips, snips, resamples=3000)
        clustered = paired(method, ips, snips, resamples=3000, cluster=viewer)
        assert clustered.difference == pytest.approx(plain.difference)
        assert clustered.interval != plain.interval


def test_policies_that_are_the_same_do_not_differ() -> None:
    for method in ("normal", "bootstrap"):
        found = paired(method, ROUNDS.snips(), ROUNDS.snips())
        assert found.difference == 0
        assert found.p_value == pytest.approx(1.0, abs=0.01)


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(EstimationError, match="same rounds"):
        paired("normal", ROUNDS.ips(), Terms(np.ones(3)))
    with pytest.raises(NotApplicableError, match="differences"):
        paired("bernstein", ROUNDS.ips(), ROUNDS.ips())


@pytest.mark.parametrize("method", ["normal", "bootstrap"])
def test_a_sum_of_ratios_is_resampled_ratio_by_ratio(method: str) -> None:
    """Rankings that are normalised position by position have one ratio a position."""
    rng = np.random.default_rng(8)
    weight, reward = rng.gamma(1.0, 1.0, (400, 3)), rng.random((400, 3))
    cluster = np.arange(400, dtype=np.int64) // 2
    terms = Terms(weight * reward, weight)
    whole = interval(method, terms, cluster=cluster)
    drawn = rng.integers(0, 200, (1000, 200))
    sums = [
        (values.reshape(200, 2, 3).sum(axis=1))[drawn].sum(axis=1)
        for values in (terms.numerator, weight)
    ]
    expected = np.quantile((sums[0] / sums[1]).sum(axis=1), [0.025, 0.975])
    assert [whole.low, whole.high] == pytest.approx(expected, abs=0.2 * float(np.ptp(expected)))
    assert whole.low < terms.value() < whole.high
