"""The Open Bandit Dataset's files: as published, and damaged."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simulator.datasets import Source, concatenate, open_source
from simulator.datasets.open_bandit import USER_FEATURES
from simulator.errors import LoggedDataError, PropensityError
from tests.real_data import open_bandit_directory

ITEMS = 3
COLUMNS = [
    "",
    "timestamp",
    "item_id",
    "position",
    "click",
    "propensity_score",
    *USER_FEATURES,
    *(f"user-item_affinity_{item}" for item in range(ITEMS)),
]


def campaign(directory: Path, change: Callable[[list[list[object]]], object] | None = None) -> Path:
    """Write a tiny campaign of six rows."""
    folder = directory / "random" / "men"
    folder.mkdir(parents=True)
    with (folder / "item_context.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ["", "item_id", "item_feature_0", "item_feature_1"],
                [0, 0, -0.5, "red"],
                [1, 1, 0.5, "blue"],
                [2, 2, 0.25, "red"],
            ]
        )
    rows: list[list[object]] = [
        [n, "2019-11-24", n % 3, 1 + n % 3, n % 2, 0.25, f"u{n % 2}", "x", "y", "z", n, 0, 0]
        for n in range(6)
    ]
    if change is not None:
        change(rows)
    with (folder / "men.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return folder


@pytest.mark.parametrize("at", ["directory", "file"])
def test_rows_are_rounds(tmp_path: Path, at: str) -> None:
    folder = campaign(tmp_path)
    source = open_source(folder if at == "directory" else folder / "men.csv")
    assert (source.name, source.kind, source.has_propensities) == ("random/men", "choices", True)
    rounds = concatenate(source.choices(4))
    assert rounds.action.tolist() == [0, 1, 2, 0, 1, 2]
    assert rounds.reward.tolist() == [0, 1, 0, 1, 0, 1]
    assert rounds.propensity.tolist() == [0.25] * 6
    assert rounds.position is not None
    assert rounds.position.tolist() == [0, 1, 2, 0, 1, 2]
    assert rounds.segment is not None
    assert (rounds.segment.tolist(), rounds.names.segments) == ([0, 1] * 3, ["u0", "u1"])
    assert rounds.context is not None
    assert list(rounds.names.contexts) == [
        "user_feature_0=u0",
        "user_feature_0=u1",
        "user_feature_1=x",
        "user_feature_2=y",
        "user_feature_3=z",
        "affinity_0",
        "affinity_1",
        "affinity_2",
    ]
    assert rounds.context[3].tolist() == [0, 1, 1, 1, 1, 3, 0, 0]
    assert rounds.item_features is not None
    assert rounds.names.features == (
        "item_feature_0",
        "item_feature_1=blue",
        "item_feature_1=red",
    )
    assert rounds.item_features.tolist() == [[-0.5, 0, 1], [0.5, 1, 0], [0.25, 0, 1]]


def test_there_are_no_rankings_and_the_reason_is_told(tmp_path: Path) -> None:
    source = open_source(campaign(tmp_path))
    with pytest.raises(LoggedDataError, match="nothing tells which rows made one display"):
        source.rankings()
    assert any("no rankings" in note for note in source.notes)


def refused(folder: Path, error: type[LoggedDataError], told: str) -> Source:
    with pytest.raises(error, match=told):
        open_source(folder)
    return open_source(folder, skip_bad=True)


@pytest.mark.parametrize(
    ("column", "value", "error", "told"),
    [
        (5, 0, PropensityError, r"propensity: .* in 1 of 6 .*first: 2"),
        (5, "", PropensityError, r"propensity: .* in 1 of 6 .*first: 2"),
        (4, "nan", LoggedDataError, r"reward: .* in 1 of 6 .*first: 2"),
        (2, 3, LoggedDataError, r"action: .* in 1 of 6 .*first: 2"),
        (2, 0.5, LoggedDataError, r"action: .* in 1 of 6 .*first: 2"),
        (3, 0, LoggedDataError, r"position: .* in 1 of 6 .*first: 2"),
        (11, "nan", LoggedDataError, r"user-item_affinity_1: .* in 1 of 6 .*first: 2"),
        (11, "", LoggedDataError, r"user-item_affinity_1: .* in 1 of 6 .*first: 2"),
    ],
)
def test_wrong_rows_are_told_and_may_be_skipped(
    tmp_path: Path, column: int, value: object, error: type[LoggedDataError], told: str
) -> None:
    def change(rows: list[list[object]]) -> None:
        rows[2][column] = value

    source = refused(campaign(tmp_path, change), error, told)
    assert source.skipped == 1
    rounds = concatenate(source.choices())
    assert rounds.action.tolist() == [0, 1, 0, 1, 2]


def test_a_file_cut_short_is_told_of(tmp_path: Path) -> None:
    folder = campaign(tmp_path)
    path = folder / "men.csv"
    path.write_text(path.read_text()[:-12])
    with pytest.raises(LoggedDataError, match=r"men.csv is not a file of the Open Bandit"):
        open_source(folder)


def test_a_directory_with_half_of_the_files_is_told_of(tmp_path: Path) -> None:
    folder = campaign(tmp_path)
    (folder / "item_context.csv").unlink()
    with pytest.raises(LoggedDataError, match=r"item_context\.csv"):
        open_source(folder, format="obd")


def test_a_file_that_is_no_campaigns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.touch()
    with pytest.raises(LoggedDataError, match=r"empty\.csv is no log of .* beside it") as told:
        open_source(path)
    assert "Parquet" in told.value.hint
    folder = campaign(tmp_path)
    (folder / "men.csv").write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(LoggedDataError, match=r"men\.csv holds no rows"):
        open_source(folder)


def test_items_without_a_number_are_refused(tmp_path: Path) -> None:
    folder = campaign(tmp_path)
    path = folder / "item_context.csv"
    path.write_text(path.read_text().replace("0.25", ""))
    with pytest.raises(LoggedDataError, match=r"item_feature_0: .* no finite number"):
        open_source(folder)


def test_items_that_are_not_numbered_from_0_are_refused(tmp_path: Path) -> None:
    folder = campaign(tmp_path)
    path = folder / "item_context.csv"
    path.write_text(path.read_text().replace("2,2,", "2,7,"))
    with pytest.raises(LoggedDataError, match="number its items"):
        open_source(folder)


def test_placeholders_stand_in_for_propensities_where_asked(tmp_path: Path) -> None:
    rounds = concatenate(open_source(campaign(tmp_path)).choices_to_estimate())
    assert rounds.propensity_source == "estimated"
    np.testing.assert_allclose(rounds.propensity, 1 / 3)


def test_segments_are_user_features(tmp_path: Path) -> None:
    folder = campaign(tmp_path)
    rounds = concatenate(open_source(folder, segment="user_feature_1").choices())
    assert rounds.names.segments == ["x"]
    with pytest.raises(LoggedDataError, match="no user feature"):
        open_source(folder, segment="age")


@pytest.mark.parametrize(
    ("policy", "name", "items", "clicks"),
    [
        ("random", "men", 34, 46),
        ("random", "women", 46, 46),
        ("bts", "men", 34, 69),
        ("bts", "women", 46, 46),
    ],
)
def test_the_published_files_hold_what_they_are_known_to_hold(
    policy: str, name: str, items: int, clicks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARQUEE_DATA", str(open_bandit_directory().parent))
    source = open_source(f"obd/{policy}/{name}")
    rounds = concatenate(source.choices())
    assert (len(rounds), rounds.action_count, int(rounds.reward.sum())) == (10_000, items, clicks)
    if policy == "random":
        np.testing.assert_allclose(rounds.propensity, 1 / items)
    with (source.path).open(newline="") as file:
        first = next(csv.DictReader(file))
    assert rounds.context is not None
    for feature in USER_FEATURES:
        column = rounds.names.contexts.index(f"{feature}={first[feature]}")
        assert rounds.context[0, column] == 1
    assert rounds.context[:, :-items].sum(axis=1).tolist() == [len(USER_FEATURES)] * 10_000


def test_the_published_files_stream_in_batches_of_one_size(tmp_path: Path) -> None:
    folder = shutil.copytree(open_bandit_directory() / "bts" / "men", tmp_path / "men")
    source = open_source(folder)
    batches = list(source.choices(999))
    assert [len(batch) for batch in batches] == [999] * 10 + [10]
    np.testing.assert_array_equal(
        concatenate(batches).context, concatenate(source.choices()).context
    )
