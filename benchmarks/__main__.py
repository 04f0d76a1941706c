"""``make bench``: every published number of speed and memory, in one run and one table.

``python -m benchmarks`` runs all parts and writes ``benchmarks/results/latest.json`` and ``.html``;
with ``--quick`` it does so on little work in under three minutes and notes that in the files. With
``--only learner,http`` it runs some parts and writes ``partial.json`` and ``.html`` instead. A part
that fails does not lose the others' figures, and makes the command fail in the end. The learning
settings are compared by ``python -m benchmarks.learning_defaults``.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from benchmarks.figures import Board
from benchmarks.machine import RESULTS
from benchmarks.parts import PARTS
from benchmarks.report import write_report


@click.command()
@click.option("--only", default="", help=f"Some of {', '.join(PARTS)}; separate by commas.")
@click.option("--quick", is_flag=True, help="Little work: under three minutes for all parts.")
def main(*, only: str, quick: bool) -> None:
    """Measure speed and memory, and print one table."""
    names = [name.strip() for name in only.split(",") if name.strip()] or list(PARTS)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise click.UsageError(f"there is no part {unknown[0]!r}; use some of {', '.join(PARTS)}")
    board = Board(quick=quick)
    measure(board, names, quick=quick)
    board.show()
    path = RESULTS / ("latest.json" if names == list(PARTS) else "partial.json")
    board.write(path)
    write_report(board.results(), path.with_suffix(".html"))
    board.say(f"written to {os.path.relpath(path)} and {path.with_suffix('.html').name}")
    sys.exit(1 if board.failed else 0)


def measure(board: Board, names: Sequence[str], *, quick: bool) -> None:
    """Run parts one after the other; one that fails is noted, and the next one runs."""
    for name in names:
        board.begin(name)
        try:
            PARTS[name](board, quick=quick)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the others' work is kept
            traceback.print_exc()
            board.fail(name, error)


if __name__ == "__main__":
    main()
