"""The root command and the commands that belong to no group."""

from __future__ import annotations

import os
from pathlib import Path

import click

from server.cli.catalog import catalog
from server.cli.challenger import challenger
from server.cli.cluster import cluster
from server.cli.config import config
from server.cli.explain import explain
from server.cli.log import log
from server.cli.privacy import privacy
from server.cli.relearn import relearn_command as relearn
from server.cli.shared import ErrorsTold, config_option
from server.cli.snapshots import snapshots
from server.cli.state import state
from server.cli.status import status
from server.openapi import openapi_json


@click.group(cls=ErrorsTold, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="marquee", prog_name="marquee")
def main() -> None:
    """Personalize a streaming homepage: artwork of titles, order of rows."""


@main.command()
@config_option
@click.pass_context
def serve(ctx: click.Context, config_path: Path | None) -> None:
    """Serve and learn until SIGTERM or Ctrl-C.

    Starts the scoring processes and the learner, and starts again whichever dies. SIGTERM drains
    and ends everything in order; a second one hurries. SIGHUP reads the configuration again.

    \b
    Example:
      marquee serve --config marquee.toml
    """
    # Imported here, as the other commands need no server.
    from server.serve import serve as run

    ctx.exit(run(config_path, os.environ))


@main.command()
def openapi() -> None:
    """Print the HTTP API's description, OpenAPI 3.1 in JSON.

    \b
    Example:
      marquee openapi > openapi.json
    """
    click.echo(openapi_json(), nl=False)


for command in (
    config,
    catalog,
    challenger,
    cluster,
    explain,
    snapshots,
    log,
    privacy,
    relearn,
    state,
    status,
):
    main.add_command(command)
