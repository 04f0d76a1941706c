"""Which settings learn fastest: ``python -m benchmarks.learning_defaults [--quick]``.

The defaults of ``bandit/config/surfaces.py`` and of ``bandit/scoring.py`` are chosen by this
comparison. It runs the production code among simulated viewers (see
:mod:`benchmarks.learning_simulation`) over three seeds, the finals over six others, prints one
table and writes ``benchmarks/results/learning_defaults.json``. Equal seeds give equal figures.

In finals the defaults are run beside single changes to them, and the table shows the paired
difference of each over the seeds with its standard error: a change is worth making where it gains
more than twice that in one world and loses nothing in the other.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from typing import Final

import click
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from bandit.config.schema import ArtworkSurfaceConfig, RowsSurfaceConfig
from benchmarks.learning_search import (
    FINAL_SEEDS,
    Finding,
    Search,
    Worlds,
    search_artwork,
    search_rows,
)
from benchmarks.learning_simulation import Settings
from benchmarks.learning_worlds import WorldName
from benchmarks.machine import RESULTS, machine

PROCESSES: Final = 3
WIDTH: Final = 120
FULL: Final[Worlds] = {"example": (300, 1500, 3000), "synthetic": (300, 1500)}
QUICK: Final[Worlds] = {"example": (100, 300), "synthetic": (100, 300)}


@click.command()
@click.option("--quick", is_flag=True, help="A few settings on short runs, in under a minute.")
@click.option("--seeds", default=3, show_default=True, help="How many seeds to run.")
def main(*, quick: bool, seeds: int) -> None:
    """Compare learning settings and print one table."""
    # One core a trial: NumPy's own threads would fight over them.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    console = Console(width=WIDTH)
    began = time.monotonic()
    worlds = QUICK if quick else FULL

    def tell(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.0f} s[/] {text}")

    spawner = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(PROCESSES, os.cpu_count() or 1), spawner) as executor:
        search = Search(executor, range(1, seeds + 1), worlds, tell)
        artwork, rows = ArtworkSurfaceConfig(), RowsSurfaceConfig()
        search_artwork(
            search, Settings(model=artwork.model, exploration=artwork.exploration), quick=quick
        )
        search_rows(
            search,
            Settings(surface="rows", model=rows.model, ranking=rows.exploration),
            quick=quick,
        )
    console.print(_table(search.findings, worlds))
    seconds = time.monotonic() - began
    finals = f"finals: {len(FINAL_SEEDS)} other seeds, differences ± standard error"
    console.print(f"{seconds:.0f} s, {seeds} seeds; {finals}")
    _write(search.findings, worlds, seconds, quick=quick)


def _table(findings: list[Finding], worlds: Worlds) -> Table:
    table = Table(title="Share of the best possible lift, mean ± sd over seeds")
    table.add_column("stage")
    table.add_column("settings")
    for world, horizons in worlds.items():
        for horizon in horizons:
            table.add_column(f"{world}\n{horizon:,} pages", justify="right")
    for stage, group in groupby(findings, key=lambda finding: finding.stage):
        members = list(group)
        best = max(members, key=lambda finding: finding.merit)
        start = members[0] if "finals" in stage else None
        for finding in members:
            table.add_row(
                stage if finding is members[0] else "",
                finding.label,
                *(cell for world in worlds
                  for cell in _cells(finding, start, world, len(worlds[world]))),
                style="bold" if finding is best else "",
            )  # fmt: skip
        table.add_section()
    return table


def _cells(finding: Finding, start: Finding | None, world: WorldName, horizons: int) -> list[str]:
    """Return mean ± sd at each horizon, and in finals the paired difference to the first."""
    if world not in finding.shares:
        return ["—"] * horizons
    shares = np.array(finding.shares[world])
    cells = [
        f"{mean:.3f} ±{sd:.3f}" for mean, sd in zip(shares.mean(0), shares.std(0), strict=True)
    ]
    if start is None or start is finding:
        return cells
    gains = shares - np.array(start.shares[world])
    errors = gains.std(0, ddof=1) / np.sqrt(len(gains))
    return [
        f"{cell}\n{gain:+.3f} ±{error:.3f}"
        for cell, gain, error in zip(cells, gains.mean(0), errors, strict=True)
    ]


def _write(findings: list[Finding], worlds: Worlds, seconds: float, *, quick: bool) -> None:
    document = {
        "machine": machine(),
        "command": "python -m benchmarks.learning_defaults" + (" --quick" if quick else ""),
        "seconds": round(seconds),
        "horizons": worlds,
        "findings": [
            {
                "stage": finding.stage,
                "label": finding.label,
                "settings": finding.settings,
                "shares": finding.shares,
            }
            for finding in findings
        ],
    }
    RESULTS.mkdir(exist_ok=True)
    name = "learning_defaults_quick.json" if quick else "learning_defaults.json"
    content = msgspec.json.format(msgspec.json.encode(document), indent=1)
    (RESULTS / name).write_bytes(content + b"\n")


if __name__ == "__main__":
    main()
