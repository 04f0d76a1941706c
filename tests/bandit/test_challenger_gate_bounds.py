"""The gate's arithmetic: its bounds are those of the formula, and agree with each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.challenger import gate
from bandit.challenger.gate import CLIPS, STAKES, Range, Sums

RATE = 0.05
values = st.lists(st.tuples(st.floats(-5, 300), st.floats(-5, 300)), min_size=1, max_size=60)
"""What pages would have earned under either line."""


def gathered(pages: list[tuple[float, float]], times: int = 1) -> Sums:
    sums = gate.no_pages()
    for _ in range(times):
        for champion, challenger in pages:
            sums = gate.with_page(sums, np.asarray(champion), np.asarray(challenger))
    return sums


def _low_by_hand(pages: list[tuple[float, float]], margin: float, clip: int) -> float:
    """Compute the bound of the mean of b - (1 + margin) a from the pages themselves."""
    most, alpha = float(CLIPS[clip]), RATE / len(CLIPS)
    scale = most * (0.1 + 1 + margin)
    total = spread = ours = theirs = charged = 0.0
    for number, (a, b) in enumerate(pages):
        charged += (1 + margin) * max(a - most, 0.0) + max(-b, 0.0)
        a, b = min(max(a, 0.0), most), min(max(b, 0.0), most)
        predicted = [min(each / max(number, 1), 0.1 * most) for each in (ours, theirs)]
        x = b - (1 + margin) * a
        spread += ((x - predicted[1] + (1 + margin) * predicted[0]) / scale) ** 2
        total, ours, theirs = total + x, ours + a, theirs + b
    lines = [
        (
            math.log(1 / alpha)
            + math.log((j + 1) * (j + 2) * 14 / 15)
            + (-math.log(1 - stake) - stake) * spread
        )
        / stake
        for j, stake in enumerate(STAKES.tolist())
    ]
    return float(total - charged - scale * min(lines)) / len(pages)


@settings(max_examples=60)
@given(values, st.sampled_from([0.0, 0.1, 2.0]))
def test_it_promotes_where_the_formula_says_so(
    pages: list[tuple[float, float]], margin: float
) -> None:
    many = pages * 20
    lows = [_low_by_hand(many, margin, clip) for clip in range(len(CLIPS))]
    if min(map(abs, lows)) < 1e-9:
        return
    assert bool(gate.promotes(gathered(many), margin, RATE)) == (max(lows) > 0)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.floats(0.2, 3), st.floats(0.2, 3)), min_size=10, max_size=40),
    st.sampled_from([0.0, 0.25]),
)
def test_the_lift_that_is_told_is_the_one_that_promotes(
    pages: list[tuple[float, float]], margin: float
) -> None:
    """Where pages are many and alike; else bounds of neighbouring lifts need not be in order."""
    sums = gathered(pages, 40)
    lows = [gate.lift_of(sums, clip, RATE).low for clip in range(len(CLIPS))]
    best = max(low for low in lows if low is not None)
    if abs(best - margin) > 1e-6:
        assert bool(gate.promotes(sums, margin, RATE)) == (best > margin)


@settings(max_examples=60)
@given(values)
def test_estimates_lie_within_their_bounds_and_lines_change_places(
    pages: list[tuple[float, float]],
) -> None:
    sums = gathered(pages, 10)
    swapped = gathered([(b, a) for a, b in pages], 10)
    for clip in range(len(CLIPS)):
        for of_challenger in (False, True):
            told = gate.value_of(sums, clip, of_challenger=of_challenger, rate=RATE)
            other = gate.value_of(swapped, clip, of_challenger=not of_challenger, rate=RATE)
            assert told == other
            assert told.value is not None
            assert told.low is not None
            assert told.high is not None
            assert -5 <= told.low <= told.value <= told.high <= 300
    assert bool(gate.demotes(sums, RATE)) == bool(gate.promotes(swapped, 0.0, RATE))


@settings(max_examples=200)
@given(st.floats(-1, 50), st.sampled_from(STAKES.tolist()))
def test_each_step_of_a_stake_is_a_fair_bet_at_most(y: float, stake: float) -> None:
    """exp(λy - ψ(λ)y²) <= 1 + λy for all y >= -1 (Fan, Grama and Liu, 2015)."""
    drift = -math.log(1 - stake) - stake
    assert math.exp(stake * y - drift * y * y) <= 1 + stake * y + 1e-12


def test_nothing_is_known_of_no_pages() -> None:
    none = gate.no_pages()
    assert not gate.promotes(none, 0.0, RATE)
    assert not gate.demotes(none, RATE)
    assert gate.lift_of(none, 0, RATE) == Range(None, None, None)
    assert gate.value_of(none, 0, of_challenger=True, rate=RATE) == Range(None, None, None)


def test_many_tests_at_once_are_each_by_itself() -> None:
    random = np.random.default_rng(1)
    pages = random.exponential(size=(200, 2, 5))
    together = gate.no_pages(5)
    for champion, challenger in pages:
        together = gate.with_page(together, champion, challenger + 0.5)
    for one in range(5):
        alone = gathered([(a[one], b[one] + 0.5) for a, b in pages])
        for both, single in zip(together[1:], alone[1:], strict=True):
            np.testing.assert_allclose(both[one], single)


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_a_clear_lift_passes_its_margin_and_no_other(margin: float) -> None:
    sums = gathered([(1.0, 1.3)], 5000)
    assert bool(gate.promotes(sums, margin, RATE)) == (margin < 0.3)
    told = gate.lift_of(sums, 0, RATE)
    assert told.value == pytest.approx(0.3)
    assert told.low is not None
    assert 0 < told.low < 0.3
    assert told.high is not None
    assert 0.3 < told.high < 1


def test_what_is_cut_off_the_line_that_serves_promotes_nothing() -> None:
    """Cut at 10, pages of 0 and of 30 are worth less than pages of 14; they are worth more."""
    even = gathered([(0.0, 14.0), (30.0, 14.0)], 5000)
    assert not gate.promotes(even, 0.0, RATE)
    assert not gate.demotes(gathered([(14.0, 0.0), (14.0, 30.0)], 5000), RATE)
    assert gate.promotes(gathered([(0.0, 16.0), (30.0, 16.0)], 60_000), 0.0, RATE)
    champion = gate.value_of(even, 0, of_challenger=False, rate=RATE)
    assert champion.high is not None
    assert champion.high >= 15


def test_pages_that_earn_less_than_nothing_speak_against_a_line() -> None:
    """Counted as 0, they would leave the challenger 1.2 a page where it earns 0.4."""
    pages = [(1.0, 2.0)] * 3 + [(1.0, -2.0)] * 2
    sums = gathered(pages, 3000)
    assert not gate.promotes(sums, 0.0, RATE)
    challenger = gate.value_of(sums, 0, of_challenger=True, rate=RATE)
    assert challenger.value == pytest.approx(0.4)
    assert challenger.low is not None
    assert challenger.low < 0.4
    told = gate.lift_of(sums, 0, RATE)
    assert told.value == pytest.approx(-0.6)
