"""Keys, windows, uniforms, the inverse draw, and shares of viewers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit import sampling
from bandit.clock import to_us
from bandit.types import FloatArray

HOUR_S = 3600.0
ITEM_KEY = 0x1D1C8C6A2349CEB3
DRAW_KEY = 0x2982AC9B3699F231
UNIFORM = 0.8950876301365204


def test_keys_never_change() -> None:
    # A change here would redraw every page and reassign every viewer of a running service.
    assert sampling.item_key("title-1") == ITEM_KEY
    assert sampling.draw_key("salt", "artwork", "viewer-1", 7) == DRAW_KEY
    found = sampling.uniforms(DRAW_KEY, np.array([ITEM_KEY], dtype=np.uint64))
    assert found.tolist() == [UNIFORM]


def test_item_keys_are_the_keys_of_the_items() -> None:
    ids = ["a", "b", "title/1@x"]
    keys = sampling.item_keys(ids)
    assert keys.dtype == np.uint64
    assert keys.tolist() == [sampling.item_key(item_id) for item_id in ids]
    assert sampling.item_keys([]).shape == (0,)


def test_every_part_of_a_draw_key_counts_and_parts_do_not_run_together() -> None:
    keys = [
        sampling.draw_key("s", "artwork", "v", 1),
        sampling.draw_key("t", "artwork", "v", 1),
        sampling.draw_key("s", "rows", "v", 1),
        sampling.draw_key("s", "artwork", "w", 1),
        sampling.draw_key("s", "artwork", "v", 2),
        sampling.draw_key("s", "artwork", "v", -1),
        sampling.draw_key("sa", "rtwork", "v", 1),
        sampling.draw_key("s", "artwork", "v1", 1),
        sampling.draw_key("s", "artworkv", "", 1),
    ]
    assert len(set(keys)) == len(keys)
    assert all(0 <= key < 2**64 for key in keys)


@given(
    now_us=st.integers(0, 2**62),
    stickiness_s=st.floats(0.001, 1e7),
    who=st.text("abc-1", min_size=1),
)
def test_a_window_lasts_as_long_as_asked(now_us: int, stickiness_s: float, who: str) -> None:
    length_us = to_us(stickiness_s)
    window = sampling.window_index("salt", who, now_us, stickiness_s)
    assert sampling.window_index("salt", who, now_us + length_us, stickiness_s) == window + 1
    halfway = sampling.window_index("salt", who, now_us + length_us // 2, stickiness_s)
    assert halfway in (window, window + 1)


def test_the_tiniest_stickiness_is_a_microsecond() -> None:
    now_us = 10**15
    first = sampling.window_index("salt", "v", now_us, 1e-9)
    assert sampling.window_index("salt", "v", now_us + 1, 1e-9) == first + 1


def test_viewers_change_windows_at_phases_of_their_own() -> None:
    now_us, viewers = 1_700_000_000_000_000, 2000
    changed = sum(
        sampling.window_index("salt", f"v{viewer}", now_us, HOUR_S)
        != sampling.window_index("salt", f"v{viewer}", now_us + to_us(HOUR_S / 4), HOUR_S)
        for viewer in range(viewers)
    )
    # A quarter of an hour-long window: 500 of 2000, standard deviation 19.4; five of those.
    assert abs(changed - viewers / 4) < 97


def test_uniforms_stay_clear_of_zero_and_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = np.array([0, 2**64 - 1], dtype=np.uint64)
    monkeypatch.setattr(sampling, "_mix", lambda keys: np.resize(ends, keys.shape))
    monkeypatch.setattr(sampling, "_mix_one", lambda key: key)
    for items in (ends, np.resize(ends, 40)):
        lowest, highest = sampling.uniforms(0, items)[:2]
        assert 0.0 < lowest < 1e-15
        assert 1.0 - 1e-15 < highest < 1.0


def test_few_items_are_drawn_as_among_many() -> None:
    items = np.random.default_rng(2).integers(0, 1 << 64, 400, dtype=np.uint64)
    items[:2] = [0, (1 << 64) - 1]
    for key in (0, 12345, (1 << 64) - 1):
        many = sampling.uniforms(key, items)
        assert [sampling.uniforms(key, items[[place]])[0] for place in range(400)] == many.tolist()


@st.composite
def distributions(draw: st.DrawFn) -> tuple[FloatArray, FloatArray]:
    count, width = draw(st.integers(1, 6)), draw(st.integers(1, 10))
    cells = st.floats(0.0, 1.0) | st.sampled_from([0.0, 0.0, 1e-300, 1.0])
    size = count * width
    weights = np.array(draw(st.lists(cells, min_size=size, max_size=size))).reshape(count, width)
    weights[weights.sum(axis=1) < 1e-200, draw(st.integers(0, width - 1))] = 1.0
    points = st.floats(0.0, 1.0, exclude_max=True) | st.sampled_from([0.0, 1.0 - 2.0**-53])
    drawn = draw(st.lists(points, min_size=count, max_size=count))
    return weights / weights.sum(axis=1, keepdims=True), np.array(drawn)


@given(distributions())
def test_choose_inverts_the_distribution_function(
    distribution: tuple[FloatArray, FloatArray],
) -> None:
    pmf, drawn = distribution
    chosen = sampling.choose(pmf, drawn)
    for title, candidate in enumerate(chosen):
        assert pmf[title, candidate] > 0
        before = pmf[title, :candidate].sum()
        assert before - 1e-12 <= drawn[title] <= before + pmf[title, candidate] + 1e-12


def test_choose_takes_the_lower_end_of_an_interval_to_its_candidate() -> None:
    pmf = np.array([[0.0, 0.25, 0.0, 0.75, 0.0]] * 4)
    drawn = np.array([0.0, 0.2499, 0.25, 1.0 - 2.0**-53])
    assert sampling.choose(pmf, drawn).tolist() == [1, 1, 3, 3]


def test_choose_stands_sums_that_round_below_one() -> None:
    pmf = np.array([[0.1] * 9 + [0.1 - 1e-13, 0.0]])
    assert sampling.choose(pmf, np.array([1.0 - 2.0**-53])).tolist() == [9]


@pytest.mark.parametrize(("holdout", "explore"), [(0.7, 0.31), (-0.1, 0.2), (0.1, -0.1)])
def test_shares_that_do_not_fit_are_refused(holdout: float, explore: float) -> None:
    with pytest.raises(ValueError, match="shares"):
        sampling.share_of("salt", "v", holdout, explore)


@pytest.mark.parametrize(
    ("holdout", "explore", "expected"),
    [(1.0, 0.0, "holdout"), (0.0, 1.0, "explore"), (0.0, 0.0, "learned")],
)
def test_a_whole_share_takes_everyone(holdout: float, explore: float, expected: str) -> None:
    found = {sampling.share_of("salt", f"v{n}", holdout, explore) for n in range(300)}
    assert found == {expected}


def test_shares_are_nested_when_they_grow() -> None:
    viewers = [f"v{n}" for n in range(3000)]
    small = [sampling.share_of("salt", who, 0.05, 0.1) for who in viewers]
    large = [sampling.share_of("salt", who, 0.2, 0.3) for who in viewers]
    moves = set(zip(small, large, strict=True))
    assert {("holdout", "holdout"), ("explore", "explore")} <= moves
    assert {after for before, after in moves if before == "holdout"} == {"holdout"}
    assert {after for before, after in moves if before == "explore"} == {"explore"}


def test_another_salt_assigns_shares_anew() -> None:
    viewers = [f"v{n}" for n in range(500)]
    here = [sampling.share_of("one", who, 0.5, 0.0) for who in viewers]
    there = [sampling.share_of("two", who, 0.5, 0.0) for who in viewers]
    agreeing = sum(a == b for a, b in zip(here, there, strict=True))
    # Half agree by chance: 250, standard deviation 11.2; five of those.
    assert abs(agreeing - 250) < 56


@given(
    st.lists(
        st.sampled_from([0.0, 1.0]) | st.floats(0, 1, allow_subnormal=True),
        min_size=1,
        max_size=40,
    ).filter(any)
)
def test_the_largest_uniform_chooses_a_candidate_that_has_a_probability(sizes: list[float]) -> None:
    # by their sum where that is possible: a subnormal one's reciprocal is infinite
    pmf = np.array([sizes]) / max(sum(sizes), 1e-300)
    if not pmf.any():
        return
    chosen = sampling.choose(pmf, np.array([1 - 2.0**-53]))[0]
    assert pmf[0, chosen] > 0
    first = sampling.choose(pmf, np.array([0.0]))[0]
    assert pmf[0, first] > 0
