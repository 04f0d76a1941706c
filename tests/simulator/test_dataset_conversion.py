"""Logged data written in other formats: the same rounds come back, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vowpal_wabbit_next as vw
from click.testing import CliRunner, Result

from simulator.cli.exit_codes import MISCONFIGURED
from simulator.cli.root import main
from simulator.datasets import concatenate, concatenate_rankings, open_source
from simulator.datasets.dsjson_writing import write_dsjson
from simulator.datasets.table_writing import write_npz, write_parquet
from simulator.logged import LoggedChoices, LoggedRankings, Names

ROUNDS = 60


def written(directory: Path) -> Path:
    """Write choices out of sets of their own, with all that a dsjson file may tell."""
    random = np.random.default_rng(5)
    candidates = np.tile(np.arange(4, dtype=np.int32), (ROUNDS, 1))
    candidates[::3, 3] = -1
    rounds = LoggedChoices(
        action=random.integers(0, 3, ROUNDS).astype(np.int32),
        reward=random.integers(0, 2, ROUNDS).astype(float),
        propensity=random.uniform(0.1, 0.9, ROUNDS),
        action_count=4,
        candidates=candidates,
        position=random.integers(0, 5, ROUNDS).astype(np.int32),
        context=random.random((ROUNDS, 2)).astype(np.float32),
        item_features=np.eye(4, dtype=np.float32),
        cluster=random.integers(0, 9, ROUNDS),
        segment=random.integers(0, 2, ROUNDS).astype(np.int32),
        names=Names(("a", "b", "c", "d"), ("age", "user.tv"), ("w", "x", "y", "z"), ("new", "old")),
    )
    path = directory / "given.dsjson"
    write_dsjson(path, [rounds])
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["datasets", "convert", *map(str, arguments)])


@pytest.mark.parametrize("ending", ["dsjson", "parquet", "npz"])
def test_the_same_rounds_come_back(tmp_path: Path, ending: str) -> None:
    path, out = written(tmp_path), tmp_path / f"out.{ending}"
    result = run(path, "--out", out)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"60 rounds in {out}" in result.output
    given = concatenate(open_source(path).choices())
    found = concatenate(open_source(out).choices(7))
    for name in ("action", "reward", "propensity", "candidates", "position", "context", "segment"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name), err_msg=name)
    assert list(found.names.contexts) == list(given.names.contexts) == ["age", "user.tv"]
    assert list(found.names.segments) == ["new", "old"]
    assert given.cluster is not None
    assert found.cluster is not None
    pairs = set(zip(given.cluster.tolist(), found.cluster.tolist(), strict=True))
    assert len(pairs) == len(set(given.cluster.tolist())) == len(set(found.cluster.tolist()))
    if ending != "parquet":
        np.testing.assert_array_equal(found.item_features, given.item_features)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("write", [write_parquet, write_npz])
def test_sets_alike_and_columns_missing_come_back_so(tmp_path: Path, write: Any) -> None:
    plain = LoggedChoices(
        action=np.array([0, 1, 1], np.int32),
        reward=np.array([0.0, 1.0, 0.5]),
        propensity=np.full(3, 0.25),
        action_count=7,
    )
    path = tmp_path / f"plain.{'npz' if write is write_npz else 'parquet'}"
    assert write(path, [plain.take(slice(0, 2)), plain.take(slice(2, 3))]) == 3
    found = concatenate(open_source(path).choices())
    assert (found.action_count, found.candidates, found.context, found.cluster) == (7, *[None] * 3)
    np.testing.assert_array_equal(found.reward, plain.reward)


def test_stock_vw_reads_what_is_converted(tmp_path: Path) -> None:
    given = tmp_path / "rounds.npz"
    write_npz(given, open_source(written(tmp_path)).choices())
    out = tmp_path / "out.dsjson"
    assert run(given, "--out", out).exit_code == 0
    workspace: Any = vw.Workspace(["--quiet", "--cb_explore_adf"])
    with vw.DSJsonFormatReader(workspace, out.open()) as reader:
        assert sum(1 for _ in reader) == ROUNDS


def test_rankings_go_into_dsjson_alone(tmp_path: Path) -> None:
    rankings = LoggedRankings(
        items=np.array([[1, 0], [2, 1]], np.int32),
        propensity=np.full((2, 2), 0.5),
        reward=np.array([[0.0, 1.0], [0.0, 0.0]]),
        item_count=3,
    )
    path, out = tmp_path / "ccb.dsjson", tmp_path / "out.dsjson"
    write_dsjson(path, [rankings])
    result = run(path, "--out", out, "--surface", "rows")
    assert f"2 rankings in {out}" in result.output
    found = concatenate_rankings(open_source(out).rankings())
    np.testing.assert_array_equal(found.items, rankings.items)
    result = run(path, "--out", tmp_path / "out.npz")
    assert result.exit_code == MISCONFIGURED
    assert "tables hold single choices" in result.stderr
    assert not (tmp_path / "out.npz").exists()


def test_what_cannot_be_converted_is_refused_and_nothing_written(tmp_path: Path) -> None:
    path = written(tmp_path)
    kept = path.read_bytes()
    for out, told in (
        (tmp_path / "out.csv", "nothing tells what"),
        (tmp_path / "none" / "out.npz", "there is no directory"),
        (path, "over itself"),
    ):
        result = run(path, "--out", out)
        assert result.exit_code == MISCONFIGURED
        assert told in result.stderr
    assert path.read_bytes() == kept
    out = tmp_path / "out.parquet"
    out.write_text("as it was")
    rounds = concatenate(open_source(path).choices())
    nothing = tmp_path / "bad.npz"
    write_npz(nothing, [rounds])
    with np.load(nothing) as archive:
        arrays = dict(archive) | {"propensity": np.zeros(ROUNDS)}
    np.savez(nothing, **arrays)
    result = run(nothing, "--out", out)
    assert result.exit_code == MISCONFIGURED
    assert "propensity" in result.stderr
    assert out.read_text() == "as it was"
    assert not list(tmp_path.glob(".*"))


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text() + "{\n")
    result = run(path, "--out", tmp_path / "out.npz", "--skip-bad")
    assert "60 rounds in" in result.output
    assert "note: 1 wrong line left out" in result.output
