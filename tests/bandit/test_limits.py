from __future__ import annotations

import pytest

from bandit.errors import PageError
from bandit.limits import check_features
from bandit.types import Features


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"a": 1.0, "b": "x"},
        {"a": [1.0, 2.0], "b": 3.0},
        {"a": ["x", "y", "z"]},
        {"a": [], "b": 1.0},
    ],
)
def test_lawful_features_pass(given: Features) -> None:
    check_features(given, "context", 3)


def test_list_items_are_counted_singly() -> None:
    with pytest.raises(PageError, match="4 features") as caught:
        check_features({"a": [1.0, 2.0, 3.0], "b": "x"}, "context", 3)
    assert caught.value.field == "context"
    assert "[limits]" in caught.value.hint


@pytest.mark.parametrize("mixed", [["x", 1.0], [1.0, "x"], [1.0, 2.0, "x"]])
def test_a_list_of_numbers_and_strings_is_refused_by_name(mixed: list[float | str]) -> None:
    with pytest.raises(PageError, match="not both") as caught:
        check_features({"fine": 1.0, "mixed": mixed}, "titles[0].features", 100)
    assert caught.value.field == "titles[0].features.mixed"
    assert caught.value.hint
