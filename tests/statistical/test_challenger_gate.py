"""The gate promotes what is better within a stated number of pages, and what is not hardly ever.

1,000 seeded repetitions each, looked at after every 25 pages. A page is a viewer who sees six
titles of four artworks each; how lively viewers are, and what they like, is common to a page's
titles. The line that serves chooses one artwork with probability 0.85 and any other with 0.05, and
one page in twenty is uniform: what the other line would choose is rare in the log, as in life, so
that weights go up to 17. Rewards are 0 for most titles, and 0.2, 0.75 or 1 for the others.

The rate that is stated is 5 % over all looks. To see that the world is a trial at all, a test at
5 % that is fit for one look alone is run beside on the same pages, and is wrong far more often.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bandit.challenger import gate
from bandit.challenger.gate import Sums
from bandit.types import BoolArray, FloatArray, IndexArray

REPETITIONS = 1000
RATE = 0.05
LOOK_EVERY = 25
DECISIONS_MIN = 500
TITLES, ARTWORKS = 6, 4
MAIN, REST = 0.85, 0.05
EXPLORE = 0.05
PLAYS = 0.12
LIVELINESS = 0.5
SERVED, OTHER = 0, 1
"""The artworks that the serving line and the other line prefer."""


class Visit(NamedTuple):
    """What was drawn for a viewer, and what he is like."""

    artwork: IndexArray
    probability: FloatArray
    """With which it was logged."""
    lively: FloatArray
    sign: FloatArray
    """Of his taste."""


class Run(NamedTuple):
    """What became of the repetitions."""

    moved_at: FloatArray
    """The page at which the gate asked for the other line; inf where it never did."""
    naive: BoolArray
    """Whether a test for a single look would have, at any of them."""
    sums: Sums


def run(
    lift: float,
    *,
    pages: int,
    seed: int,
    promoted: bool = False,
    taste: float = 0.0,
    later: float | None = None,
    returns: int = 1,
) -> Run:
    """Let the line that does not serve be better by ``lift`` wherever its artwork is shown.

    ``later`` is its lift in the second half of the pages. ``taste`` is how far the two artworks'
    worth differs between viewers, with no difference over all. With ``promoted`` the challenger
    serves, and the champion may come back. Each viewer is shown ``returns`` pages with the same
    artworks, as within one window of stickiness.
    """
    random = np.random.default_rng(seed)
    sums = gate.no_pages(REPETITIONS)
    moved_at = np.full(REPETITIONS, np.inf)
    naive = np.zeros(REPETITIONS, np.bool_)
    total, squares = np.zeros(REPETITIONS), np.zeros(REPETITIONS)
    for page in range(1, pages + 1):
        now = lift if later is None or 2 * page <= pages else later
        if page % returns == 1 % returns:
            visit = _visit(random)
        serving, other = _page(random, visit, now, taste)
        ours, theirs = (other, serving) if promoted else (serving, other)
        sums = gate.with_page(sums, ours, theirs)
        total += other - serving
        squares += (other - serving) ** 2
        if page % LOOK_EVERY or page < DECISIONS_MIN:
            continue
        asked = gate.demotes(sums, RATE) if promoted else gate.promotes(sums, 0.0, RATE)
        moved_at = np.where((asked > 0) & np.isinf(moved_at), page, moved_at)
        naive |= total > 1.645 * np.sqrt(np.maximum(squares - total**2 / page, 1e-9))
        if np.isfinite(moved_at).all():
            break
    return Run(moved_at, naive, sums)


def _visit(random: np.random.Generator) -> Visit:
    shape = (REPETITIONS, TITLES)
    uniform = random.random((REPETITIONS, 1)) < EXPLORE
    drawn = random.random(shape)
    main = drawn < MAIN
    artwork = np.where(main, SERVED, 1 + ((drawn - MAIN) / REST).astype(np.intp))
    artwork = np.where(uniform, random.integers(ARTWORKS, size=shape), artwork)
    probability = np.where(uniform, 1 / ARTWORKS, np.where(artwork == SERVED, MAIN, REST))
    lively = np.exp(LIVELINESS * random.standard_normal((REPETITIONS, 1)) - LIVELINESS**2 / 2)
    sign = np.where(random.random((REPETITIONS, 1)) < 0.5, 1.0, -1.0)
    return Visit(artwork, probability, lively, sign)


def _page(
    random: np.random.Generator, visit: Visit, lift: float, taste: float
) -> tuple[FloatArray, FloatArray]:
    """Return what a page would have earned under the serving line and under the other one."""
    artwork, probability, lively, sign = visit
    shape = artwork.shape
    worth = np.where(artwork == OTHER, (1 + lift) * (1 + taste * sign), 1.0)
    worth = np.where(artwork == SERVED, 1 - taste * sign, worth)
    plays = random.random(shape) < np.minimum(PLAYS * lively * worth, 1.0)
    reward = plays * random.choice([0.2, 0.75, 1.0], size=shape)
    serving = np.where(artwork == SERVED, MAIN, REST) / probability
    other = np.where(artwork == OTHER, MAIN, REST) / probability
    return (serving * reward).sum(axis=1), (other * reward).sum(axis=1)


def test_one_twice_as_good_is_promoted_within_4500_pages() -> None:
    found = run(1.0, pages=4500, seed=1)
    assert np.isfinite(found.moved_at).all()
    assert np.median(found.moved_at) <= 2000


def test_one_no_better_is_hardly_ever_promoted() -> None:
    """Half of the viewers like its artwork better, half of them less: as noisy as may be."""
    found = run(0.0, pages=2500, seed=2, taste=0.8)
    assert np.isfinite(found.moved_at).mean() <= RATE
    assert found.naive.mean() > 2 * RATE, "this is no trial"


def test_viewers_who_return_within_a_window_of_stickiness_do_not_break_the_rate() -> None:
    """Ten pages with one draw are not ten pages; 30 would be too many."""
    found = run(0.0, pages=2500, seed=8, taste=0.8, returns=10)
    assert np.isfinite(found.moved_at).mean() <= RATE


def test_a_worse_one_is_hardly_ever_promoted() -> None:
    found = run(-0.3, pages=2500, seed=3)
    assert np.isfinite(found.moved_at).mean() <= RATE


def test_one_that_was_worse_and_is_better_has_to_make_up_for_it() -> None:
    """Over all its pages it is never better, however often one looks while it gets better."""
    found = run(-0.6, later=0.6, pages=2500, seed=4)
    assert np.isfinite(found.moved_at).mean() <= RATE


def test_a_promoted_one_that_is_no_worse_is_hardly_ever_demoted() -> None:
    found = run(0.0, pages=2500, seed=5, taste=0.8, promoted=True)
    assert np.isfinite(found.moved_at).mean() <= RATE


def test_a_promoted_one_that_fell_to_half_is_demoted_within_4500_pages() -> None:
    found = run(1.0, pages=4500, seed=6, promoted=True)
    assert np.isfinite(found.moved_at).all()


def test_lines_that_give_the_same_differ_by_nothing() -> None:
    random = np.random.default_rng(7)
    sums = gate.no_pages(REPETITIONS)
    for _ in range(500):
        value = random.exponential(size=REPETITIONS)
        sums = gate.with_page(sums, value, value)
    assert not gate.promotes(sums, 0.0, RATE).any()
    assert not gate.demotes(sums, RATE).any()
