"""``marquee log``: what the event log holds, whether it is whole, and its outcomes as files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from bandit.catalog import CatalogStore
from bandit.clock import MICROSECONDS, Clock, WallClock
from bandit.eventlog.protocol import EventReader, SpoolBatch
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.takeover import recover_unclaimed
from bandit.outcome_files import ExportReport, export_log
from server.cli.shared import config_option, print_table, read_config
from server.exit_codes import FAILED

BATCH_RECORDS = 5000
"""Records read at once."""


@click.group()
def log() -> None:
    """Look into the event log; safe beside a running server.

    \b
    Example:
      marquee log stat --config marquee.toml
    """


@log.command()
@config_option
def stat(config_path: Path | None) -> None:
    """Count records of each spool and kind, and tell how far each spool is complete.

    \b
    Example:
      marquee log stat --config marquee.toml
    """
    with closing(_reader(config_path)) as reader:
        rows = [_stat_row(reader, spool) for spool in reader.spools()]
    headings = ("spool", "decisions", "feedback", "activations", "damaged", "complete up to (UTC)")
    print_table(headings, rows)


@log.command()
@click.option("--count", default=10, show_default=True, type=click.IntRange(1, 100_000))
@config_option
def tail(count: int, config_path: Path | None) -> None:
    """Print the last records of all spools as JSON, one a line, oldest first.

    \b
    Example:
      marquee log tail --count 3 --config marquee.toml
    """
    with closing(_reader(config_path)) as reader:
        records = [
            logged
            for spool in reader.spools()
            for logged in reader.read(
                spool, max(0, reader.last_sequence(spool) - count), count
            ).records
        ]
    records.sort(key=lambda logged: (logged.at_us, logged.spool))
    for logged in records[-count:]:
        click.echo(msgspec.json.encode(logged))


@log.command()
@config_option
@click.pass_context
def check(ctx: click.Context, config_path: Path | None) -> None:
    """Read every record; list those that cannot be read and exit with 1 if there are any.

    \b
    Example:
      marquee log check --config marquee.toml
    """
    read = 0
    damaged: list[tuple[str, int, str]] = []
    with closing(_reader(config_path)) as reader:
        for spool in reader.spools():
            for batch in _batches(reader, spool):
                read += len(batch.records)
                damaged += [(spool, sequence, why) for sequence, why in batch.damaged]
    click.echo(f"{read:,} records read, {len(damaged):,} damaged")
    if damaged:
        print_table(("spool", "sequence", "why"), damaged)
        ctx.exit(FAILED)


@log.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Directory to make; an earlier export there is replaced as a whole.",
)
@config_option
def export(out: Path, config_path: Path | None) -> None:
    """Write decisions with their feedback as Parquet, without stopping the service.

    Decisions are joined with their feedback as the learner joins them; those whose reward window
    has closed by now are written, by day, with the catalog versions that they name and a
    manifest. Needs the extra libraries of `pip install 'marquee[simulator]'`.

    \b
    Example:
      marquee log export --out exported --config marquee.toml
    """
    config = read_config(config_path)
    clock = WallClock.from_environment()
    catalogs = CatalogStore(config.catalog.directory, config.limits)
    log_reader = open_log(Path(config.log.directory), clock)
    with closing(log_reader) as reader, _progress() as progress:
        total = sum(
            reader.last_sequence(spool) - reader.sequence_before(spool, 0)
            for spool in reader.spools()
        )
        task = progress.add_task("exporting", total=total)
        report = export_log(
            reader,
            catalogs,
            config,
            out,
            clock.now_us(),
            lambda records: progress.advance(task, records),
        )
    _tell_export(out, report)


class _Rate(ProgressColumn):
    """Records a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


def _progress() -> Progress:
    """Return a bar with rate and time left, on standard error; none where that is no terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _tell_export(out: Path, report: ExportReport) -> None:
    manifest = report.manifest
    size = sum(file.bytes for file in manifest.files)
    click.echo(
        f"{manifest.outcomes:,} decisions with their feedback in {len(manifest.files):,} files, "
        f"{size:,} bytes, and {len(manifest.catalogs):,} catalog versions: {out}"
    )
    click.echo(f"{manifest.open_decisions:,} are still open and will be in a later export")
    if manifest.damaged_records:
        click.echo(f"{manifest.damaged_records:,} damaged records left out", err=True)
    for version in manifest.missing_catalogs:
        click.echo(f"catalog version {version} is lost: its decisions have no artworks", err=True)
    for notice in report.notices:
        click.echo(notice, err=True)


def _reader(config_path: Path | None) -> EventReader:
    config = read_config(config_path)
    return open_log(Path(config.log.directory), WallClock.from_environment())


def open_log(directory: Path, clock: Clock) -> SqliteEventReader:
    """Open a log for reading, whole: with what dead workers were about to store in it."""
    recovered = recover_unclaimed(directory, clock)
    if recovered.records:
        click.echo(f"{recovered.records:,} records that a dead worker left were stored", err=True)
    for place, why in recovered.left.items():
        click.echo(f"what a dead worker left in {place} is still to be stored: {why}", err=True)
    return SqliteEventReader(directory, clock)


def _batches(reader: EventReader, spool: str) -> Iterator[SpoolBatch]:
    after, last = 0, reader.last_sequence(spool)
    while after < last:
        batch = reader.read(spool, after, BATCH_RECORDS)
        if batch.last_sequence <= after:
            return
        yield batch
        after = batch.last_sequence


def _stat_row(reader: EventReader, spool: str) -> tuple[object, ...]:
    kinds: Counter[str] = Counter()
    damaged = 0
    for batch in _batches(reader, spool):
        kinds.update(type(logged.record).__name__ for logged in batch.records)
        damaged += len(batch.damaged)
    horizon_us = reader.read(spool, reader.last_sequence(spool), 1).horizon_us
    horizon = datetime.fromtimestamp(horizon_us / MICROSECONDS, UTC)
    return (
        spool,
        kinds["DecisionRecord"],
        kinds["FeedbackRecord"],
        kinds["ActivationRecord"],
        damaged,
        horizon.strftime("%Y-%m-%d %H:%M:%S.%f"),
    )
