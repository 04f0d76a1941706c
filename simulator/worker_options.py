"""The options of every command whose work is shared: processes of this machine, or a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from bandit.errors import MarqueeError

if TYPE_CHECKING:
    from simulator.cluster import Cluster
    from simulator.jobs import Workers


def _cluster(ctx: click.Context, param: click.Parameter, value: str | None) -> Cluster | None:
    if value is None:
        return None
    from simulator.cluster import cluster_at

    try:
        return cluster_at(value)
    except MarqueeError as error:
        raise click.BadParameter(f"{error.message}: {error.hint}", ctx, param) from error


worker_options = (
    click.option(
        "--jobs",
        default=1,
        show_default=True,
        type=click.IntRange(1, 1024),
        help="Processes to share the work; the numbers are the same bit by bit.",
    ),
    click.option(
        "--cluster",
        callback=_cluster,
        metavar="tcp://HOST:PORT",
        help="The scheduler of a Dask cluster to share the work, in place of --jobs; the numbers "
        "are the same bit by bit.",
    ),
)


def workers_of(ctx: click.Context, jobs: int, cluster: Cluster | None) -> Workers:
    """Return who shares the work.

    Raises:
        click.UsageError: both processes and a cluster were asked for.
    """
    if cluster is None:
        return jobs
    if ctx.get_parameter_source("jobs") is not ParameterSource.DEFAULT:
        raise click.UsageError("--jobs and --cluster exclude each other: give one of them")
    return cluster
