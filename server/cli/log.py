"""``marquee log``: what the event log holds, its last records, and whether it is whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from bandit.clock import MICROSECONDS, WallClock
from bandit.eventlog.protocol import EventReader, SpoolBatch
from bandit.eventlog.sqlite_reader import SqliteEventReader
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


def _reader(config_path: Path | None) -> EventReader:
    config = read_config(config_path)
    return SqliteEventReader(Path(config.log.directory), WallClock.from_environment())


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
