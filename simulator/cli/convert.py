"""``marquee-sim datasets convert``: logged data in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simulator.cli.log_options import reading_options, source_of
from simulator.cli.outputs import check_writable
from simulator.errors import SimulatorError


@click.command()
@click.argument("logs")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Its name ends in .dsjson, .parquet or .npz; what is there is written over.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Production's TOML whose reward rule and exposure our own logs are read by.",
)
@reading_options
def convert(logs: str, out: Path, config: Path | None, **given: Any) -> None:
    """Write the rounds of LOGS as dsjson, Parquet or NPZ.

    LOGS is whatever `marquee-sim evaluate` takes. Vowpal Wabbit reads the .dsjson with --dsjson
    and --cb_explore_adf, or --ccb_explore_adf for orders of rows, which dsjson alone can hold. Of
    the tables, .npz keeps the features of items, and is put together in memory.

    \b
    Example:
      marquee-sim datasets convert sample --out sample.dsjson
    """
    from simulator.datasets.conversion import check_suffix
    from simulator.datasets.conversion import convert as run
    from simulator.progress import ShownWatch
    from simulator.wording import counted

    check_suffix(out)
    check_writable(out)
    source = source_of(logs, given, config)
    rankings = given["surface"] == "rows" or source.kind == "rankings"
    try:
        count = run(source, out, rankings=rankings, watch=ShownWatch())
    except OSError as error:
        raise SimulatorError(
            f"{out} cannot be written: {error.strerror}", hint="name another file"
        ) from error
    click.echo(f"{counted(count, 'rankings' if rankings else 'rounds')} in {out}")
    for note in source.notes:
        click.echo(f"note: {note}")
