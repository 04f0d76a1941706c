"""Draws happen as often as their logged probabilities say, and do not hang together.

Seeds and salts are fixed, so that each test gives the same verdict always; alpha is the chance
that a fresh salt would have failed a right implementation.
"""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from bandit import sampling
from bandit.exploration import (
    EpsilonGreedy,
    Greedy,
    Softmax,
    SquareCB,
    Strategy,
    Thompson,
    Uniform,
)
from bandit.ranking import PlackettLuce, RankingStrategy, UniformOrder
from bandit.types import FloatArray, IndexArray

ALPHA = 1e-3
DRAWS = 200_000
SALT = "fixed"

STRATEGIES: list[Strategy] = [
    Uniform(),
    Greedy(min_probability=0.02),
    EpsilonGreedy(epsilon=0.1),
    Softmax(temperature=0.1),
    SquareCB(gamma=50.0),
    Thompson(),
]


def keyed_uniforms(purpose: str, draws: int, items: int) -> FloatArray:
    """Return (draws, items) uniforms as a viewer's windows, one after the other, have them."""
    keys = sampling.item_keys([f"item-{item}" for item in range(items)])
    return np.stack(
        [
            sampling.uniforms(sampling.draw_key(SALT, purpose, "viewer-1", window), keys)
            for window in range(draws)
        ]
    )


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: type(strategy).__name__)
def test_artworks_are_drawn_as_often_as_logged(strategy: Strategy) -> None:
    scores = np.array([[0.31, 0.25, 0.33, 0.0, 0.2], [0.1, 0.1, 0.11, 0.09, 0.0]])
    eligible = np.array([[True] * 5, [True] * 4 + [False]])
    pmf = strategy.pmf(scores, eligible, np.full((2, 5), 0.1))
    per_title = DRAWS // 2
    drawn = keyed_uniforms(f"artwork-{type(strategy).__name__}", DRAWS // 10, 10)
    for title, uniforms in enumerate((drawn[:, :5].ravel(), drawn[:, 5:].ravel())):
        chosen = sampling.choose(np.broadcast_to(pmf[title], (per_title, 5)), uniforms)
        counts = np.bincount(chosen, minlength=5)
        possible = pmf[title] > 0
        assert counts[~possible].sum() == 0
        test = stats.chisquare(counts[possible], pmf[title, possible] * per_title)
        assert test.pvalue > ALPHA


def enumerated_marginals(
    strategy: RankingStrategy, scores: FloatArray, pinned: dict[int, int]
) -> FloatArray:
    """Return (position, row) probabilities, summed over all orders that keep the pins."""
    rows = len(scores)
    marginals = np.zeros((rows, rows))
    for order in permutations(range(rows)):
        if any(order[place] != row for place, row in pinned.items()):
            continue
        whole = strategy.conditional_propensities(scores, np.array(order), pinned).prod()
        marginals[np.arange(rows), order] += whole
    return marginals


@pytest.mark.parametrize(
    ("strategy", "pinned"),
    [(PlackettLuce(), {}), (PlackettLuce(), {1: 3}), (UniformOrder(), {0: 4})],
)
def test_rows_stand_at_each_position_as_often_as_enumerated(
    strategy: RankingStrategy, pinned: dict[int, int]
) -> None:
    scores = np.array([0.2, 0.25, 0.1, 0.22, 0.3])
    pages = DRAWS // len(scores)
    uniforms = keyed_uniforms("rows", pages, len(scores))
    orders: IndexArray = np.stack([strategy.rank(scores, page, pinned).order for page in uniforms])
    expected = enumerated_marginals(strategy, scores, pinned)
    for position, probabilities in enumerate(expected):
        counts = np.bincount(orders[:, position], minlength=len(scores))
        possible = probabilities > 0
        assert counts[~possible].sum() == 0
        if possible.sum() > 1:
            test = stats.chisquare(counts[possible], probabilities[possible] * pages)
            assert test.pvalue > ALPHA


def test_whole_orders_come_as_often_as_the_product_of_their_propensities() -> None:
    strategy, scores = PlackettLuce(), np.array([0.2, 0.25, 0.1, 0.22])
    uniforms = np.random.default_rng(11).uniform(size=(DRAWS, 4))
    # The order is that of noisy logits whichever way it is computed: all pages in one sort.
    noisy = (scores - scores.max()) / strategy.temperature - np.log(-np.log(uniforms))
    orders = np.argsort(-noisy, axis=1)
    for page in range(0, DRAWS, DRAWS // 200):
        assert strategy.rank(scores, uniforms[page], {}).order.tolist() == orders[page].tolist()
    counted = Counter(map(tuple, orders.tolist()))
    possible = list(permutations(range(4)))
    expected = [
        strategy.conditional_propensities(scores, np.array(order), {}).prod() * DRAWS
        for order in possible
    ]
    assert stats.chisquare([counted[order] for order in possible], expected).pvalue > ALPHA


def test_uniforms_are_uniform_over_items_viewers_and_windows() -> None:
    over_windows = keyed_uniforms("uniform", 20_000, 1)[:, 0]
    items = sampling.item_keys([f"title-{number}" for number in range(DRAWS)])
    over_items = sampling.uniforms(sampling.draw_key(SALT, "artwork", "v", 1), items)
    over_viewers = np.concatenate(
        [
            sampling.uniforms(sampling.draw_key(SALT, "artwork", f"v{viewer}", 1), items[:1])
            for viewer in range(20_000)
        ]
    )
    for drawn in (over_windows, over_items, over_viewers):
        assert stats.kstest(drawn, "uniform").pvalue > ALPHA


def test_uniforms_are_uniform_over_structured_keys() -> None:
    # Counting keys, the worst that item keys and draw keys could be.
    counting = np.arange(DRAWS, dtype=np.uint64)
    assert stats.kstest(sampling.uniforms(1, counting), "uniform").pvalue > ALPHA
    low_bits = (sampling.uniforms(1, counting) * 2.0**40).astype(np.int64) % 64
    assert stats.chisquare(np.bincount(low_bits, minlength=64)).pvalue > ALPHA


def independent(first: FloatArray, second: FloatArray) -> bool:
    """Tell whether two draws of 8 equally likely candidates pass as independent."""
    table = np.zeros((8, 8))
    np.add.at(table, ((first * 8).astype(np.intp), (second * 8).astype(np.intp)), 1)
    return bool(stats.chi2_contingency(table).pvalue > ALPHA)


def draws_of(who: str, window: int, purpose: str = "artwork", salt: str = SALT) -> FloatArray:
    items = sampling.item_keys([f"title-{number}" for number in range(50_000)])
    return sampling.uniforms(sampling.draw_key(salt, purpose, who, window), items)


def test_draws_of_the_same_window_are_the_same_and_of_others_independent() -> None:
    here = draws_of("viewer-1", 5)
    np.testing.assert_array_equal(here, draws_of("viewer-1", 5))
    assert independent(here, draws_of("viewer-1", 6))
    assert independent(here, draws_of("viewer-2", 5))
    assert independent(here, draws_of("viewer-1", 5, purpose="rows"))
    assert independent(here, draws_of("viewer-1", 5, salt="other"))
    assert not independent(here, draws_of("viewer-1", 5))


def test_neighbouring_windows_and_items_of_one_viewer_are_independent() -> None:
    by_window = keyed_uniforms("serial", 20_000, 2)
    assert independent(by_window[:-1, 0], by_window[1:, 0])
    assert independent(by_window[:, 0], by_window[:, 1])


def test_shares_are_as_large_as_configured() -> None:
    viewers = 20_000
    counted = Counter(
        sampling.share_of(SALT, f"viewer-{viewer}", 0.1, 0.25) for viewer in range(viewers)
    )
    observed = [counted["holdout"], counted["explore"], counted["learned"]]
    expected = np.array([0.1, 0.25, 0.65]) * viewers
    assert stats.chisquare(observed, expected).pvalue > ALPHA


def test_shares_say_nothing_about_draws() -> None:
    viewers = [f"viewer-{number}" for number in range(20_000)]
    item = sampling.item_keys(["title-1"])
    drawn = [
        sampling.uniforms(sampling.draw_key(SALT, "artwork", who, 1), item)[0] for who in viewers
    ]
    held_out = [sampling.share_of(SALT, who, 0.3, 0.0) == "holdout" for who in viewers]
    table = np.zeros((2, 8))
    np.add.at(table, (np.array(held_out, dtype=np.intp), (np.array(drawn) * 8).astype(np.intp)), 1)
    assert stats.chi2_contingency(table).pvalue > ALPHA
