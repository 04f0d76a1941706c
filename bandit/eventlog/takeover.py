"""Taking over what dead writers left in their journals.

The next writer of a spool takes its journal over with it. Where fewer workers are started after a
crash than before, some spools have no next writer, so whoever opens the log, each worker and the
command line among them, stores what their journals hold. It keeps the slots' gate meanwhile:
workers that start wait for some milliseconds and then find the lowest spools free, as ever.

A client whose worker died before it answered repeats its request at another worker, which cannot
see the dead one's journal, decides anew and logs that. Such a decision is left out here: it was not
answered from here, or it would be the later of two and not count. A repetition that is logged in
the instant between this look and the commit stands in two spools; the earliest counts, as ever.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

from bandit.clock import Clock
from bandit.errors import LogError
from bandit.eventlog.journal import Frame, Journal, journal_spools
from bandit.eventlog.sqlite_schema import connect, keys_in, spool_path
from bandit.eventlog.sqlite_slots import spool_names, unclaimed
from bandit.eventlog.sqlite_spool import SpoolFile

_ROWS_AT_ONCE: Final = 1000


def take_over(directory: Path, spool: str) -> tuple[Journal, list[Frame]]:
    """Open the journal of a spool whose slot is held; return what is to be stored of it, in order.

    Raises:
        LogUnavailableError: the journal cannot be read.
    """
    journal, frames = Journal.open(directory, spool)
    if not frames:
        return journal, frames
    keys = [row.key for frame in frames for row in frame.rows]
    known = _known(directory, [name for name in spool_names(directory) if name != spool], keys)
    return journal, [
        Frame(frame.number, [row for row in frame.rows if row.key not in known]) for frame in frames
    ]


class Recovered(NamedTuple):
    """What became of journals that nobody had taken over."""

    records: int
    """How many records were stored."""
    left: dict[str, str]
    """Spool, or directory, to the reason why its journal is still to be stored."""


def recover_unclaimed(directory: Path, clock: Clock) -> Recovered:
    """Store what journals of spools without a writer still hold, in order; safe at any time.

    What cannot be stored now stays where it is, for the next call.
    """
    records = 0
    left: dict[str, str] = {}
    try:
        spools = journal_spools(directory) if directory.exists() else []
        if not spools:
            return Recovered(0, {})
        with unclaimed(directory, spools) as idle:
            for spool in idle:
                try:
                    records += _recover(directory, spool, clock)
                except LogError as error:
                    left[spool] = str(error)
    except OSError as error:
        left[str(directory)] = str(error)
    return Recovered(records, left)


def _recover(directory: Path, spool: str, clock: Clock) -> int:
    journal, frames = take_over(directory, spool)
    rows = [row for frame in frames for row in frame.rows]
    with closing(SpoolFile(directory, spool, clock)) as file:
        stored = sum(
            sum(file.store(rows[start : start + _ROWS_AT_ONCE]))
            for start in range(0, len(rows), _ROWS_AT_ONCE)
        )
    journal.close(emptied=True)
    return stored


def _known(directory: Path, spools: Iterable[str], keys: list[str]) -> set[str]:
    """Return those of the keys that one of the spools holds; one that is unreadable holds none."""
    known: set[str] = set()
    for spool in spools:
        with (
            suppress(sqlite3.Error, LogError),
            closing(connect(spool_path(directory, spool), "ro")) as connection,
        ):
            known |= keys_in(connection, keys)
    return known
