"""The fast bootstrap is the bootstrap: its resampled sums against naive resampling.

Seeds are fixed; alpha is the chance that a fresh seed would fail a right implementation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from bandit.types import FloatArray
from simulator.intervals import resampling
from simulator.intervals.poisson_counts import BITS_LAW, COUNT_END, STEP, THREE, Counter, mark_rates
from simulator.intervals.resampling import resampled_sums

ALPHA = 1e-3
UNITS = 6000
"""Past ``INDEX_MAX``, so that counts are drawn."""
RESAMPLES = 2000

Columns = list[FloatArray]


def _heavy(rng: np.random.Generator) -> Columns:
    """One column, all distinct, of the shape that importance weights have."""
    return [rng.lognormal(0.0, 1.5, UNITS)]


def _mostly_zero(rng: np.random.Generator) -> Columns:
    return [rng.lognormal(0.0, 1.0, UNITS) * (rng.random(UNITS) < 0.02)]


def _clicks_and_weights(rng: np.random.Generator) -> Columns:
    """A self-normalised estimator's: strata of no weight, no click, a click."""
    weight = rng.gamma(1.0, 1.0, UNITS) * (rng.random(UNITS) < 0.9)
    return [weight * (rng.random(UNITS) < 0.3), weight]


def _real_rewards(rng: np.random.Generator) -> Columns:
    weight = rng.gamma(2.0, 0.5, UNITS)
    return [weight * rng.normal(0.3, 1.0, UNITS), weight]


def _with_model(rng: np.random.Generator) -> Columns:
    weight = rng.gamma(2.0, 0.5, UNITS)
    return [rng.random(UNITS), weight * rng.normal(0.0, 1.0, UNITS), weight]


def _few_distinct(rng: np.random.Generator) -> Columns:
    weight = rng.choice([0.0, 0.3, 1.0, 4.0], UNITS)
    return [weight * (rng.random(UNITS) < 0.3), weight]


SHAPES: dict[str, Callable[[np.random.Generator], Columns]] = {
    "heavy": _heavy,
    "mostly_zero": _mostly_zero,
    "clicks_and_weights": _clicks_and_weights,
    "real_rewards": _real_rewards,
    "with_model": _with_model,
    "few_distinct": _few_distinct,
}
ONE_COLUMN = {"heavy", "mostly_zero"}


