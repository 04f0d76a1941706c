"""``marquee state``: the whole state backed up beside a running service, verified, and restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from bandit.backups import BackupManifest, back_up
from bandit.backups import restore as put_back
from bandit.backups import verify as check
from bandit.backups.copying import Progress as Told
from bandit.backups.making import work_bytes
from bandit.backups.manifest import read_manifest
from bandit.clock import WallClock
from bandit.config.schema import Config
from server.cli.shared import config_option, print_table, read_config
from server.run_directory import RunDirectory

_backup = click.argument("backup", type=click.Path(path_type=Path, file_okay=False))


@click.group()
def state() -> None:
    """Back up, verify and restore all that a service knows.

    \b
    Example:
      marquee state backup /backups/monday --config marquee.toml
    """


@state.command()
@click.argument("destination", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--without-secrets",
    is_flag=True,
    help="Leave out the keys that the service made: tokens and snapshots signed with them will be "
    "refused where it is restored, unless the keys are brought there.",
)
@config_option
def backup(destination: Path, without_secrets: bool, config_path: Path | None) -> None:
    """Copy the whole state to a new directory; safe beside a running server under load.

    What was acknowledged before it began is in it: log, journals, the learner's checkpoint,
    snapshots, catalogs and, unless left out, the keys that the service made. The configuration and
    key files that it names are not. Guard the copy as you guard the state itself.

    \b
    Example:
      marquee state backup /backups/monday --config marquee.toml
    """
    config = read_config(config_path)
    with _bar("backing up", work_bytes(config)) as progress:
        manifest = back_up(
            config,
            destination,
            WallClock.from_environment(),
            secrets=not without_secrets,
            progress=progress,
        )
    _tell(manifest)
    click.echo(f"{destination}: backed up")


@state.command()
@_backup
def verify(backup: Path) -> None:
    """Check every file of a backup against its digest, and read what it holds.

    \b
    Example:
      marquee state verify /backups/monday
    """
    with _bar("verifying", _bytes(backup)) as progress:
        found = check(backup, progress)
    _tell(found.manifest)
    for notice in found.notices:
        click.echo(notice, err=True)
    click.echo(f"{backup}: whole")


@state.command()
@_backup
@config_option
def restore(backup: Path, config_path: Path | None) -> None:
    """Put a backup where the configuration has the state, which must be empty or not there.

    The backup is verified first. Move a state that is in the way aside; nothing is restored over
    it. Then start `marquee serve`: it serves the same snapshots and catalog, and learns on.

    \b
    Example:
      marquee state restore /backups/monday --config marquee.toml
    """
    config = read_config(config_path)
    with (
        closing(RunDirectory(Path(config.server.run_directory))),
        _bar("restoring", 2 * _bytes(backup)) as progress,
    ):
        restored = put_back(config, backup, progress)
    _tell(restored.manifest)
    now_us = WallClock.from_environment().now_us()
    for notice in [*restored.notices, *age_notices(restored.manifest, config, now_us)]:
        click.echo(notice, err=True)
    click.echo(f"{backup}: restored")


def age_notices(manifest: BackupManifest, config: Config, now_us: int) -> list[str]:
    """Return what follows from a backup's age for what is restored from it."""
    retention_s, age_s = config.log.retention_s, (now_us - manifest.began_at_us) / 1e6
    if retention_s is None or age_s <= retention_s:
        return []
    return [
        f"the backup is {age_s / 86_400:.1f} days old, and log.retention_s keeps "
        f"{retention_s / 86_400:.1f}: what its log holds is removed as soon as it is learned; to "
        "keep it, raise log.retention_s before you start the service"
    ]


def _bytes(backup: Path) -> int:
    return sum(file.bytes for file in read_manifest(backup).files)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Told]:
    """Show a bar of bytes on standard error; none where that is no terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)


def _tell(manifest: BackupManifest) -> None:
    rows = [(spool.name, spool.records, spool.last_sequence) for spool in manifest.spools]
    print_table(("spool", "records", "last"), rows)
    parts: dict[str, list[int]] = {}
    for file in manifest.files:
        parts.setdefault(file.path.partition("/")[0], []).append(file.bytes)
    print_table(
        ("part", "files", "bytes"),
        [(name, len(sizes), sum(sizes)) for name, sizes in parts.items()],
    )
    served = [
        ("catalog", manifest.catalog or "none"),
        *manifest.snapshots.items(),
        *((f"challenger's {name}", each) for name, each in manifest.challenger_snapshots.items()),
    ]
    print_table(("served", "version"), served)
