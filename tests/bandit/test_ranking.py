"""Orders and their propensities, against brute-force enumeration."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from math import exp, prod

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.errors import ModelError, PageError
from bandit.ranking import GreedyOrder, PlackettLuce, Ranking, RankingStrategy, UniformOrder

STRATEGIES: list[RankingStrategy] = [
    PlackettLuce(),
    PlackettLuce(temperature=0.3, logit_range_max=2.0),
    UniformOrder(),
    GreedyOrder(),
]
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
PINS: list[dict[int, int]] = [{}, {0: 2}, {1: 0, 3: 1}, {2: 1, 9: 0}]
every_pinning = pytest.mark.parametrize("pinned", PINS, ids=repr)


def allowed_orders(rows: int, pinned: Mapping[int, int]) -> list[tuple[int, ...]]:
    """Return every whole order that keeps the pins; pins past the end take the last places."""
    places = sorted(pinned)
    return [
        order
        for order in permutations(range(rows))
        if all(
            order[min(place, rows - len(places) + rank)] == pinned[place]
            for rank, place in enumerate(places)
        )
    ]


def probability(strategy: PlackettLuce, scores: list[float], order: list[int]) -> float:
    """Return the Plackett-Luce probability of an order of unpinned rows, by its definition."""
    best = max(scores)
    weights = [
        exp(max((score - best) / strategy.temperature, -strategy.logit_range_max))
        for score in scores
    ]
    return prod(
        weights[row] / sum(weights[left] for left in order[place:])
        for place, row in enumerate(order)
    )


@every_strategy
@every_pinning
@pytest.mark.parametrize("rows", [4, 5])
def test_all_orders_that_keep_the_pins_sum_to_one(
    strategy: RankingStrategy, pinned: dict[int, int], rows: int
) -> None:
    scores = np.array([0.2, 0.35, 0.1, 0.3, 0.3])[:rows]
    total = 0.0
    for order in allowed_orders(rows, pinned):
        propensities = strategy.conditional_propensities(scores, np.array(order), pinned)
        assert all(propensities[order.index(row)] == 1.0 for row in pinned.values())
        total += propensities.prod()
    assert total == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES[:2], ids=repr)
@every_pinning
def test_the_product_of_propensities_is_the_probability_of_the_order(
    strategy: PlackettLuce, pinned: dict[int, int]
) -> None:
    scores = [0.2, 0.35, 0.1, 0.9, 0.3]
    free = [row for row in range(5) if row not in pinned.values()]
    for order in allowed_orders(5, pinned):
        propensities = strategy.conditional_propensities(np.array(scores), np.array(order), pinned)
        drawn = [free.index(row) for row in order if row in free]
        expected = probability(strategy, [scores[row] for row in free], drawn)
        assert propensities.prod() == pytest.approx(expected, rel=1e-12)


@every_strategy
@pytest.mark.parametrize("rows_max", [1, 2, 3, 4])
def test_a_shortened_page_has_the_probability_of_all_orders_that_begin_with_it(
    strategy: RankingStrategy, rows_max: int
) -> None:
    scores = np.array([0.2, 0.35, 0.1, 0.3, 0.32])
    pinned = {1: 0, 3: 2}
    sums: dict[tuple[int, ...], float] = {}
    for order in allowed_orders(5, pinned):
        whole = strategy.conditional_propensities(scores, np.array(order), pinned).prod()
        sums[order[:rows_max]] = sums.get(order[:rows_max], 0.0) + whole
    for top, expected in sums.items():
        found = strategy.conditional_propensities(scores, np.array(top), pinned)
        assert len(found) == rows_max
        assert found.prod() == pytest.approx(expected, rel=1e-12)


@st.composite
def pages(draw: st.DrawFn) -> tuple[list[float], list[float], dict[int, int], int | None]:
    rows = draw(st.integers(1, 12))
    score = st.floats(-1e300, 1e300) | st.floats(0, 1)
    scores = draw(st.lists(score, min_size=rows, max_size=rows))
    uniform = st.floats(0, 1, exclude_min=True, exclude_max=True)
    uniforms = draw(st.lists(uniform, min_size=rows, max_size=rows))
    pinned_rows = draw(st.lists(st.integers(0, rows - 1), unique=True, max_size=rows))
    count = len(pinned_rows)
    places = draw(st.lists(st.integers(0, 15), unique=True, min_size=count, max_size=count))
    rows_max = draw(st.none() | st.integers(1, 14))
    return scores, uniforms, dict(zip(places, pinned_rows, strict=True)), rows_max


@every_strategy
@given(page=pages())
@settings(max_examples=80, deadline=None)
def test_rank_serves_distinct_rows_in_lawful_places_with_their_propensities(
    strategy: RankingStrategy,
    page: tuple[list[float], list[float], dict[int, int], int | None],
) -> None:
    scores, uniforms, pinned, rows_max = page
    rows = len(scores)
    served = rows if rows_max is None else min(rows, rows_max)
    ranked = strategy.rank(np.array(scores), np.array(uniforms), pinned, rows_max)
    order = ranked.order.tolist()
    assert len(set(order)) == len(order) == served
    assert set(order) <= set(range(rows))
    for rank, place in enumerate(sorted(pinned)):
        at = min(place, rows - len(pinned) + rank)
        assert pinned[place] not in order if at >= served else order[at] == pinned[place]
    assert ((ranked.propensities > 0) & (ranked.propensities <= 1)).all()
    again = strategy.conditional_propensities(np.array(scores), ranked.order, pinned)
    np.testing.assert_array_equal(again, ranked.propensities)
    repeated = strategy.rank(np.array(scores), np.array(uniforms), pinned, rows_max)
    np.testing.assert_array_equal(repeated.order, ranked.order)


def test_the_bound_on_logits_keeps_every_propensity_away_from_zero() -> None:
    strategy = PlackettLuce(temperature=0.01, logit_range_max=10.0)
    scores = np.array([1e6, 0.0, -1e6, 0.5])
    propensities = strategy.conditional_propensities(scores, np.array([2, 1, 3, 0]), {})
    assert propensities.min() >= np.exp(-10.0) / 4
    wide = PlackettLuce(temperature=0.01, logit_range_max=500.0)
    assert (wide.conditional_propensities(scores, np.array([2, 1, 3, 0]), {}) > 0).all()


def test_pinned_rows_do_not_set_the_scale_of_the_lottery() -> None:
    strategy = PlackettLuce(temperature=0.1, logit_range_max=1.0)
    with_pin = strategy.conditional_propensities(
        np.array([0.0, 0.1, 99.0]), np.array([2, 0, 1]), {0: 2}
    )
    without = strategy.conditional_propensities(np.array([0.0, 0.1]), np.array([0, 1]), {})
    np.testing.assert_allclose(with_pin[1:], without, rtol=1e-12)


def test_greedy_is_certain_of_its_own_order_and_of_nothing_else() -> None:
    scores = np.array([0.2, 0.9, 0.9, 0.1])
    ranked = GreedyOrder().rank(scores, np.full(4, 0.5), {0: 3})
    assert ranked.order.tolist() == [3, 1, 2, 0]
    assert ranked.propensities.tolist() == [1.0, 1.0, 1.0, 1.0]
    other = GreedyOrder().conditional_propensities(scores, np.array([3, 2, 1, 0]), {0: 3})
    assert other.tolist() == [1.0, 0.0, 1.0, 1.0]
    cut = GreedyOrder().conditional_propensities(scores, np.array([3, 0]), {0: 3})
    assert cut.tolist() == [1.0, 0.0]


def test_uniform_propensities_count_what_is_left() -> None:
    ranked = UniformOrder().rank(np.zeros(5), np.linspace(0.1, 0.9, 5), {1: 4}, 3)
    assert ranked.order[1] == 4
    np.testing.assert_allclose(ranked.propensities, [1 / 4, 1.0, 1 / 3])


def test_a_higher_uniform_moves_a_row_up() -> None:
    uniforms = np.array([0.2, 0.9, 0.5])
    assert UniformOrder().rank(np.zeros(3), uniforms, {}).order.tolist() == [1, 2, 0]


@every_strategy
def test_a_page_without_rows_has_an_empty_order(strategy: RankingStrategy) -> None:
    ranked = strategy.rank(np.zeros(0), np.zeros(0), {}, 3)
    assert len(ranked.order) == len(ranked.propensities) == 0


@every_strategy
@pytest.mark.parametrize("pinned", [{0: 1, 2: 1}, {-1: 0}, {0: 3}, {0: -1}])
def test_pins_that_cannot_be_kept_are_refused(
    strategy: RankingStrategy, pinned: dict[int, int]
) -> None:
    with pytest.raises(PageError) as caught:
        strategy.rank(np.zeros(3), np.full(3, 0.5), pinned)
    assert caught.value.field == "rows"
    assert caught.value.hint


@every_strategy
@pytest.mark.parametrize("order", [[0, 0, 2], [0, 1, 5], [0, -1, 2], [0, 1, 2, 1]])
def test_an_order_of_no_such_rows_is_refused(strategy: RankingStrategy, order: list[int]) -> None:
    with pytest.raises(PageError, match="each once"):
        strategy.conditional_propensities(np.zeros(3), np.array(order), {})


@every_strategy
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [2]])
def test_an_order_that_contradicts_the_pins_is_refused(
    strategy: RankingStrategy, order: list[int]
) -> None:
    with pytest.raises(PageError, match="pinned"):
        strategy.conditional_propensities(np.zeros(3), np.array(order), {1: 2})


@every_strategy
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_refused(strategy: RankingStrategy, value: float) -> None:
    with pytest.raises(ModelError):
        strategy.rank(np.array([0.1, value]), np.full(2, 0.5), {})


@every_strategy
def test_a_strategy_is_its_own_configuration(strategy: RankingStrategy) -> None:
    given_settings = msgspec.to_builtins(strategy)
    assert msgspec.convert(given_settings, Ranking) == strategy
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({**given_settings, "temprature": 1.0}, Ranking)
