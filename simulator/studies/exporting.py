"""Exporting a live log by shares of its decisions, whoever does them.

The log is divided by decision, always into as many shares as are asked for: each task reads it
whole, takes its share's records up to one instant that is the same for all, and joins them as the
learner does. So neither the number of workers nor a killed one changes a bit of what is written. A
share is written under a passing name and put in its place when it is whole; one that is done again
replaces its own files alone.

The instant is the last one up to which every spool was complete when the export began. The limit on
open decisions (``learner.open_decisions_max``) holds for each share, where for a whole log it holds
for all: it closes none early that the whole log's would leave open.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from bandit.catalog import CatalogStore
from bandit.clock import Clock, WallClock
from bandit.config.schema import Config
from bandit.errors import OutcomeFilesError
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.takeover import recover_unclaimed
from bandit.outcome_files import (
    ExportReport,
    Share,
    ShareReader,
    check_replaceable,
    export_share,
    finish,
    replacing,
)
from simulator.errors import SimulationError
from simulator.jobs import Workers, run_jobs
from simulator.progress import Watch

PASSING: Final = ".share-"


class ShareWork(NamedTuple):
    """What the tasks of an export have in common; paths are absolute."""

    config: Config
    log: str
    into: str
    until_us: int
    shares: int


def export_shares(
    config: Config, out: Path, shares: int, *, jobs: Workers, watch: Watch
) -> ExportReport:
    """Export a log into ``out``, which is made or replaced as a whole.

    Raises:
        OutcomeFilesError: something other than an export stands there, or the disk does not take
            it.
        LogError: the log cannot be read.
        SimulationError: it was broken off, or workers died again and again.
    """
    clock = WallClock.from_environment()
    out, log = out.absolute(), Path(config.log.directory).absolute()
    check_replaceable(out)
    recover_unclaimed(log, clock)
    until_us = _complete_until_us(log, clock)
    catalogs = CatalogStore(config.catalog.directory, config.limits)
    with replacing(out) as beside:
        # No more than tasks need: workers are to know no secrets.
        needed = Config(reward=config.reward, learner=config.learner)
        work = ShareWork(needed, str(log), str(beside), until_us, shares)
        finished = run_jobs(
            write_share,
            work,
            range(shares),
            jobs=jobs,
            watch=watch,
            label="exporting",
            unit="shares",
        )
        if finished.interrupted:
            raise SimulationError("the export was broken off", hint="what stood there is as it was")
        for passing in beside.glob(f"{PASSING}*"):
            shutil.rmtree(passing)
        return finish(beside, finished.done(), catalogs, config)


def _complete_until_us(log: Path, clock: Clock) -> int:
    """Return the last instant up to which every spool is complete."""
    until_us = clock.now_us()
    with closing(SqliteEventReader(log, clock)) as reader:
        for spool in reader.spools():
            last = reader.last_sequence(spool)
            until_us = min(until_us, reader.read_raw(spool, last, 1).horizon_us)
    return until_us


def write_share(work: ShareWork, share: int) -> Share:
    """Write one share's files.

    Raises:
        OutcomeFilesError: the disk does not take it, or a worker of a cluster does not see it.
        LogError: the log cannot be read.
    """
    into = Path(work.into)
    if not into.is_dir():
        raise OutcomeFilesError(
            f"{into} is not there for a worker",
            hint="workers of a cluster must see the log and the export's directory under one path",
        )
    prefix = f"share-{share:03}-"
    passing = into / f"{PASSING}{share:03}.{secrets.token_hex(4)}"
    clock, log = WallClock.from_environment(), Path(work.log)
    reader = ShareReader(log, clock, share, work.shares, work.until_us)
    try:
        with closing(reader):
            written = export_share(reader, work.config, passing, work.until_us, prefix=prefix)
        for file in written.files:
            place = into / file.path
            place.parent.mkdir(exist_ok=True)
            (passing / file.path).replace(place)
    except OSError as error:
        raise OutcomeFilesError(
            f"the export cannot be written to {into}: {error.strerror or error}",
            hint="make room there, or make it writable, and do the same again",
        ) from error
    finally:
        shutil.rmtree(passing, ignore_errors=True)
    return written
