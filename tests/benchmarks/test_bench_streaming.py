"""The streaming benchmark on little work; no figure is judged."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import streaming
from benchmarks.figures import Board


def test_the_limited_process_finds_the_known_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "DIRECTORY", tmp_path / "streaming")
    told = io.StringIO()
    board = Board(Console(file=told, width=200))
    streaming.measure_streaming(board, quick=True)
    assert set(board.figures) == {
        "streaming_seconds",
        "streaming_rows_per_second",
        "streaming_peak_rss_mb",
    }
    assert "snips 0.10" in told.getvalue()
    assert sum(1 for _ in (tmp_path / "streaming-quick").glob("*.parquet")) == 1


def test_rows_that_are_there_are_not_made_again(tmp_path: Path) -> None:
    streaming.make_rows(tmp_path, 1000)
    (path,) = tmp_path.iterdir()
    before = path.stat().st_mtime_ns
    streaming.make_rows(tmp_path, 1000)
    assert path.stat().st_mtime_ns == before
