"""Columns of reward models: what stands where, and that codes are names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulator.encoding import (
    CATEGORIES_MAX,
    IDENTITIES_MAX,
    Design,
    Pairs,
    Sets,
    Space,
    identities,
    identity_count,
    logged_pairs,
    logged_sets,
    space_of,
    sparse_design,
    tree_columns,
)
from simulator.errors import LoggedDataError
from simulator.logged import LoggedChoices
from tests.simulator.reward_world import World

CONTEXT = np.array([[0.5, -1.0], [2.0, 0.0]], np.float32)
FEATURES = np.array([[7.0], [8.0], [9.0]], np.float32)
PAIRS = Pairs(np.array([2, 0], np.int32), CONTEXT, np.array([1, 0], np.int32))
SPACE = Space(items=3, contexts=2, positions=2, features=FEATURES)


def dense(design: Design) -> np.ndarray:
    matrix = np.zeros((len(design.columns), design.width))
    for row, columns in enumerate(design.columns):
        matrix[row, columns] += design.values[row]
    return matrix


def test_a_row_is_context_features_position_and_identity() -> None:
    expected = [[0.5, -1, 9, 0, 1, 0, 0, 1], [2, 0, 7, 1, 0, 1, 0, 0]]
    np.testing.assert_array_equal(dense(sparse_design(PAIRS, SPACE, crossed=False)), expected)


def test_crosses_are_the_context_times_the_features() -> None:
    plain, crossed = (dense(sparse_design(PAIRS, SPACE, crossed=c)) for c in (False, True))
    np.testing.assert_array_equal(crossed[:, :8], plain)
    np.testing.assert_array_equal(crossed[:, 8:], [[4.5, -9], [14, 0]])


def test_without_features_crosses_are_the_context_of_each_item_apart() -> None:
    space = SPACE._replace(features=None, positions=0)
    found = dense(sparse_design(PAIRS._replace(position=None), space, crossed=True))
    expected = [[0.5, -1, 0, 0, 1, 0, 0, 0, 0, 0.5, -1], [2, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(found, expected)


def test_what_is_not_told_has_no_columns() -> None:
    bare = Pairs(PAIRS.item, None, None)
    found = dense(sparse_design(bare, Space(3, 0, 0, None), crossed=True))
    np.testing.assert_array_equal(found, [[0, 0, 1], [1, 0, 0]])


def test_trees_see_identities_as_categories() -> None:
    matrix, categorical = tree_columns(PAIRS, SPACE)
    np.testing.assert_array_equal(matrix, [[0.5, -1, 9, 1, 2], [2, 0, 7, 0, 0]])
    np.testing.assert_array_equal(categorical, [False, False, False, False, True])


def test_many_items_with_features_have_no_identity() -> None:
    space = Space(CATEGORIES_MAX + 1, 2, 2, np.zeros((CATEGORIES_MAX + 1, 1), np.float32))
    matrix, categorical = tree_columns(PAIRS, space)
    assert matrix.shape == (2, 4)
    assert not categorical.any()
    assert identity_count(space, IDENTITIES_MAX) == CATEGORIES_MAX + 1


def test_many_items_without_features_share_buckets_evenly() -> None:
    items = 20 * CATEGORIES_MAX
    space = Space(items, 0, 0, None)
    assert identity_count(space, CATEGORIES_MAX) == CATEGORIES_MAX
    buckets = identities(np.arange(items, dtype=np.int32), space, CATEGORIES_MAX)
    sizes = np.bincount(buckets, minlength=CATEGORIES_MAX)
    assert len(sizes) == CATEGORIES_MAX
    assert sizes.min() > 0
    assert sizes.max() < 60


def test_no_column_is_an_item_s_code() -> None:
    logged = World(0.5).log(500)
    pairs, space = logged_pairs(logged), space_of(logged)
    design = dense(sparse_design(pairs, space, crossed=True))
    matrix, categorical = tree_columns(pairs, space)
    for column in (*design.T, *matrix[:, ~categorical].T):
        assert not np.array_equal(column, logged.action)


def test_a_log_tells_its_space() -> None:
    logged = World(0.5).log(500)
    assert space_of(logged)[:3] == (6, 3, 3)
    sets = replace(
        logged,
        action=np.zeros(500, np.int32),
        item_features=None,
        context=None,
        position=None,
        candidates=np.tile(np.array([4, 9, -1, -1, -1, -1], np.int32), (500, 1)),
    )
    assert space_of(sets) == Space(10, 0, 0, None)
    assert (logged_pairs(sets).item == 4).all()


def test_items_without_features_of_theirs_are_refused() -> None:
    logged = LoggedChoices(
        np.zeros(2, np.int32),
        np.zeros(2),
        np.ones(2),
        3,
        item_features=np.zeros((2, 1), np.float32),
    )
    with pytest.raises(LoggedDataError, match="item_features"):
        space_of(logged)


def test_sets_give_the_pairs_that_are_wanted() -> None:
    candidates = np.array([[5, 6, -1], [7, 8, 9]], np.int32)
    wanted = np.array([[False, True, False], [True, False, True]])
    found = Sets(CONTEXT, None, candidates).pairs(wanted)
    np.testing.assert_array_equal(found.item, [6, 7, 9])
    assert found.context is not None
    np.testing.assert_array_equal(found.context, CONTEXT[[0, 1, 1]])
    assert found.position is None
    np.testing.assert_array_equal(Sets(None, None, None).pairs(wanted).item, [1, 0, 2])


def test_sets_of_a_log_are_its_rounds() -> None:
    logged = World(0.5).log(10)
    part = logged_sets(logged).take(slice(2, 5))
    assert part.context is not None
    assert part.position is not None
    assert logged.context is not None
    assert logged.position is not None
    np.testing.assert_array_equal(part.context, logged.context[2:5])
    np.testing.assert_array_equal(part.position, logged.position[2:5])
    assert part.candidates is None
