"""Taking over what dead writers left in their journals.

The next writer of a spool takes its journal over with it. Where fewer workers are started after a
crash than before, some spools have no next writer, so whoever opens the log, each worker and the
command line among them, and every writer now and then, stores what their journals hold. It keeps
the slots' gate meanwhile: workers that start wait for some milliseconds and then find the lowest
spools free, as ever.

A client whose worker died before it answered repeats its request at another worker, which cannot
see the dead one's journal, decides anew and logs that. Which of the two was answered cannot be told
from the files, so that the journal's is stored as well if it was decided first; the one that is
earlier in the log counts, as ever. One that was not decided first is left out.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from bandit.clock import Clock
from bandit.errors import LogDamagedError, LogError
from bandit.eventlog.journal import Frame, Journal, Row, journal_spools
from bandit.eventlog.sqlite_schema import connect, payloads_of, spool_path
from bandit.eventlog.sqlite_slots import spool_names, unclaimed
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.events import DecisionRecord, decode_record

_ROWS_AT_ONCE: Final = 1000

_log = structlog.get_logger(__name__)


def take_over(directory: Path, spool: str) -> tuple[Journal, list[Frame]]:
    """Open the journal of a spool whose slot is held; return what is to be stored of it, in order.

    Raises:
        LogUnavailableError: the journal cannot be read.
    """
    journal, frames = Journal.open(directory, spool)
    if not frames:
        return journal, frames
    rows = [row for frame in frames for row in frame.rows]
    others = [name for name in spool_names(directory) if name != spool]
    known = _decided_before(directory, others, rows)
    return journal, [
        Frame(frame.number, [row for row in frame.rows if row.key not in known]) for frame in frames
    ]


class Recovered(NamedTuple):
    """What became of journals that nobody had taken over."""

    records: int
    """How many records were stored."""
    left: dict[str, str]
    """Spool, or directory, to the reason why its journal is still to be stored."""

    def tell(self) -> None:
        """Write into this process's own log what was done, and what was not."""
        if self.records:
            _log.info("records of dead writers stored", records=self.records)
        for place, why in self.left.items():
            _log.warning("a journal is still to be stored", place=place, why=why)


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
                except Exception as error:  # noqa: BLE001 - a journal keeps no worker from starting
                    left[spool] = str(error) or repr(error)
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


def _decided_before(directory: Path, spools: Iterable[str], rows: list[Row]) -> set[str]:
    """Return keys of rows that one of the spools holds with a decision made no later.

    A spool that is unreadable holds none.
    """
    own = {row.key: row.payload for row in rows}
    found: set[str] = set()
    for spool in spools:
        with (
            suppress(sqlite3.Error, LogError),
            closing(connect(spool_path(directory, spool), "ro")) as connection,
        ):
            found |= {
                key
                for key, payload in payloads_of(connection, list(own))
                if _decided_at_us(payload) <= _decided_at_us(own[key])
            }
    return found


def _decided_at_us(payload: bytes) -> float:
    """Return when a decision was made; later than any other where that cannot be read."""
    try:
        record = decode_record(payload)
    except LogDamagedError:
        return math.inf
    return record.decided_at_us if isinstance(record, DecisionRecord) else math.inf
