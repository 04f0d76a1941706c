"""What a search tries, and how the best is written down."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.config import parse_config
from bandit.errors import ConfigError
from simulator.studies.config_space import candidates, read_axis, read_value
from simulator.studies.config_tables import changed
from simulator.studies.toml_text import rewritten, whole
from tests.docs.markdown import ROOT

EPSILON = "surfaces.artwork.exploration.epsilon"
KIND = "surfaces.artwork.exploration.type"
GAMMA = "surfaces.artwork.exploration.gamma"
BITS = "surfaces.artwork.model.bits"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("0.5", 0.5),
        ("true", True),
        ("none", None),
        ("mtr", "mtr"),
        ('"a b"', "a b"),
        (" 1e-3 ", 0.001),
    ],
)
def test_values_are_what_toml_has_them_be_or_words(text: str, value: object) -> None:
    assert read_value(text) == value
    assert type(read_value(text)) is type(value)


def test_a_grid_is_every_combination_in_order() -> None:
    axes = [read_axis(f"{EPSILON}=0.01,0.1"), read_axis(f"{BITS}=12,14")]
    assert candidates({}, axes) == [
        {EPSILON: 0.01, BITS: 12},
        {EPSILON: 0.01, BITS: 14},
        {EPSILON: 0.1, BITS: 12},
        {EPSILON: 0.1, BITS: 14},
    ]


def test_a_range_is_spread_by_factors_and_whole_between_whole_numbers() -> None:
    assert read_axis(f"{EPSILON}=0.01..1.0").spread(3) == (0.01, 0.1, 1.0)
    assert read_axis(f"{BITS}=10..20").spread(3) == (10, 14, 20)
    assert read_axis("surfaces.artwork.holdout=0.0..0.2").spread(3) == (0.0, 0.1, 0.2)


def test_a_random_search_draws_within_ranges_and_more_only_adds() -> None:
    axes = [read_axis(f"{EPSILON}=0.01..0.5")]
    few = candidates({}, axes, method="random", trials=5, seed=3)
    more = candidates({}, axes, method="random", trials=9, seed=3)
    assert more[:5] == few
    assert len(more) == 9
    assert all(0.01 <= float(one[EPSILON] or 0) <= 0.5 for one in more)
    assert candidates({}, axes, method="random", trials=5, seed=4) != few


def test_keys_of_another_kind_are_left_out_and_what_is_alike_counts_once() -> None:
    axes = [
        read_axis(f"{KIND}=epsilon_greedy,squarecb"),
        read_axis(f"{EPSILON}=0.01,0.1"),
        read_axis(f"{GAMMA}=10.0,100.0"),
    ]
    base = {"surfaces": {"artwork": {"exploration": {"epsilon": 0.3}}}}
    tried = candidates(base, axes)
    assert tried == [
        {KIND: "epsilon_greedy", EPSILON: 0.01},
        {KIND: "epsilon_greedy", EPSILON: 0.1},
        {KIND: "squarecb", GAMMA: 10.0},
        {KIND: "squarecb", GAMMA: 100.0},
    ]
    for settings in tried:
        parse_config(changed(base, settings))


@pytest.mark.parametrize("text", ["epsilon", "=1", f"{EPSILON}=", f"{EPSILON}=2..1", "a=x..y"])
def test_what_names_no_values_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        read_axis(text)


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        candidates({}, [read_axis("surfaces.artwork.exploration.epsilom=1")])
    assert EPSILON in caught.value.hint


def test_a_grid_beyond_all_bounds_is_refused() -> None:
    axes = [read_axis(f"{EPSILON}=0.01..1.0"), read_axis(f"{BITS}=10..28")]
    with pytest.raises(ConfigError, match="10,450 candidates"):
        candidates({}, axes, steps=550)


def test_the_examples_comments_survive() -> None:
    text = (ROOT / "examples" / "marquee.toml").read_text()
    wanted = changed(tomllib.loads(text), {EPSILON: 0.125, "surfaces.artwork.holdout": 0.25})
    found = rewritten(text, wanted)
    assert tomllib.loads(found) == wanted
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert [line for line in found.splitlines() if line.startswith("#")] == comments
    assert "holdout = 0.25" in found
    assert found.count("[surfaces.artwork]") == 1
    config = parse_config(tomllib.loads(found))
    assert config.surfaces.artwork.holdout == 0.25


def test_keys_that_fell_away_are_taken_out() -> None:
    text = (
        '[surfaces.artwork.exploration]\ntype = "epsilon_greedy"  # the plain one\nepsilon = 0.1\n'
    )
    wanted = changed(tomllib.loads(text), {KIND: "squarecb", GAMMA: 50.0})
    found = rewritten(text, wanted)
    assert found == (
        '[surfaces.artwork.exploration]\ntype = "squarecb"  # the plain one\ngamma = 50.0\n'
    )
    parse_config(tomllib.loads(found))


@pytest.mark.parametrize(
    "text",
    [
        'a = """\n[b]\nc = 1\n"""\n[b]\nc = 2\n',
        "[b]\nc = { d = 1, e = 2 }\n",
        'b.c = "x # y"\n',
        "[[b]]\nc = 1\n",
    ],
)
def test_a_text_that_is_not_what_it_looks_like_is_written_anew(text: str) -> None:
    before = tomllib.loads(text)
    before.pop("b")
    wanted = {**before, "b": {"c": {"d": 3}, "e": [1.5, "none"]}}
    assert tomllib.loads(rewritten(text, wanted)) == wanted


def test_a_text_without_the_table_gets_one(tmp_path: Path) -> None:
    found = rewritten("", {"surfaces": {"artwork": {"holdout": 0.1}}})
    assert found == "\n[surfaces.artwork]\nholdout = 0.1\n"


names = st.text("abc_", min_size=1, max_size=3)
values = st.one_of(
    st.booleans(),
    st.integers(-1000, 1000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=5),
    st.lists(st.integers(0, 9), max_size=3),
)
tables: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(names, values, max_size=4),
    lambda inner: st.dictionaries(names, st.one_of(values, inner), max_size=4),
    max_leaves=12,
)


@given(before=tables, after=tables)
def test_whatever_there_was_what_is_written_says_what_is_wanted(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert tomllib.loads(rewritten(whole(before), after)) == after
