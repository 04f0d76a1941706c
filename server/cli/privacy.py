"""``marquee privacy``: what a viewer may ask for."""

from __future__ import annotations

import getpass
from pathlib import Path

import click
import msgspec

from bandit.clock import WallClock
from bandit.erasure import Erasure
from bandit.types import Id
from server.cli.shared import config_option, print_table, read_config
from server.exit_codes import FAILED

REMAINS = """What remains:
- the models: sums over all viewers' pages, which hold no id and from which one viewer's part cannot
  be taken out. What was learned stays learned; what was still open is not learned any more.
- places in the log, with their times and the ids of decisions and events, which tell nothing of
  what was in them.
- backups, exports that were not named, and whatever callers and proxies keep: erase or remove
  those as well. A backup brings back what it holds; erase again after restoring one.
- a line in keeping/erasures.jsonl of the log: when, by whom, how many; the id as a keyed hash."""

IN_CLUSTER = """In a cluster: run it on every machine. What is on its way through Redis stays there
until it is learned and trimmed, while somebody learns some reward windows at most, and what is open
there is learned."""


@click.group()
def privacy() -> None:
    """Erase what is stored of a viewer.

    \b
    Example:
      marquee privacy erase --viewer viewer-7 --config marquee.toml
    """


def _lawful(_ctx: click.Context, _option: click.Parameter, viewer: str) -> str:
    """Refuse what no page can have carried: the empty text is part of whatever is stored."""
    try:
        return msgspec.convert(viewer, Id)
    except msgspec.ValidationError as error:
        raise click.BadParameter(
            f"{viewer!r} is no viewer's id: those are 1 to 256 of the characters "
            "A-Z a-z 0-9 _ . : @ / -"
        ) from error


@privacy.command()
@click.option(
    "--viewer",
    required=True,
    metavar="ID",
    callback=_lawful,
    help="The viewer's id, as callers send it.",
)
@click.option(
    "--export",
    "exports",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="An export to take the viewer out of; may be given more than once.",
)
@click.option(
    "--timeout-s",
    default=120.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="How long to wait for a running service. What is outstanding then is told and goes on.",
)
@config_option
@click.pass_context
def erase(
    ctx: click.Context,
    viewer: str,
    exports: tuple[Path, ...],
    timeout_s: float,
    config_path: Path | None,
) -> None:
    """Erase a viewer's decisions and feedback from the log and from exports.

    Works beside a running service, whose processes then each do their part, and without one. It
    may be repeated, and goes on where it was ended before.

    \b
    Example:
      marquee privacy erase --viewer viewer-7 --export exported --config marquee.toml
    """
    config = read_config(config_path)
    erasure = Erasure(
        config, WallClock.from_environment(), _who(), lambda what: click.echo(what, err=True)
    )
    erased = erasure.erase(viewer, exports, timeout_s)
    print_table(("where", "erased"), sorted(erased.counts.items()))
    if erased.outstanding:
        click.echo("Not done yet; run it again to go on:")
        print_table(("where", "why"), sorted(erased.outstanding.items()))
        ctx.exit(FAILED)
    click.echo(REMAINS)
    if config.cluster.redis_url is not None:
        click.echo(IN_CLUSTER)


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
