"""Plain tables: Parquet and NPZ with named columns, and everything that may be wrong in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.datasets import Source, concatenate, open_source
from simulator.errors import LoggedDataError, PropensityError

ROUNDS = 50
Columns = dict[str, Any]


def columns(**given: Any) -> Columns:
    rng = np.random.default_rng(3)
    made: Columns = {
        "action": rng.integers(0, 4, ROUNDS),
        "action_count": np.full(ROUNDS, 5),
        "reward": rng.random(ROUNDS),
        "propensity": rng.uniform(0.1, 1, ROUNDS),
        "position": rng.integers(0, 3, ROUNDS),
        "viewer": np.array([f"v{n % 7}" for n in range(ROUNDS)]),
        "segment": np.array([f"s{n % 2}" for n in range(ROUNDS)]),
        "decision": np.array([f"d{n}" for n in range(ROUNDS)]),
        "context_age": rng.random(ROUNDS),
        "context_tv": rng.integers(0, 2, ROUNDS),
        "comment": np.array(["passed over"] * ROUNDS),
    }
    made |= given
    return {name: column for name, column in made.items() if column is not None}


def parquet(directory: Path, made: Columns) -> Path:
    path = directory / "rounds.parquet"
    pq.write_table(pa.table(made), path, row_group_size=16)
    return path


def npz(directory: Path, made: Columns) -> Path:
    path = directory / "rounds.npz"
    np.savez(path, **made)
    return path


Writer = Callable[[Path, Columns], Path]
both = pytest.mark.parametrize("write", [parquet, npz])


@both
def test_columns_are_taken_by_name(tmp_path: Path, write: Writer) -> None:
    made = columns()
    source = open_source(write(tmp_path, made))
    assert (source.kind, source.has_propensities, source.skipped) == ("choices", True, 0)
    rounds = concatenate(source.choices(11))
    for name in ("action", "reward", "propensity", "position"):
        np.testing.assert_array_equal(getattr(rounds, name), made[name])
    assert (rounds.action_count, rounds.candidates) == (5, None)
    assert list(rounds.names.contexts) == ["age", "tv"]
    expected = np.column_stack([made["context_age"], made["context_tv"]])
    np.testing.assert_array_equal(rounds.context, expected.astype(np.float32))
    assert rounds.cluster is not None
    assert len(set(rounds.cluster.tolist())) == 7
    assert (rounds.cluster[0], rounds.cluster[7]) == (rounds.cluster[7], rounds.cluster[14])
    assert rounds.segment is not None
    assert rounds.segment.tolist() == [n % 2 for n in range(ROUNDS)]
    assert list(rounds.names.segments) == ["s0", "s1"]
    with pytest.raises(LoggedDataError, match="plain table holds single choices"):
        source.rankings()


@both
def test_only_action_reward_and_propensity_are_needed(tmp_path: Path, write: Writer) -> None:
    made = {name: columns()[name] for name in ("action", "reward", "propensity")}
    rounds = concatenate(open_source(write(tmp_path, made)).choices())
    assert rounds.action_count == 4
    assert (rounds.context, rounds.cluster, rounds.segment, rounds.position) == (None,) * 4


def test_candidates_of_different_number(tmp_path: Path) -> None:
    sets = [[7, 3], [5], [1, 2, 9]]
    small = {"action": [1, 0, 2], "reward": [0.0, 1.0, 0.5], "propensity": [0.5, 1.0, 0.25]}
    rounds = concatenate(open_source(parquet(tmp_path, small | {"candidates": sets})).choices())
    assert rounds.action_count == 3
    assert rounds.items().tolist() == [3, 5, 9]
    padded = np.array([[7, 3, -1], [5, -1, -1], [1, 2, 9]])
    rounds = concatenate(open_source(npz(tmp_path, small | {"candidates": padded})).choices())
    assert rounds.items().tolist() == [3, 5, 9]


def test_an_archive_may_hold_whole_arrays(tmp_path: Path) -> None:
    made = columns(
        context=np.ones((ROUNDS, 2)),
        context_names=np.array(["a", "b"]),
        context_age=None,
        context_tv=None,
        item_features=np.eye(5),
        action_count=np.array(5),
    )
    rounds = concatenate(open_source(npz(tmp_path, made)).choices())
    assert rounds.names.contexts == ["a", "b"]
    assert rounds.context is not None
    assert rounds.context.shape == (ROUNDS, 2)
    assert rounds.item_features is not None
    assert rounds.item_features.shape == (5, 5)


def test_a_directory_of_files_is_read_in_the_order_of_paths(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        folder = tmp_path / f"date={number}"
        folder.mkdir()
        parquet(folder, {"action": [number], "reward": [0.5], "propensity": [0.5]})
    rounds = concatenate(open_source(tmp_path).choices())
    assert rounds.action.tolist() == [0, 1, 2]


def without(
    write: Writer, directory: Path, error: type[LoggedDataError], told: str, **bad: Any
) -> Source:
    """Check that rows are refused; return the source that skips them."""
    path = write(directory, columns(**bad))
    with pytest.raises(error, match=told):
        concatenate(open_source(path).choices())
    return open_source(path, skip_bad=True)


def changed(name: str, rows: list[int], value: float) -> Any:
    column = columns()[name].astype(float)
    column[rows] = value
    return column


@both
@pytest.mark.parametrize("value", [0.0, float("nan"), -0.5, 1.5])
def test_unlawful_propensities_are_told_with_count_and_rows(
    tmp_path: Path, write: Writer, value: float
) -> None:
    rows = [3, 20, 21, 22, 40, 41]
    bad = changed("propensity", rows, value)
    told = r"in 6 of 50 rows of .*\(first: 3, 20, 21, 22, 40\)"
    source = without(write, tmp_path, PropensityError, told, propensity=bad)
    assert source.skipped == 6
    rounds = concatenate(source.choices(7))
    kept = np.setdiff1d(np.arange(ROUNDS), rows)
    np.testing.assert_array_equal(rounds.reward, columns()["reward"][kept])


@both
def test_rewards_that_are_no_numbers_are_refused(tmp_path: Path, write: Writer) -> None:
    bad = changed("reward", [1, 30], float("nan"))
    source = without(
        write, tmp_path, LoggedDataError, r"reward: .* in 2 of 50 .*first: 1, 30", reward=bad
    )
    assert len(concatenate(source.choices())) == 48
    assert any("2 rows left out: reward" in note for note in source.notes)


@both
@pytest.mark.parametrize(
    ("value", "told"),
    [
        (-1, "is not one of the action set"),
        (5, "is not one of the action set"),
        (2**40, "is not one of the action set"),
        (1.5, "is missing, or no whole number"),
        (float("nan"), "is missing, or no whole number"),
    ],
)
def test_actions_outside_their_set_are_refused(
    tmp_path: Path, write: Writer, value: float, told: str
) -> None:
    bad = changed("action", [9], value)
    source = without(
        write, tmp_path, LoggedDataError, f"action: {told} in 1 of 50 .*first: 9", action=bad
    )
    assert len(concatenate(source.choices())) == 49
    assert source.notes == [f"1 row left out: action {told}"]


@both
def test_one_number_does_not_make_millions_of_actions(tmp_path: Path, write: Writer) -> None:
    bad = columns()["action"]
    bad[[9, 30]] = 10_000_000, 100_000
    told = r"action: is far beyond .* in 2 of 50 rows .*first: 9, 30.*action_count"
    source = without(write, tmp_path, LoggedDataError, told, action=bad, action_count=None)
    rounds = concatenate(source.choices())
    assert (len(rounds), rounds.action_count, source.skipped) == (48, 4, 2)
    said = columns(action=bad, action_count=np.full(ROUNDS, 10_000_001))
    assert concatenate(open_source(write(tmp_path, said)).choices()).action_count == 10_000_001
    bad[[9, 30]] = 99_999
    rounds = concatenate(
        open_source(write(tmp_path, columns(action=bad, action_count=None))).choices()
    )
    assert rounds.action_count == 100_000


@both
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_contexts_that_are_not_finite_are_refused(
    tmp_path: Path, write: Writer, value: float
) -> None:
    rows = [3, 20, 21, 22, 40, 41]
    told = r"context_age: is missing, infinite .* in 6 of 50 rows .*first: 3, 20, 21, 22, 40\)"
    bad = changed("context_age", rows, value)
    source = without(write, tmp_path, LoggedDataError, told, context_age=bad)
    assert (source.skipped, len(source.notes)) == (6, 1)
    rounds = concatenate(source.choices(7))
    assert rounds.context is not None
    kept = np.setdiff1d(np.arange(ROUNDS), rows)
    np.testing.assert_array_equal(rounds.context[:, 0], np.float32(columns()["context_age"][kept]))


def test_whole_arrays_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    plain = {"context_age": None, "context_tv": None}
    context = np.ones((ROUNDS, 2))
    context[7, 1] = np.nan
    source = without(
        npz, tmp_path, LoggedDataError, "context: .* in 1 of 50", context=context, **plain
    )
    assert len(concatenate(source.choices())) == 49
    features = np.eye(5)
    features[2, 2] = np.inf
    path = npz(tmp_path, columns(item_features=features))
    for skip_bad in (False, True):
        with pytest.raises(LoggedDataError, match=r"item_features: .* in 1 item of .*rows 2\)"):
            open_source(path, skip_bad=skip_bad)


@both
def test_decisions_that_stand_there_twice_are_refused(tmp_path: Path, write: Writer) -> None:
    bad = columns()["decision"]
    bad[45] = "d2"
    source = without(
        write, tmp_path, LoggedDataError, r"twice in 1 of 50 .*first: 45", decision=bad
    )
    assert concatenate(source.choices()).reward.tolist() == [
        *columns()["reward"][:45],
        *columns()["reward"][46:],
    ]
    numbers = np.arange(ROUNDS)
    numbers[3] = 2
    without(write, tmp_path, LoggedDataError, r"twice in 1 of 50 .*first: 3", decision=numbers)


@both
def test_without_propensities_only_estimates_are_to_be_had(tmp_path: Path, write: Writer) -> None:
    source = open_source(write(tmp_path, columns(propensity=None)))
    assert not source.has_propensities
    assert any("no propensities were logged" in note for note in source.notes)
    with pytest.raises(PropensityError, match="no such column") as caught:
        next(source.choices())
    assert "estimated" in caught.value.hint
    rounds = concatenate(source.choices_to_estimate())
    assert rounds.propensity_source == "estimated"
    np.testing.assert_array_equal(rounds.propensity, 1 / 5)


@both
def test_where_some_are_missing_estimates_can_be_asked_for(tmp_path: Path, write: Writer) -> None:
    bad = changed("propensity", [3], 0.0)
    source = open_source(write(tmp_path, columns(propensity=bad)))
    assert not source.has_propensities
    assert len(concatenate(source.choices_to_estimate())) == ROUNDS


@both
@pytest.mark.parametrize("name", ["action", "reward"])
def test_a_needed_column_that_is_missing_is_named(tmp_path: Path, write: Writer, name: str) -> None:
    path = write(tmp_path, columns(**{name: None}))
    with pytest.raises(LoggedDataError, match=f"{name}: .* has no such column"):
        open_source(path)


def test_text_where_numbers_belong_is_refused(tmp_path: Path) -> None:
    for write in (parquet, npz):
        for name in ("action", "reward", "context_age"):
            path = write(tmp_path, columns(**{name: np.array(["old"] * ROUNDS)}))
            told = f"{name}: holds text, not numbers, in .*rounds"
            with pytest.raises(LoggedDataError, match=told):
                open_source(path)


@both
def test_files_without_rows_are_named(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path, {name: column[:0] for name, column in columns().items()})
    with pytest.raises(LoggedDataError, match=rf"{path.name} holds no rows"):
        open_source(path)
    path = write(tmp_path, columns(reward=np.full(ROUNDS, np.nan)))
    with pytest.raises(LoggedDataError, match=r"no row of .* is good: 50 rows left out: reward"):
        open_source(path, skip_bad=True)


@both
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99])
def test_files_cut_short_are_told_of(tmp_path: Path, write: Writer, keep: float) -> None:
    path = write(tmp_path, columns())
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(LoggedDataError, match="cannot be read") as caught:
        open_source(path)
    assert "cut short" in caught.value.hint


def test_a_damaged_page_is_told_of(tmp_path: Path) -> None:
    path = parquet(tmp_path, columns())
    content = bytearray(path.read_bytes())
    content[8:400] = bytes(392)
    path.write_bytes(content)
    with pytest.raises(LoggedDataError, match="cannot be read"):
        concatenate(open_source(path).choices())


def test_files_of_different_columns_are_refused(tmp_path: Path) -> None:
    for name, more in (("a", {}), ("b", {"position": [0]})):
        (tmp_path / name).mkdir()
        parquet(
            tmp_path / name,
            {"action": [0], "reward": [0.5], "propensity": [0.5]} | more,
        )
    with pytest.raises(LoggedDataError, match="other columns"):
        open_source(tmp_path)


def test_columns_of_different_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LoggedDataError, match="position: has 3 rows, the rewards have 50"):
        open_source(npz(tmp_path, columns(position=np.zeros(3))))


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    objects = np.array([{"any": "object"}] * ROUNDS, object)
    assert open_source(npz(tmp_path, columns(comment=objects))).rounds_max == ROUNDS
    with pytest.raises(LoggedDataError, match="viewer: is an array of Python objects") as caught:
        open_source(npz(tmp_path, columns(viewer=objects)))
    assert "allow_pickle" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04N.", b"\x93NUMPY\x01\x00"])
def test_what_is_no_archive_is_not_unpickled(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rounds.npz"
    path.write_bytes(content)
    with pytest.raises(LoggedDataError, match=r"rounds.npz cannot be read: it is no arch") as told:
        open_source(path)
    assert "pickle" not in str(told.value)


def test_arrays_of_another_shape_are_told_of(tmp_path: Path) -> None:
    path = npz(tmp_path, columns(reward=np.zeros((ROUNDS, 1))))
    with pytest.raises(LoggedDataError, match=r"reward: has the shape \(50, 1\)"):
        open_source(path)


@both
@pytest.mark.parametrize("name", ["tv", "context_tv"])
def test_segments_may_be_told_apart_by_another_column(
    tmp_path: Path, write: Writer, name: str
) -> None:
    made = columns()
    path = write(tmp_path, made)
    rounds = concatenate(open_source(path, segment=name).choices())
    assert list(rounds.names.segments) == ["0", "1"]
    np.testing.assert_array_equal(rounds.segment, made["context_tv"])
    with pytest.raises(LoggedDataError, match="no such column to tell segments apart"):
        open_source(path, segment="radio")
