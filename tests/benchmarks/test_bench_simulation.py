"""The simulation's figures on tiny work, so that their making does not rot; none is judged."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.figures import Board
from benchmarks.simulation_speed import measure_carousel, measure_simulation


def test_homepages_and_carousels_are_measured() -> None:
    board = Board(Console(file=io.StringIO()))
    board.begin("simulation")
    measure_simulation(board, quick=True)
    wanted = {f"homepage_{name}_pages_per_s" for name in ("uniform", "logged", "oracle")}
    assert wanted <= set(board.figures)
    assert all(figure.value > 0 for figure in board.figures.values())
    assert board.figures["homepage_uniform_pages_per_s"].target == "≥ 50000"


def test_a_carousel_without_its_data_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MARQUEE_DATA", raising=False)
    monkeypatch.setattr("benchmarks.simulation_speed.DEEZER", tmp_path / "none")
    shown = io.StringIO()
    board = Board(Console(file=shown, width=200))
    measure_carousel(board, 1, 10)
    assert not board.figures
    assert "no carousel" in shown.getvalue()
