"""What dead writers left in journals of spools that nobody takes over is stored all the same.

A worker that dies is replaced, and the new one takes its spool with its journal. Not so where fewer
workers are started after a crash than before. So whoever opens the log, each worker and the command
line among them, looks for such journals first. It holds the slots' gate meanwhile: workers that
start wait for some milliseconds and then find the lowest spools free, as ever.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import structlog

from bandit.clock import Clock
from bandit.errors import LogError
from bandit.eventlog.journal import Journal, journal_spools
from bandit.eventlog.sqlite_slots import unclaimed
from bandit.eventlog.sqlite_spool import SpoolFile

_ROWS_AT_ONCE: Final = 1000

_log = structlog.get_logger(__name__)


def recover_unclaimed(directory: Path, clock: Clock) -> int:
    """Store what journals of spools without a writer still hold, in order; safe at any time.

    What cannot be stored now stays where it is, for the next call; the process's log tells of it.

    Returns:
        How many records were stored.
    """
    stored = 0
    try:
        spools = journal_spools(directory) if directory.exists() else []
        if not spools:
            return 0
        with unclaimed(directory, spools) as idle:
            for spool in idle:
                stored += _recover(directory, spool, clock)
    except OSError as error:
        _log.warning("journals were not looked through", directory=str(directory), why=str(error))
    return stored


def _recover(directory: Path, spool: str, clock: Clock) -> int:
    try:
        journal, frames = Journal.open(directory, spool)
        with closing(SpoolFile(directory, spool, clock)) as file:
            rows = [row for frame in frames for row in frame.rows]
            stored = sum(
                sum(file.store(rows[start : start + _ROWS_AT_ONCE]))
                for start in range(0, len(rows), _ROWS_AT_ONCE)
            )
    except LogError as error:
        _log.warning("a journal is still to be stored", spool=spool, why=str(error))
        return 0
    journal.close(emptied=True)
    if stored:
        _log.info("records of a dead writer stored", spool=spool, records=stored)
    return stored
