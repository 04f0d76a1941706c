"""Where a result goes: tables on the screen, JSON and Parquet in files."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
from rich.console import Console
from rich.table import Table

from bandit.files import write_atomically
from simulator.cli.exit_codes import FAILED, INTERRUPTED
from simulator.errors import SimulatorError
from simulator.results import Interval, Result

STDOUT = Path("-")
PIPED_WIDTH = 200


class Outputs(NamedTuple):
    """Where a result is to go."""

    json: Path | None
    parquet: Path | None

    @property
    def shows_tables(self) -> bool:
        """Whether standard output is for people."""
        return self.json != STDOUT


def keep(result: Result, flat: Iterable[dict[str, Any]], outputs: Outputs) -> None:
    """Write a result where it is to go, whole or not at all.

    Raises:
        SimulatorError: a file cannot be written.
    """
    encoded = msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"
    if outputs.json == STDOUT:
        click.echo(encoded, nl=False)
    elif outputs.json is not None:
        _write(outputs.json, encoded)
    if outputs.parquet is not None:
        _write(outputs.parquet, _parquet(list(flat)))


def check_writable(*paths: Path | None) -> None:
    """Check, before any work is done, that files can be written.

    Raises:
        SimulatorError: a directory is missing, or is none.
    """
    for path in paths:
        if path is not None and path != STDOUT and not path.parent.is_dir():
            raise SimulatorError(
                f"{path} cannot be written: there is no directory {path.parent}",
                hint="make the directory first, or name another file",
            )


def end(ctx: click.Context, *, interrupted: bool, empty: bool = False) -> None:
    """Leave with the exit code that tells how it went."""
    if interrupted:
        click.echo("interrupted: what was done is above", err=True)
        ctx.exit(INTERRUPTED)
    if empty:
        ctx.exit(FAILED)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; columns of numbers stand to the right."""
    lines = list(rows)
    if not lines:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, heading in enumerate(headings):
        numbers = all(_is_number(line[column]) for line in lines)
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for line in lines:
        table.add_row(*map(cell, line))
    Console(file=sys.stdout, width=table_width(), highlight=False).print(table)


def table_width() -> int:
    """Return how many columns a table may take: a pipe gets whole lines, however long."""
    return Console(file=sys.stdout).width if sys.stdout.isatty() else PIPED_WIDTH


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | None) and not isinstance(value, bool)


def cell(value: object) -> str:
    """Return a value as tables have it: numbers with four digits that count."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return str(value)


def bounds(interval: Interval) -> str:
    """Return an interval as tables have it."""
    return f"[{cell(interval.low)}, {cell(interval.high)}]"


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except OSError as error:
        raise SimulatorError(
            f"{path} cannot be written: {error.strerror}", hint="name another file"
        ) from error


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    held = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), held)
    return held.getvalue()
