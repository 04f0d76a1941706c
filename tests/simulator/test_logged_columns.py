"""The columns that choices and rankings share: checked when made, cut with the rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simulator.errors import LoggedDataError
from simulator.logged import LoggedChoices, LoggedRankings
from simulator.wording import counted

ROUNDS = 70_000
"""More than are looked at together."""


def choices(**given: Any) -> LoggedChoices:
    return LoggedChoices(
        action=np.zeros(ROUNDS, np.int32),
        reward=np.zeros(ROUNDS),
        propensity=np.ones(ROUNDS),
        action_count=2,
        **given,
    )


def rankings(**given: Any) -> LoggedRankings:
    return LoggedRankings(
        items=np.zeros((ROUNDS, 1), np.int32),
        propensity=np.ones((ROUNDS, 1)),
        reward=np.zeros((ROUNDS, 1)),
        item_count=2,
        **given,
    )


both = pytest.mark.parametrize("make", [choices, rankings])


@both
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite_are_refused_with_count_and_first_rows(
    make: Callable[..., LoggedChoices | LoggedRankings], value: float
) -> None:
    context = np.ones((ROUNDS, 3), np.float32)
    make(context=context)
    wrong = [5, 6, 7, 8, 69_000, 69_999]
    context[wrong, 1] = value
    with pytest.raises(LoggedDataError, match="in 6 of 70000 rounds") as caught:
        make(context=context)
    assert (caught.value.column, caught.value.rows) == ("context", tuple(wrong[:5]))
    features = np.ones((2, 4), np.float32)
    features[1, 3] = value
    with pytest.raises(LoggedDataError, match="in 1 of 2 items") as caught:
        make(item_features=features)
    assert (caught.value.column, caught.value.rows) == ("item_features", (1,))


@both
def test_features_of_items_stay_where_rounds_are_taken(
    make: Callable[..., LoggedChoices | LoggedRankings],
) -> None:
    context = np.arange(ROUNDS * 2, dtype=np.float32).reshape(ROUNDS, 2)
    whole = make(context=context, item_features=np.eye(2, dtype=np.float32))
    part = whole.take(np.array([9, 3]))
    assert type(part) is type(whole)
    assert part.context is not None
    assert part.context.tolist() == [[18, 19], [6, 7]]
    assert part.item_features is whole.item_features


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (2000, "2,000 rows")]
)
def test_one_is_no_plural(number: int, told: str) -> None:
    assert counted(number, "rows") == told
