"""``make bench``: every published number of speed and memory, in one run and one table.

``python -m benchmarks`` runs all parts and writes ``benchmarks/results/latest.json``; with
``--only learner,http`` some of them, and with ``--quick`` on tiny work, which both write
``benchmarks/results/partial.json`` instead. The learning settings are compared by
``python -m benchmarks.learning_defaults``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import click

from benchmarks.estimation import measure_estimation
from benchmarks.figures import Board
from benchmarks.freshness import measure_freshness
from benchmarks.http_pages import measure_http
from benchmarks.in_process import measure_in_process
from benchmarks.learner_speed import measure_learner
from benchmarks.machine import RESULTS
from benchmarks.real_pages import measure_real
from benchmarks.simulation_speed import measure_simulation
from benchmarks.streaming import measure_streaming

PARTS: Final[dict[str, Callable[..., None]]] = {
    "inprocess": measure_in_process,
    "learner": measure_learner,
    "http": measure_http,
    "freshness": measure_freshness,
    "real": measure_real,
    "estimation": measure_estimation,
    "simulation": measure_simulation,
    "streaming": measure_streaming,
}


@click.command()
@click.option("--only", default="", help=f"Some of {', '.join(PARTS)}; separate by commas.")
@click.option("--quick", is_flag=True, help="Tiny work: do the parts run at all?")
def main(*, only: str, quick: bool) -> None:
    """Measure speed and memory, and print one table."""
    names = [name.strip() for name in only.split(",") if name.strip()] or list(PARTS)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise click.UsageError(f"there is no part {unknown[0]!r}; use some of {', '.join(PARTS)}")
    board = Board()
    for name in names:
        board.begin(name)
        PARTS[name](board, quick=quick)
    board.show()
    whole = not quick and names == list(PARTS)
    path = RESULTS / ("latest.json" if whole else "partial.json")
    board.write(path)
    board.say(f"written to {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
