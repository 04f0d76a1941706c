"""Each interval against its formula, reckoned another way."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import optimize, stats

from bandit.types import FloatArray
from simulator.errors import EstimationError, NoOverlapError, NotApplicableError
from simulator.intervals import (
    INTERVALS,
    Bounds,
    doubly_robust_bounds,
    importance_bounds,
    interval,
    sequence_path,
)
from simulator.terms import Terms
from tests.simulator.interval_terms import WEIGHT_MAX, draw_rounds

IPS_BOUNDS = importance_bounds(WEIGHT_MAX)
ROUNDS = draw_rounds(np.random.default_rng(3), 400)


def test_bounds_follow_from_the_largest_weight() -> None:
    assert importance_bounds(5.0) == Bounds(0.0, 5.0, 5.0, 0.0, 1.0)
    assert importance_bounds(5.0, -1.0, 2.0) == Bounds(-5.0, 10.0, 5.0, -1.0, 2.0)
    assert doubly_robust_bounds(5.0) == Bounds(-5.0, 6.0, 5.0, 0.0, 1.0)


def test_normal_is_the_mean_with_students_quantile() -> None:
    terms = ROUNDS.ips()
    found = interval("normal", terms, level=0.9)
    low, high = stats.t.interval(0.9, 399, terms.numerator.mean(), stats.sem(terms.numerator))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert found.level == 0.9


def test_normal_of_a_ratio_is_the_delta_methods() -> None:
    terms = ROUNDS.snips()
    assert terms.denominator is not None
    ratio = terms.value()
    residual = (terms.numerator - ratio * terms.denominator) / terms.denominator.mean()
    reach = stats.t.ppf(0.975, 399) * residual.std(ddof=1) / math.sqrt(400)
    found = interval("normal", terms)
    assert (found.low, found.high) == pytest.approx((ratio - reach, ratio + reach), rel=1e-12)


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "sndr"])
def test_bootstrap_and_normal_agree_on_many_rounds(name: str) -> None:
    terms: Terms = getattr(draw_rounds(np.random.default_rng(5), 20_000), name)()
    normal, bootstrap = interval("normal", terms), interval("bootstrap", terms, resamples=4000)
    assert bootstrap.high - bootstrap.low == pytest.approx(normal.high - normal.low, rel=0.06)
    assert bootstrap.low == pytest.approx(normal.low, abs=0.06 * (normal.high - normal.low))


def test_bernstein_and_hoeffding_are_their_formulas() -> None:
    terms = ROUNDS.ips()
    scaled, n = terms.numerator / 2, 400
    log = math.log(4 / 0.05)
    reach = math.sqrt(2 * scaled.var(ddof=1) * log / n) + 7 * log / (3 * (n - 1))
    found = interval("bernstein", terms, bounds=IPS_BOUNDS)
    assert found.low == pytest.approx(max(0, 2 * (scaled.mean() - reach)))
    assert found.high == pytest.approx(2 * (scaled.mean() + reach))
    reach = math.sqrt(math.log(2 / 0.05) / (2 * n))
    found = interval("hoeffding", terms, bounds=IPS_BOUNDS)
    assert (found.low, found.high) == pytest.approx(
        (2 * (scaled.mean() - reach), 2 * (scaled.mean() + reach))
    )


@pytest.mark.parametrize(("clicks", "rounds"), [(0, 20), (3, 20), (20, 20)])
def test_clopper_pearson_is_scipys_exact_interval(clicks: int, rounds: int) -> None:
    terms = Terms(np.repeat([1.0, 0.0], [clicks, rounds - clicks]))
    found = interval("clopper-pearson", terms)
    exact = stats.binomtest(clicks, rounds).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_clopper_pearson_counts_replays_matches() -> None:
    match = np.array([1.0, 0, 1, 1, 0, 1])
    found = interval("clopper-pearson", Terms(np.array([1.0, 0, 0, 1, 0, 0]), match))
    exact = stats.binomtest(2, 4).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-12)
    with pytest.raises(NoOverlapError):
        interval("clopper-pearson", Terms(np.zeros(3), np.zeros(3)))


def _likelihood_low(
    term: FloatArray, weight: FloatArray | None, level: float, added: list[tuple[float, float]]
) -> float:
    """Minimise Σ q x numerically, over reweightings within the divergence."""
    quantile = stats.f.ppf(level, 1, len(term) - 1)
    ends, costs, setups = [], [0.0] if weight is None else [], []
    for extra_weight, extra_term in added:
        x = np.append(term, extra_term)
        rows = [np.ones(len(x))]
        if weight is not None:
            rows.append(np.append(weight, extra_weight))
        a = np.stack(rows)
        target = np.zeros(len(rows))
        if weight is not None:
            target[1] = len(x) - a[1].sum()
            least = np.linalg.pinv(a) @ target
            costs.append(float(least @ least))
        setups.append((x, a, target))
    for x, a, target in setups:
        budget = quantile + min(costs)
        start = np.linalg.pinv(a) @ target
        if start @ start > budget * (1 + 1e-9):
            continue
        found = optimize.minimize(
            lambda e, x=x: e @ x / len(x),
            start,
            jac=lambda _, x=x: x / len(x),
            method="SLSQP",
            constraints=[
                {"type": "eq", "fun": lambda e, a=a, t=target: a @ e - t, "jac": lambda _, a=a: a},
                {"type": "ineq", "fun": lambda e, b=budget: b - e @ e, "jac": lambda e: -2 * e},
            ],
            options={"maxiter": 500, "ftol": 1e-14},
        )
        ends.append(float(x.mean() + found.fun))
    return min(ends)


def test_cressie_read_is_the_numerical_optimum() -> None:
    rounds = draw_rounds(np.random.default_rng(8), 30)
    terms = rounds.snips()
    found = interval("cressie-read", terms, bounds=IPS_BOUNDS)
    added = [(0.0, 0.0), (WEIGHT_MAX, 0.0)]
    low = _likelihood_low(terms.numerator, rounds.weight, 0.95, added)
    added = [(0.0, 0.0), (WEIGHT_MAX, -WEIGHT_MAX)]
    high = -_likelihood_low(-terms.numerator, rounds.weight, 0.95, added)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)


def test_cressie_read_without_weights_is_the_numerical_optimum() -> None:
    rounds = draw_rounds(np.random.default_rng(8), 30)
    terms = rounds.dr()
    bounds = doubly_robust_bounds(WEIGHT_MAX)
    found = interval("cressie-read", terms, bounds=bounds)
    plain = terms.influence()
    low = _likelihood_low(plain, None, 0.95, [(0.0, bounds.term_low)])
    high = -_likelihood_low(-plain, None, 0.95, [(0.0, -bounds.term_high)])
    assert (found.low, found.high) == pytest.approx((max(low, 0.0), min(high, 1.0)), abs=1e-6)


def test_cressie_read_without_the_largest_weight_holds_for_all_and_says_so() -> None:
    terms = ROUNDS.snips()
    told = interval("cressie-read", terms, bounds=IPS_BOUNDS._replace(weight_max=None))
    for most in (WEIGHT_MAX, 10.0, 100.0, 1e4):
        known = interval("cressie-read", terms, bounds=importance_bounds(most))
        assert told.low <= known.low + 1e-3
        assert told.high >= known.high - 1e-3
        assert "unbounded" not in known.note
    tight = interval("cressie-read", terms, bounds=IPS_BOUNDS)
    assert told.high - told.low > 1.1 * (tight.high - tight.low)
    assert "unbounded" in told.note


def test_cressie_read_makes_use_of_the_weights_mean() -> None:
    """Where rewards are all alike, the value is known, whatever the weights were."""
    weight = ROUNDS.weight
    found = interval("cressie-read", Terms(0.4 * weight, weight), bounds=IPS_BOUNDS)
    plain = interval("normal", Terms(0.4 * weight))
    assert found.high - found.low < 0.4 * (plain.high - plain.low)


def _excluded(scaled: FloatArray, mean: float, alpha: float) -> bool:
    """Follow both gamblers of the hedged capital process, stake by stake and round by round."""
    powers = range(6, -11, -1)
    share = {power: 1 / ((abs(power) + 1) * (abs(power) + 2)) for power in powers}
    total = sum(share.values())
    above, below = ({power: share[power] / total for power in powers} for _ in range(2))
    for x in scaled.tolist():
        for power in powers:
            above[power] *= 1 + min(2.0**power, 0.9 / mean) * (x - mean)
            below[power] *= 1 + min(2.0**power, 0.9 / (1 - mean)) * (mean - x)
        if max(sum(above.values()), sum(below.values())) >= 2 / alpha:
            return True
    return False


def test_a_sequence_excludes_just_what_the_gamblers_exclude() -> None:
    terms = ROUNDS.ips()
    found = interval("sequence", terms, bounds=IPS_BOUNDS)
    scaled = terms.numerator / 2
    for end, outward in ((found.low, -1), (found.high, 1)):
        assert not _excluded(scaled, (end - outward * 1e-6) / 2, 0.05)
        assert _excluded(scaled, (end + outward * 1e-6) / 2, 0.05)


def test_a_path_narrows_to_the_sequences_interval() -> None:
    terms = ROUNDS.ips()
    path = sequence_path(terms, bounds=IPS_BOUNDS)
    found = interval("sequence", terms, bounds=IPS_BOUNDS)
    assert path.rounds.tolist() == list(range(1, 401))
    assert (np.diff(path.low) >= 0).all()
    assert (np.diff(path.high) <= 0).all()
    assert (path.low[-1], path.high[-1]) == pytest.approx((found.low, found.high), abs=1e-9)
    for count in (50, 137, 300):
        part = interval("sequence", Terms(terms.numerator[:count]), bounds=IPS_BOUNDS)
        assert path.low[count - 1] <= part.low + 1e-9
        assert path.high[count - 1] >= part.high - 1e-9
        assert path.low[count - 1] == pytest.approx(part.low, abs=0.05)
        assert path.high[count - 1] == pytest.approx(part.high, abs=0.05)


@pytest.mark.parametrize("count", [400, 3000])
@pytest.mark.parametrize("rare", [False, True])
def test_a_sequence_is_narrower_than_bernstein_though_it_holds_at_every_moment(
    rare: bool, count: int
) -> None:
    rng = np.random.default_rng(12)
    terms, bounds = draw_rounds(rng, count).ips(), IPS_BOUNDS
    if rare:
        terms, bounds = (
            Terms(np.where(rng.random(count) < 0.01, 30.0, 0.0)),
            importance_bounds(30.0),
        )
    sequence, bernstein = (
        interval(name, terms, bounds=bounds) for name in ("sequence", "bernstein")
    )
    assert sequence.high - sequence.low < bernstein.high - bernstein.low


def test_sequences_of_terms_at_the_edge_stay_within_the_range() -> None:
    for value in (0.0, 2.0):
        found = interval("sequence", Terms(np.full(300, value)), bounds=IPS_BOUNDS)
        assert 0 <= found.low < found.high <= 2
        assert found.low <= value <= found.high
    path = sequence_path(Terms(np.zeros(5)), bounds=IPS_BOUNDS)
    assert (path.low == 0).all()


def test_a_sequence_that_excluded_every_mean_says_so() -> None:
    drifting = Terms(np.repeat([0.2, 1.8], 400))
    found = interval("sequence", drifting, bounds=IPS_BOUNDS)
    assert found.low < found.high
    assert "the mean changed" in found.note


def test_intervals_widen_with_their_level() -> None:
    for name, spec in INTERVALS.items():
        if name == "clopper-pearson":
            continue
        bounds = IPS_BOUNDS if spec.needs_bounds else None
        widths = []
        for level in (0.9, 0.95, 0.99):
            found = interval(name, ROUNDS.ips(), level=level, bounds=bounds)
            assert found.method == name
            assert found.low <= ROUNDS.ips().value() <= found.high
            widths.append(found.high - found.low)
        assert all(one < other for one, other in pairwise(widths)), name


@pytest.mark.parametrize("name", [name for name, spec in INTERVALS.items() if spec.needs_bounds])
def test_intervals_that_need_the_true_range_refuse_without_it(name: str) -> None:
    with pytest.raises(NotApplicableError) as refused:
        interval(name, ROUNDS.ips())
    assert "largest weight" in refused.value.hint
    with pytest.raises(NotApplicableError, match="outside the range"):
        interval(name, ROUNDS.ips(), bounds=importance_bounds(1.5))


@pytest.mark.parametrize("name", ["bernstein", "hoeffding", "sequence"])
def test_self_normalised_terms_are_refused_where_they_are_no_mean(name: str) -> None:
    with pytest.raises(NotApplicableError, match="self-normalised") as refused:
        interval(name, ROUNDS.snips(), bounds=IPS_BOUNDS)
    assert "bootstrap" in refused.value.hint


@pytest.mark.parametrize(
    "name", [name for name, spec in INTERVALS.items() if spec.of_statistic is None]
)
def test_clusters_are_refused_where_rounds_must_be_independent(name: str) -> None:
    with pytest.raises(NotApplicableError, match="viewer"):
        interval(name, ROUNDS.ips(), bounds=IPS_BOUNDS, cluster=np.zeros(400, np.int64))


def test_cressie_read_refuses_weights_that_are_none() -> None:
    bounds = importance_bounds(80.0)
    match = (np.random.default_rng(1).random(5000) < 1 / 80).astype(np.float64)
    with pytest.raises(NotApplicableError, match="average 1"):
        interval("cressie-read", Terms(0 * match, match), bounds=bounds)
    with pytest.raises(NotApplicableError, match="above the"):
        interval("cressie-read", ROUNDS.snips(), bounds=importance_bounds(1.5))
    with pytest.raises(NotApplicableError, match="reward model"):
        interval("cressie-read", ROUNDS.sndr(), bounds=IPS_BOUNDS._replace(weight_max=None))


def test_clopper_pearson_refuses_weights() -> None:
    for terms in (ROUNDS.ips(), ROUNDS.snips(), Terms(np.ones(3), None, np.ones(3))):
        with pytest.raises(NotApplicableError, match="0 and 1"):
            interval("clopper-pearson", terms)


@pytest.mark.parametrize("name", ["normal", "bootstrap", "cressie-read"])
def test_no_overlap_is_said_and_not_a_nan(name: str) -> None:
    empty = Terms(np.zeros(10), np.zeros(10))
    with pytest.raises((NoOverlapError, NotApplicableError)):
        interval(name, empty, bounds=importance_bounds(2.0))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(EstimationError, match="no interval 'gaussian'") as refused:
        interval("gaussian", ROUNDS.ips())
    assert "clopper-pearson" in refused.value.hint
    with pytest.raises(EstimationError, match="level"):
        interval("normal", ROUNDS.ips(), level=95)
    with pytest.raises(EstimationError, match="resamples"):
        interval("bootstrap", ROUNDS.ips(), resamples=0)
    with pytest.raises(EstimationError, match="cluster"):
        interval("normal", ROUNDS.ips(), cluster=np.zeros(3, np.int64))
    with pytest.raises(NotApplicableError, match="empty"):
        interval("hoeffding", ROUNDS.ips(), bounds=Bounds(1.0, 1.0, None))
    one, none = Terms(np.ones(1)), Terms(np.empty(0))
    for name in ("normal", "bernstein", "cressie-read"):
        with pytest.raises(NotApplicableError):
            interval(name, one, bounds=IPS_BOUNDS)
    for name in ("hoeffding", "sequence", "bootstrap"):
        with pytest.raises(NotApplicableError):
            interval(name, none, bounds=IPS_BOUNDS)


@pytest.mark.parametrize("value", [0.0, 0.3])
@pytest.mark.parametrize("name", ["normal", "bootstrap"])
def test_an_interval_of_no_width_says_that_this_is_no_proof(name: str, value: float) -> None:
    weight = draw_rounds(np.random.default_rng(3), 400).weight
    clusters = np.repeat(np.arange(100), 4)
    for found in (
        interval(name, Terms(weight * value, weight)),
        interval(name, Terms(weight * value, weight), cluster=clusters),
    ):
        assert found.high - found.low < 1e-12
        assert "does not prove" in found.note
    assert "100 clusters" in found.note
    assert "does not prove" not in interval(name, ROUNDS.snips()).note


def test_notes_tell_how_bounds_are_known() -> None:
    known = IPS_BOUNDS._replace(source="as told")
    for name in ("bernstein", "hoeffding", "sequence", "cressie-read"):
        assert interval(name, ROUNDS.ips(), bounds=known).note.endswith("0 to 2 (as told)")
        assert interval(name, ROUNDS.ips(), bounds=IPS_BOUNDS).note.endswith("0 to 2")
    assert (
        interval("cressie-read", ROUNDS.snips(), bounds=known).note == "weights up to 2 (as told)"
    )


def test_rankings_sums_are_taken_whole_and_their_many_ratios_are_refused() -> None:
    """Of terms (n, L) without denominators the value is the mean of the sums over positions."""
    rng = np.random.default_rng(4)
    weight = rng.choice([0.5, 1.5], (200, 3))
    terms = weight * (rng.random((200, 3)) < 0.3)
    bounds = importance_bounds(1.5, 0.0, 3.0)
    for name, spec in INTERVALS.items():
        if name == "clopper-pearson":
            continue
        whole = interval(name, Terms(terms.sum(axis=1)), bounds=bounds)
        assert interval(name, Terms(terms), bounds=bounds) == whole
        if spec.needs_bounds:
            with pytest.raises(NotApplicableError):
                interval(name, Terms(terms, weight), bounds=bounds)
    match = np.ones((200, 3))
    with pytest.raises(NotApplicableError):
        interval("clopper-pearson", Terms(match, match))
