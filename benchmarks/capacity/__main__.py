"""``python -m benchmarks.capacity``: the paper beside its simulation, ``results/capacity.json``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.capacity.drawing import draw
from benchmarks.capacity.inputs import MEASURED
from benchmarks.capacity.measuring import measure_all
from benchmarks.capacity.sheet import Sheet, filled, findings, sheets, told
from benchmarks.capacity.simulation import (
    QUICK,
    SERVICE,
    SLICE,
    Case,
    disagreements,
    paper,
    simulate,
)
from benchmarks.figures import WIDTH
from benchmarks.machine import RESULTS

SEED: Final = 1
_PICTURE: Final = "capacity.svg"

Columns = dict[str, dict[str, float]]


@click.command()
@click.option("--measure", is_flag=True, help="Weigh anew what the paper starts from.")
@click.option("--quick", is_flag=True, help="The slice alone, and little of it: under 30 s.")
@click.option("--seed", default=SEED, show_default=True, help="Of all that is drawn by chance.")
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False),
    default=RESULTS / _PICTURE,
    show_default=_PICTURE,
    help="Where the picture goes.",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A document whose marked tables are made anew.",
)
def main(*, measure: bool, quick: bool, seed: int, svg: Path, page: Path | None) -> None:
    """Work out what 20 million decisions a second take, and simulate it under failures."""
    console = Console(width=WIDTH)
    if measure:
        _measure(console, quick=quick)
        return
    began, case = time.monotonic(), Case.of()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:4.0f} s[/] {text}")

    columns: Columns = {"paper": paper(case)}
    scales = {"slice": QUICK} if quick else {"slice": SLICE, "service": SERVICE}
    for name, scale in scales.items():
        say(f"[bold]{name}")
        columns[name] = simulate(case, scale, seed, say)
    RESULTS.mkdir(exist_ok=True)
    draw(case, SLICE, svg)
    tables = {**sheets(case), "findings": findings(columns)}
    for table in tables.values():
        console.print(_shown(table))
    if page is not None:
        page.write_text(filled(page.read_text(), tables))
    path = RESULTS / "capacity.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(columns), indent=1) + b"\n")
    say(f"written to {os.path.relpath(path)} and {os.path.relpath(svg)}")
    off = {one for name in columns for one in disagreements(columns["paper"], columns[name])}
    if off:
        console.print(f"[red]paper and simulation differ[/] in {', '.join(sorted(off))}")
    sys.exit(1 if off else 0)


def _measure(console: Console, *, quick: bool) -> None:
    """Tell each figure that can be weighed here, beside the one that the paper starts from."""
    for name, value in measure_all(quick=quick):
        known = MEASURED.get(name)
        beside = "" if known is None else f", on paper {told(known.value)} {known.unit}"
        console.print(f"{name} {told(value)}{beside}")


def _shown(sheet: Sheet) -> Table:
    table = Table()
    for name in sheet.head:
        table.add_column(name)
    for row in sheet.rows:
        table.add_row(*row)
    return table


if __name__ == "__main__":
    main()
