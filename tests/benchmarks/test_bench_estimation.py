"""The comparison of estimates on tiny work, without its peer; no figure is judged."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.estimation import CASES, QUICK, measure_estimation
from benchmarks.estimation_data import at_position, everywhere, read, write_rounds
from benchmarks.estimation_environment import VARIABLE, peer_python
from benchmarks.figures import Board


@pytest.mark.processes
def test_every_case_is_measured() -> None:
    told = io.StringIO()
    board = Board(Console(file=told, width=200))
    board.begin("estimation")
    measure_estimation(board, quick=True)
    for case in CASES:
        assert board.figures[f"estimation_{case.name}_s"].value > 0
    assert "obp is not measured" in told.getvalue()


def test_both_sides_are_given_the_same_numbers(tmp_path: Path) -> None:
    write_rounds(tmp_path, QUICK._replace(rounds=500))
    position, rows = read(tmp_path, "position"), np.arange(500)
    for name in ("target", "model"):
        dense = everywhere(tmp_path, name)[rows, :, position]
        assert np.allclose(at_position(tmp_path, name), dense, rtol=1e-12)
    propensity = at_position(tmp_path, "logging")[rows, read(tmp_path, "softmax_action")]
    assert (propensity == read(tmp_path, "softmax_propensity")).all()
    assert np.allclose(at_position(tmp_path, "target").sum(axis=1), 1)


def test_an_interpreter_without_the_peer_is_told_and_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, sys.executable)
    python, why = peer_python(lambda _: None)
    assert python is None
    assert VARIABLE in why
