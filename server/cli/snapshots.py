"""``marquee snapshots``: published models, which one is served, and their bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from bandit.clock import MICROSECONDS
from bandit.config import Config
from bandit.errors import MarqueeError
from bandit.files import write_atomically
from bandit.secret_keys import known_snapshot_keys
from bandit.snapshots import FileSnapshotStore, Manifest
from bandit.types import SURFACES, Surface
from server.cli.shared import config_option, print_table, read_config

_surface = click.option(
    "--surface",
    type=click.Choice(SURFACES),
    default="artwork",
    show_default=True,
    help="Whose model.",
)


class NothingPublishedError(MarqueeError):
    """There is no key yet with which snapshots are signed, so that there are none."""


@click.group()
def snapshots() -> None:
    """List, serve and export published models.

    \b
    Example:
      marquee snapshots list --config marquee.toml
    """


@snapshots.command(name="list")
@config_option
def list_(config_path: Path | None) -> None:
    """List all kept snapshots, newest first.

    \b
    Example:
      marquee snapshots list --config marquee.toml
    """
    store = _store(read_config(config_path))
    rows = [
        _row(manifest, served.version if served else None, pinned=bool(served and served.pinned))
        for surface in SURFACES
        for served in [store.pointer(surface)]
        for manifest in store.versions(surface)
    ]
    print_table(("surface", "version", "made (UTC)", "examples", "bytes", "served"), rows)


@snapshots.command()
@click.argument("version")
@_surface
@config_option
def activate(version: str, surface: Surface, config_path: Path | None) -> None:
    """Serve a snapshot, and stay there unless it is the newest.

    \b
    Example:
      marquee snapshots activate 000000012-1a2b3c4d --surface artwork --config marquee.toml
    """
    pointer = _store(read_config(config_path)).activate(surface, version)
    stays = "stays there" if pointer.pinned else "newer ones follow"
    click.echo(f"{surface}: serving {pointer.version}; {stays}")


@snapshots.command()
@click.argument("version")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Where to write."
)
@_surface
@config_option
def export(version: str, out: Path, surface: Surface, config_path: Path | None) -> None:
    """Write a snapshot's model as Vowpal Wabbit opens it (vw -i FILE).

    \b
    Example:
      marquee snapshots export 000000012-1a2b3c4d --out artwork.vw --config marquee.toml
    """
    snapshot = _store(read_config(config_path)).load(surface, version)
    try:
        write_atomically(out, snapshot.model)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}") from error
    click.echo(f"{out}: {len(snapshot.model):,} bytes")


def _store(config: Config) -> FileSnapshotStore:
    keys = known_snapshot_keys(config)
    if keys is None:
        # Made here, the key could belong to somebody whose files the service cannot read.
        raise NothingPublishedError(
            f"nothing was published yet: {config.auth.secrets_directory} holds no key for it",
            hint="start `marquee serve`, or give the same --config as it has, where it was started",
        )
    return FileSnapshotStore(Path(config.snapshots.directory), keys)


def _row(manifest: Manifest, served: str | None, *, pinned: bool) -> tuple[object, ...]:
    made = datetime.fromtimestamp(manifest.created_at_us / MICROSECONDS, UTC)
    mark = "" if manifest.version != served else "pinned" if pinned else "yes"
    return (
        manifest.surface,
        manifest.version,
        made.strftime("%Y-%m-%d %H:%M:%S"),
        manifest.examples_learned,
        sum(file.size for file in manifest.files.values()),
        mark,
    )
