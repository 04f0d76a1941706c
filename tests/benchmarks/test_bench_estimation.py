"""The comparison of estimates on tiny work, without its peer; no figure is judged."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.environments import OBP
from benchmarks.estimation import CASES, QUICK, compare, measure_cases
from benchmarks.estimation_data import at_position, everywhere, read, write_rounds
from benchmarks.estimation_workers import Outcome
from benchmarks.figures import Board


@pytest.mark.processes
def test_every_case_is_measured() -> None:
    board = Board(Console(file=io.StringIO()))
    board.begin("estimation")
    measure_cases(board, QUICK, None)
    for case in CASES:
        assert board.figures[f"estimation_{case.name}_s"].value > 0


def test_what_the_peer_took_is_set_against_ours() -> None:
    board = Board(Console(file=io.StringIO()))
    board.begin("estimation")
    ours, peer = Outcome(2.0, 10.0, 0.5, 0.4, 0.6), Outcome(60.0, 900.0, 0.5, 0.3, 0.7)
    for case in CASES:
        compare(board, case, QUICK, (ours, ours._replace(seconds=1.0), peer))
    for name in ("ope_ips_ratio_obp", "ope_dr_ratio_obp", "ope_slate_ratio_obp"):
        assert board.figures[name].value == 60
        assert board.figures[name].met


def test_a_peer_that_finds_another_value_fails_the_run() -> None:
    ours, peer = Outcome(2.0, 10.0, 0.5, 0.4, 0.6), Outcome(60.0, 900.0, 0.51, 0.3, 0.7)
    with pytest.raises(AssertionError, match=r"obp's value is 0\.51"):
        compare(Board(Console(file=io.StringIO())), CASES[0], QUICK, (ours, ours, peer))


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
    monkeypatch.setenv(OBP.variable, sys.executable)
    python, why = OBP.python(lambda _: None)
    assert python is None
    assert OBP.variable in why
