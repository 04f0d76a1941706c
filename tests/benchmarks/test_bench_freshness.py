"""From a play to what is served, on as little work as shows that it is measured."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmarks.figures import Board
from benchmarks.freshness import LONGEST_S, measure_freshness


@pytest.mark.processes
def test_a_play_is_followed_until_it_is_served() -> None:
    board = Board(Console(file=io.StringIO()))
    board.begin("freshness")
    measure_freshness(board, quick=True)
    assert 0 < board.figures["feedback_to_served_p95_s"].value < LONGEST_S
