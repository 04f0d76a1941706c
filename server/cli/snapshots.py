"""``marquee snapshots``: published models, which one is served, and their bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from bandit.clock import MICROSECONDS, WallClock
from bandit.config import Config
from bandit.errors import MarqueeError, SnapshotError
from bandit.files import write_atomically
from bandit.keys import KeyRing, read_keys
from bandit.secret_keys import known_snapshot_keys, snapshot_keys
from bandit.snapshot_import import import_directory, import_model
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
    """List, serve, export and import published models.

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
    store = snapshot_store(read_config(config_path))
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
    pointer = snapshot_store(read_config(config_path)).activate(surface, version)
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
    snapshot = snapshot_store(read_config(config_path)).load(surface, version)
    try:
        write_atomically(out, snapshot.model)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}") from error
    click.echo(f"{out}: {len(snapshot.model):,} bytes")


@snapshots.command(name="import")
@click.argument("source", type=click.Path(path_type=Path), metavar="FILE_OR_DIRECTORY")
@click.option(
    "--keys",
    "keys_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Keys of the installation that signed it; without it, our own.",
)
@click.option(
    "--unsigned", is_flag=True, help="Take it though nobody vouches for it: it could be anybody's."
)
@_surface
@config_option
def import_(
    source: Path,
    keys_file: Path | None,
    unsigned: bool,
    surface: Surface,
    config_path: Path | None,
) -> None:
    """Take over a model that another Marquee learned; it is not served until it is activated.

    A directory is one version of the other's snapshots; its manifest must be signed with a key of
    --keys, and tells its surface. A file is what `marquee snapshots export` writes; nobody signs
    it, so that it needs --unsigned. The model must be configured alike here and there. It is
    loaded in a process that may be lost, checked, and signed with our own key.

    \b
    Example:
      marquee snapshots import other/artwork/000000042-1a2b3c4d --keys other.keys
      marquee snapshots import artwork.vw --surface artwork --unsigned
    """
    config = read_config(config_path)
    keys = None if unsigned else _foreign_keys(source, keys_file, config)
    store = FileSnapshotStore(Path(config.snapshots.directory), snapshot_keys(config))
    if unsigned:
        click.echo(
            f"warning: {source} is taken without a signature: whoever wrote it decides what is "
            "served once it is activated",
            err=True,
        )
    if source.is_dir():
        manifest = import_directory(config, source, keys, store)
    else:
        now_us = WallClock.from_environment().now_us()
        manifest = import_model(config, source, surface, now_us, store)
    click.echo(
        f"{manifest.surface}: imported as {manifest.version}, {manifest.examples_learned:,} "
        "examples learned; what is served stays\n"
        f"to serve it: marquee snapshots activate {manifest.version} --surface {manifest.surface}"
    )


def _foreign_keys(source: Path, keys_file: Path | None, config: Config) -> KeyRing:
    """Return the keys of which one must have signed what is imported."""
    if not source.is_dir():
        raise SnapshotError(
            f"{source}: a bare model has no signature",
            hint="import the snapshot's directory with --keys, or say --unsigned if you know where "
            "the file comes from",
        )
    return read_keys(keys_file) if keys_file is not None else snapshot_keys(config)


def snapshot_store(config: Config) -> FileSnapshotStore:
    """Return the store of published models, for one who makes no keys.

    Raises:
        NothingPublishedError: there is no key yet.
        ConfigError: the keys cannot be read.
    """
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
