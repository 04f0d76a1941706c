"""What commands share: the --config option, how errors look, how tables look."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from bandit.config import Config, load_config
from bandit.errors import MarqueeError
from server.exit_codes import MISCONFIGURED

Command = TypeVar("Command", bound=Callable[..., Any])


class ErrorsTold(click.Group):
    """A group whose commands tell errors of ours in two lines, and exit with 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except MarqueeError as error:
            # The first argument is the sentence as it was raised, with its path or place.
            click.echo(f"error: {error.message}", err=True)
            if error.hint:
                click.echo(f"hint: {error.hint}", err=True)
            ctx.exit(MISCONFIGURED)


def config_option(command: Command) -> Command:
    """Add ``--config FILE``."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The TOML file; without it, defaults and MARQUEE__… variables alone.",
    )(command)


def read_config(path: Path | None) -> Config:
    """Return the configuration in force.

    Raises:
        ConfigError: it is wrong.
    """
    return load_config(path, os.environ)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; columns of counts stand to the right."""
    lines = list(rows)
    table = Table(box=None, pad_edge=False, header_style="bold")
    counts = [
        all(isinstance(line[column], int) for line in lines) for column in range(len(headings))
    ]
    for heading, counted in zip(headings, counts, strict=True):
        table.add_column(heading, justify="right" if counted else "left", overflow="fold")
    for line in lines:
        cells = zip(line, counts, strict=True)
        table.add_row(*(f"{cell:,}" if counted else str(cell) for cell, counted in cells))
    # A pipe gets whole lines, however long.
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200).print(table)
