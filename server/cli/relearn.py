"""``marquee relearn``: rebuild the models from the log, under another configuration."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from bandit.clock import WallClock
from bandit.config import Config
from bandit.errors import MarqueeError
from bandit.relearning import (
    Relearned,
    adopt,
    check_adoptable,
    days_held,
    examples_of,
    relearn,
)
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, Manifest
from bandit.types import SURFACES, Surface
from server.cli.shared import config_option, print_table, read_config


@click.command(name="relearn")
@config_option
@click.option(
    "--surface",
    "surfaces",
    type=click.Choice(SURFACES),
    multiple=True,
    help="Whose model to keep; all, unless given.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIRECTORY",
    help="Write the models there, as a directory of snapshots.",
)
@click.option("--publish", is_flag=True, help="Put the models among the service's snapshots.")
@click.option(
    "--activate", is_flag=True, help="Serve them as well, and stay there; with --publish."
)
@click.option(
    "--adopt",
    "is_adopted",
    is_flag=True,
    help="Let the service's learner go on from here; only while the service is stopped.",
)
def relearn_command(
    config_path: Path | None,
    surfaces: tuple[Surface, ...],
    out: Path | None,
    publish: bool,
    activate: bool,
    is_adopted: bool,
) -> None:
    """Learn the whole log again, under the configuration given.

    The configuration names the log and the catalog that the service has; everything else may be
    different. A running service goes on meanwhile and is not touched: what is learned lies in a
    directory of its own beneath TMPDIR, which goes when the command ends, by Ctrl-C as well.

    \b
    Example:
      marquee relearn --config tried.toml --out tried
      marquee relearn --config marquee.toml --publish --activate
    """
    if activate and not publish:
        raise click.UsageError("--activate serves what --publish has put among the snapshots")
    if is_adopted and surfaces:
        raise click.UsageError("--adopt takes over all that was learned: leave out --surface")
    config = read_config(config_path)
    os.nice(config.learner.niceness)
    clock = WallClock.from_environment()
    with _disk_errors_told(), tempfile.TemporaryDirectory(prefix="marquee-relearn-") as name:
        directory = Path(name)
        if is_adopted:
            check_adoptable(config, clock.now_us())
        found = _kept(_learned(config, directory, clock), surfaces or SURFACES)
        stored = _stored(config, found, out, publish=publish, activate=activate)
        if is_adopted:
            adopt(config, directory, clock.now_us())
    _tell(found, stored)
    if is_adopted:
        click.echo("the service's learner goes on from here once it is started")


def _learned(config: Config, directory: Path, clock: WallClock) -> Relearned:
    columns = (
        TextColumn("learning the log"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        return relearn(config, directory, clock, lambda part: bar.update(task, completed=part))


def _kept(found: Relearned, surfaces: Sequence[Surface]) -> Relearned:
    """Return what was made of some surfaces.

    Raises:
        NothingLearnedError: that is nothing.
    """
    models = {name: one for name, one in found.models.items() if name in surfaces}
    if models:
        return found._replace(models=models)
    if found.refusal is not None:
        raise NothingLearnedError(
            f"what was learned makes no model: {found.refusal}",
            hint="see surfaces.*.model: a smaller learning_rate keeps weights within bounds",
        )
    raise NothingLearnedError(
        f"nothing was learned: {sum(found.counts.outcomes.values())} outcomes taught no model",
        hint="see surfaces.*.mode and learn_from, and whether feedback is in the log",
    )


def _stored(
    config: Config, found: Relearned, out: Path | None, *, publish: bool, activate: bool
) -> dict[Surface, Manifest]:
    """Store the models where that was asked for; return the manifests of the last place."""
    stored: dict[Surface, Manifest] = {}
    places = [out] if out is not None else []
    places += [Path(config.snapshots.directory)] if publish else []
    for place in places:
        store = FileSnapshotStore(place, snapshot_keys(config))
        for surface, model in found.models.items():
            details = model.manifest.details_without_parent()
            stored[surface] = store.add(surface, model.arrays, model.model, details)
    if activate:
        for surface, manifest in stored.items():
            store.activate(surface, manifest.version, stays=True)
    return stored


def _tell(found: Relearned, stored: dict[Surface, Manifest]) -> None:
    examples = examples_of(found.counts)
    print_table(
        ("surface", "examples", "version"),
        [
            (surface, examples[surface], stored[surface].version if surface in stored else "–")
            for surface in found.models
        ],
    )
    outcomes = sum(found.counts.outcomes.values())
    click.echo(
        f"{outcomes:,} outcomes over {days_held(found):.2f} days; {found.open_decisions:,} "
        f"decisions are still open, {found.dead_letters:,} records were set aside"
    )
    if not found.is_whole:
        click.echo(
            "the log does not reach back to its beginning (log.retention_s): these models know "
            "what it still holds, and may know less than those that learned all of it"
        )


@contextmanager
def _disk_errors_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RelearnDiskError(
            f"a file cannot be read or written: {error}",
            hint="see that there is room and the right to write beneath TMPDIR, where it works, "
            "and where the models are to go",
        ) from error


class NothingLearnedError(MarqueeError):
    """The log holds nothing that the configuration lets be learned."""


class RelearnDiskError(MarqueeError):
    """The disk refused."""


relearn_command.short_help = "Rebuild the models from the log."
