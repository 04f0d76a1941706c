"""Running the parts of a suite one after the other, and writing what they found."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import click

from benchmarks.figures import Board
from benchmarks.machine import RESULTS
from benchmarks.report import write_report


class Part(Protocol):
    """Measures something and adds it to the board; ``quick`` asks for little work."""

    def __call__(self, board: Board, *, quick: bool) -> None:
        """Measure."""


class Suite(NamedTuple):
    """Parts that are run by one command."""

    module: str
    """What is behind ``python -m``."""
    parts: Mapping[str, Part]
    whole: str
    """Name of the files, without ending, that a run of all parts writes."""
    partial: str


def run(suite: Suite, only: str, *, quick: bool) -> int:
    """Run all parts, or those that ``only`` names, separated by commas; return the exit code.

    Raises:
        click.UsageError: there is no such part.
    """
    names = [name.strip() for name in only.split(",") if name.strip()] or list(suite.parts)
    unknown = [name for name in names if name not in suite.parts]
    if unknown:
        raise click.UsageError(
            f"there is no part {unknown[0]!r}; use some of {', '.join(suite.parts)}"
        )
    board = Board(quick=quick, module=suite.module)
    measure(board, suite.parts, names, quick=quick)
    board.show()
    path = RESULTS / f"{suite.whole if names == list(suite.parts) else suite.partial}.json"
    board.write(path)
    write_report(board.results(), path.with_suffix(".html"))
    board.say(f"written to {os.path.relpath(path)} and {path.with_suffix('.html').name}")
    return 1 if board.failed else 0


def measure(board: Board, parts: Mapping[str, Part], names: Sequence[str], *, quick: bool) -> None:
    """Run parts one after the other; one that fails is noted, and the next one runs."""
    for name in names:
        board.begin(name)
        try:
            parts[name](board, quick=quick)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the others' work is kept
            traceback.print_exc()
            board.fail(name, error)
