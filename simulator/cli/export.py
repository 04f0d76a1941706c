"""``marquee-sim export``: a live log's outcomes as Parquet, written by many at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simulator.cli.shared import options
from simulator.worker_options import worker_options, workers_of

if TYPE_CHECKING:
    from simulator.cluster import Cluster

SHARES = 16


@click.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Directory to make; an earlier export there is replaced as a whole.",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The service's TOML; without it, defaults and MARQUEE__… variables alone.",
)
@click.option(
    "--shares",
    default=SHARES,
    show_default=True,
    type=click.IntRange(1, 999),
    help="Into how many parts decisions are divided, each with files of its own. The files hang on "
    "this number, and on no other.",
)
@options(*worker_options)
@click.pass_context
def export(
    ctx: click.Context,
    /,
    out: Path,
    config_path: Path | None,
    shares: int,
    jobs: int,
    cluster: Cluster | None,
) -> None:
    """Write a log's decisions with their feedback as Parquet, by --jobs or a --cluster.

    It is what `marquee log export` writes, without stopping the service, in more files. Workers of
    a cluster must see the log and DIR under the same paths.

    \b
    Example:
      marquee-sim export --config marquee.toml --out exported --jobs 4
    """
    from bandit.config import load_config
    from simulator.progress import ShownWatch
    from simulator.studies.exporting import export_shares
    from simulator.wording import counted

    workers = workers_of(ctx, jobs, cluster)
    report = export_shares(
        load_config(config_path, os.environ), out, shares, jobs=workers, watch=ShownWatch()
    )
    manifest = report.manifest
    size = sum(file.bytes for file in manifest.files)
    click.echo(
        f"{counted(manifest.outcomes, 'decisions')} with their feedback in "
        f"{counted(len(manifest.files), 'files')}, {size:,} bytes: {out}"
    )
    click.echo(f"{counted(manifest.open_decisions, 'decisions')} are still open")
    for version in manifest.missing_catalogs:
        click.echo(f"note: catalog version {version} is lost: its decisions have no artworks")
    for notice in report.notices:
        click.echo(f"note: {notice}")
