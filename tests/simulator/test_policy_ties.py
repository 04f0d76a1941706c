"""Of equals any is taken, with the probability that is told; what is better always comes first."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from simulator.environments.carousel import Carousel, CarouselSettings
from simulator.loop import run
from simulator.policies.orders import Scores, best_order
from simulator.policies.registry import make_policy
from simulator.policies.ties import (
    best_in_turn,
    best_placements,
    best_pmf,
    draw_best,
    draw_best_order,
)
from tests.simulator.environment_cases import deezer, deezer_like

NONE = -np.inf
DRAWS = 30_000
TOLERANCE = 5 * np.sqrt(0.25 / DRAWS)
"""Of a frequency; alpha 1e-6 a comparison."""


@pytest.mark.parametrize(
    "scores",
    [
        [0.5, 0.5, 0.5, 0.5, 0.5],
        [0.1, 0.7, 0.1, 0.7, 0.1],
        [0.9, 0.1, NONE, 0.1, 0.1],
        [0.3, 0.3, NONE, NONE, NONE],
        [0.1, 0.2, 0.3, 0.4, 0.5],
    ],
)
@pytest.mark.parametrize("alike", [True, False])
def test_orders_come_as_often_as_they_are_told_to(scores: list[float], alike: bool) -> None:
    table = np.array([scores]) if alike else np.tile(scores, (DRAWS, 1))
    order, probability = draw_best_order(table, 3, DRAWS, np.random.default_rng(1))
    counts = Counter(map(tuple, order.tolist()))
    total = 0.0
    for top in permutations(range(5), min(3, int(np.isfinite(scores).sum()))):
        padded = (*top, *[-1] * (3 - len(top)))
        told = float(best_in_turn(np.array([scores]), np.array([padded], np.int32)).prod())
        assert counts[padded] / DRAWS == pytest.approx(told, abs=TOLERANCE if told < 1 else 0)
        total += told
    assert total == pytest.approx(1)
    np.testing.assert_allclose(probability, best_in_turn(table, order), atol=1e-12)


def mixed_scores(rows: int) -> Scores:
    """Return scores with ties on some pages, none on others, and gaps."""
    rng = np.random.default_rng(rows)
    scores = rng.integers(0, 8, (200, rows)).astype(np.float32)
    scores[:50] = rng.random((50, rows))
    scores[60:80, rows // 3 :] = NONE
    scores[80, 2:] = NONE
    scores[81] = NONE
    return scores


@pytest.mark.parametrize("rows", [9, 64, 100])
def test_every_page_has_its_best_scores_in_turn(rows: int) -> None:
    scores = mixed_scores(rows)
    order, probability = draw_best_order(scores, 7, 200, np.random.default_rng(2))
    first = best_order(scores, 7)
    np.testing.assert_array_equal(order >= 0, first >= 0)
    for page, (drawn, asked) in enumerate(zip(order, first, strict=True)):
        there = drawn[drawn >= 0]
        assert len(set(there.tolist())) == len(there)
        np.testing.assert_array_equal(scores[page, there], scores[page, asked[asked >= 0]])
    np.testing.assert_allclose(probability, best_in_turn(scores, order), atol=1e-12)
    # Where nothing is equal, nothing is drawn.
    np.testing.assert_array_equal(order[:50], first[:50])
    assert (probability[:50] == 1).all()


def test_what_could_not_come_about_has_probability_zero_there() -> None:
    scores = np.array([[3.0, 2.0, 2.0, 1.0]])
    order = np.array([[1, 0, 2], [0, 2, 1], [0, 3, 1]], np.int32)
    expected = np.array([[0.0, 1.0, 1.0], [1.0, 0.5, 1.0], [1.0, 0.0, 0.5]])
    np.testing.assert_allclose(best_in_turn(np.tile(scores, (3, 1)), order), expected)


def test_placements_of_equals_share_their_places() -> None:
    scores = np.array([[1.0, 3.0, 1.0, 1.0, NONE]])
    expected = np.array([[0, 3, 0, 0, 0], [1, 0, 1, 1, 0], [1, 0, 1, 1, 0]]) / 3
    np.testing.assert_allclose(best_placements(scores, 3)[0], expected)
    np.testing.assert_allclose(best_placements(scores, 5)[0, 4], 0)


def test_the_best_of_a_set_comes_as_often_as_it_is_told_to() -> None:
    sets = np.array([[0.2, 0.9, 0.9, NONE], [0.4, 0.3, 0.2, 0.1], [0.5] * 4, [NONE] * 4])
    scores = np.tile(sets, (DRAWS, 1, 1))
    chosen, probability = draw_best(scores, np.random.default_rng(3))
    assert chosen.shape == probability.shape == (DRAWS, 4)
    often = (chosen[:, :3, None] == np.arange(4)).mean(axis=0)
    pmf = best_pmf(sets)
    np.testing.assert_allclose(often, pmf[:3], atol=TOLERANCE)
    np.testing.assert_allclose(pmf[3], 0)
    np.testing.assert_array_equal(probability[:, :3], np.tile([0.5, 1.0, 0.25], (DRAWS, 1)))


@pytest.mark.parametrize("name", ["popularity", "linucb-disjoint", "segment-greedy"])
def test_a_first_batch_shows_all_that_nobody_knows(name: str) -> None:
    playlists = deezer_like()
    world = Carousel(1200, 600, CarouselSettings(slots=6), data=playlists)
    first, _ = run(world, make_policy(name), 1)
    shown = np.bincount(first.served.order.ravel(), minlength=len(world.document.rows))
    expected = shown.mean()
    # Poisson at most; alpha below 1e-6 over all playlists.
    assert np.abs(shown - expected).max() < 6 * np.sqrt(expected)
    assert first.served.order_propensities[:, 0] == pytest.approx(1 / len(shown))


def test_popularity_learns_from_a_whole_batch_of_what_nobody_knew() -> None:
    """On the real data, whose 862 playlists are mostly unseen before the first batch is over."""
    world = Carousel(12_000, 4_000, CarouselSettings(users="synthetic"), data=deezer())
    first, *later = run(world, make_policy("popularity"), 1)
    uniform = first.displays.reward.sum() / first.pages.size
    for one in later:
        assert one.displays.reward.sum() / one.pages.size > 2 * uniform