def _naive(columns: Columns, resamples: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    units = len(columns[0])
    sums = np.empty((len(columns), resamples))
    for number in range(resamples):
        drawn = rng.integers(0, units, units)
        sums[:, number] = [column[drawn].sum() for column in columns]
    return sums


@pytest.fixture(params=SHAPES, scope="module")
def both(request: pytest.FixtureRequest) -> tuple[Columns, FloatArray, FloatArray]:
    """Columns, our sums, and naively resampled ones."""
    columns = SHAPES[request.param](np.random.default_rng(1))
    ours = resampled_sums(columns, resamples=RESAMPLES, seed=2)
    return columns, ours, _naive(columns, RESAMPLES, 3)


def test_resampled_sums_have_the_exact_mean_and_variance(
    both: tuple[Columns, FloatArray, FloatArray],
) -> None:
    columns, ours, _ = both
    for column, sums in zip(columns, ours, strict=True):
        spread = float(column.std()) * UNITS**0.5
        z = (sums.mean() - column.sum()) / (spread / RESAMPLES**0.5)
        assert abs(z) < stats.norm.isf(ALPHA / 2)
        # a variance of R sums of many terms is a scaled chi-square
        ratio = sums.var(ddof=1) / spread**2 * (RESAMPLES - 1)
        low, high = stats.chi2.ppf([ALPHA / 2, 1 - ALPHA / 2], RESAMPLES - 1)
        assert low < ratio < high


def test_resampled_sums_are_distributed_as_naive_ones(
    both: tuple[Columns, FloatArray, FloatArray],
) -> None:
    _, ours, naive = both
    for one, other in zip(ours, naive, strict=True):
        assert stats.ks_2samp(one, other).pvalue > ALPHA


@pytest.mark.parametrize("both", sorted(SHAPES.keys() - ONE_COLUMN), indirect=True)
def test_columns_are_resampled_together(both: tuple[Columns, FloatArray, FloatArray]) -> None:
    _, ours, naive = both
    with np.errstate(invalid="ignore"):
        assert stats.ks_2samp(ours[-2] / ours[-1], naive[-2] / naive[-1]).pvalue > ALPHA
        assert np.allclose(np.corrcoef(ours), np.corrcoef(naive), atol=0.1)


@pytest.mark.parametrize("shape", SHAPES)
def test_any_number_of_threads_gives_the_same_bits(shape: str) -> None:
    columns = SHAPES[shape](np.random.default_rng(1))
    one, two, four = (
        resampled_sums(columns, resamples=300, seed=9, threads=threads) for threads in (1, 2, 4)
    )
    assert (one == two).all()
    assert (one == four).all()


def test_another_seed_gives_other_sums_and_no_block_repeats() -> None:
    columns = _heavy(np.random.default_rng(1))
    one = resampled_sums(columns, resamples=300, seed=9)
    assert not np.isin(resampled_sums(columns, resamples=300, seed=10), one).any()
    assert len(np.unique(one)) == 300


@pytest.mark.parametrize("units", [1, 2, 7, 100, 4096, 4097])
def test_every_resample_has_as_many_units_as_there_are(units: int) -> None:
    ones = np.ones(units)
    apart = np.random.default_rng(0).random(units)
    sums = resampled_sums([ones, apart, apart], resamples=70, seed=1)
    assert sums.shape == (3, 70)
    assert np.allclose(sums[0], units, rtol=1e-12)


def test_few_units_are_resampled_naively_enough() -> None:
    columns = [np.array([0.0, 1.0, 5.0])]
    sums = resampled_sums(columns, resamples=27_000, seed=4)[0]
    seen, counts = np.unique(sums, return_counts=True)
    exact: dict[float, int] = {}
    for first in (0.0, 1.0, 5.0):
        for second in (0.0, 1.0, 5.0):
            for third in (0.0, 1.0, 5.0):
                exact[first + second + third] = exact.get(first + second + third, 0) + 1000
    assert seen.tolist() == sorted(exact)
    assert stats.chisquare(counts, [exact[value] for value in seen]).pvalue > ALPHA


def test_rows_that_share_a_hash_are_still_counted_rightly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash only brings equal rows together: distinct ones are told apart by value."""
    monkeypatch.setattr(np, "argsort", lambda key: np.arange(len(key)))
    column = np.tile([1.0, 2.0, 2.0], 2000)
    values, counts = resampling._distinct([column])
    assert counts.sum() == 6000
    assert (values[0] * counts).sum() == column.sum()


@pytest.mark.parametrize("rate", [0.75, 0.9, 0.95, 0.993, 1.0])
def test_counts_follow_the_poisson_law(rate: float) -> None:
    size = 1 << 18
    counter = Counter(np.random.Generator(np.random.SFC64(5)), size)
    counts = np.zeros(COUNT_END, np.int64)
    for _ in range(16):
        counts += np.bincount(counter.draw(mark_rates(rate), size), minlength=COUNT_END)
    expected = stats.poisson.pmf(np.arange(COUNT_END), rate) * counts.sum()
    enough = expected >= 20
    seen = np.append(counts[enough], counts[~enough].sum())
    wanted = np.append(expected[enough], expected[~enough].sum())
    assert stats.chisquare(seen, wanted, sum_check=False).pvalue > ALPHA


@pytest.mark.parametrize("rate", [0.75, 0.97, 0.999, 1.0])
def test_bits_and_marks_are_an_exact_mixture(rate: float) -> None:
    """What they add up to, reckoned by hand, is the Poisson law."""
    law = np.zeros(COUNT_END)
    for value in range(16):
        law[value // int(STEP) + (value == THREE)] += 1 / 16
    assert law[: len(BITS_LAW)].tolist() == BITS_LAW.tolist()
    for count, marks in enumerate(mark_rates(rate)):
        marked = 1 - np.exp(-marks)
        law *= 1 - marked
        law[count] += marked
    assert np.abs(law - stats.poisson.pmf(np.arange(COUNT_END), rate)).max() < 1e-12


def test_resamples_that_got_too_many_draws_are_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no margin half of all resamples overshoot; their sums are still the bootstrap's."""
    monkeypatch.setattr(resampling, "MARGIN_DEVIATIONS", 0.0)
    columns = [np.ones(UNITS), _heavy(np.random.default_rng(1))[0], np.zeros(UNITS)]
    sums = resampled_sums(columns, resamples=1000, seed=6)
    assert np.allclose(sums[0], UNITS, rtol=1e-12)
    naive = _naive(columns, 1000, 7)
    assert stats.ks_2samp(sums[1], naive[1]).pvalue > ALPHA
