"""The spool file: its table layout, how it is made and opened, and what SQLite's errors mean.

Why not AUTOINCREMENT: an insert that is left out as a duplicate would still use up a number, and
spools promise sequences without gaps. The writer numbers records itself. Times grow with the
sequence, so finding a time is a binary search over the primary key and needs no index of its own.

Why SQLite's defaults otherwise: measured per record of 10.6 kB in groups of 10, pages of 4 to 32 kB
take 30 to 35 us of CPU time; letting the write-ahead log grow 4 or 16 times as far takes 36 and
makes the longest commit 20 and 60 ms instead of 5, which whoever waits for feedback then pays; a
page cache ten times as large takes 36. With 500,000 records in the spool an insert of 600 bytes
goes from 15 to 23 us, because of the index over random keys. Only the groups' size matters: see
:mod:`bandit.eventlog.commit_queue`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from bandit.errors import LogDamagedError, LogError, LogUnavailableError
from bandit.files import sync_directory

_Item = TypeVar("_Item")

FORMAT_VERSION: Final = 2
SUFFIX: Final = ".sqlite"

_BUSY_TIMEOUT_S: Final = 1.0
_STATEMENTS_CACHED: Final = 256
_PRIMARY_CODE: Final = 0xFF
"""SQLite's extended error codes keep the primary one in their lowest byte."""
_PARAMETERS_MAX: Final = 800
"""Most values bound to one statement; SQLite before 3.32 allows 999."""
_ROWS_MAX: Final = _PARAMETERS_MAX // 4

_LAYOUT: Final = """
CREATE TABLE records (
    sequence INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    key TEXT NOT NULL UNIQUE,
    payload BLOB NOT NULL
);
CREATE TABLE heartbeat (one INTEGER PRIMARY KEY CHECK (one = 1), at_us INTEGER NOT NULL);
INSERT INTO heartbeat VALUES (1, 0);
CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL);
INSERT INTO identity VALUES (1, lower(hex(randomblob(8))));
"""


class Position(NamedTuple):
    """How far a spool has come."""

    sequence: int
    """Of the last record, 0 if there is none."""
    at_us: int
    """The greatest time given to a record or a heartbeat: the spool's horizon."""


def spool_path(directory: Path, spool: str) -> Path:
    """Return the file of a spool."""
    return directory / f"{spool}{SUFFIX}"


def create_spool(path: Path) -> None:
    """Make an empty spool; it shows up under its name only once it is whole.

    Raises:
        sqlite3.Error, OSError: the file cannot be made.
    """
    building = path.with_suffix(".building")
    for leftover in path.parent.glob(f"{building.name}*"):
        leftover.unlink()
    with closing(sqlite3.connect(building, isolation_level=None)) as connection:
        # Lets a file give back what it has no more use for; it costs nothing that can be measured.
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.executescript(f"BEGIN; {_LAYOUT} PRAGMA user_version={FORMAT_VERSION}; COMMIT;")
        connection.execute("PRAGMA journal_mode=WAL")
    building.replace(path)
    sync_directory(path.parent)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a spool with ``mode`` ``rw`` (its one writer) or ``ro``.

    Raises:
        sqlite3.Error: the file is missing or cannot be opened.
        LogDamagedError: the file is of another format.
    """
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS_CACHED,
    )
    try:
        connection.execute("PRAGMA synchronous=FULL")
        _check_format(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def position_of(connection: sqlite3.Connection) -> Position:
    """Return how far the spool has come, as seen by the connection's transaction."""
    (heartbeat_us,) = connection.execute("SELECT at_us FROM heartbeat").fetchone()
    last = connection.execute(
        "SELECT sequence, at_us FROM records ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return Position(last[0], max(last[1], heartbeat_us)) if last else Position(0, heartbeat_us)


def file_id_of(connection: sqlite3.Connection) -> str:
    """Return what was drawn when the spool was made, which tells it from any other."""
    (file_id,) = connection.execute("SELECT id FROM identity").fetchone()
    return str(file_id)


def keys_in(connection: sqlite3.Connection, keys: Sequence[str]) -> set[str]:
    """Return those of ``keys`` that the spool holds."""
    return {
        key
        for some in _chunks(keys, _PARAMETERS_MAX)
        for (key,) in connection.execute(
            f"SELECT key FROM records WHERE key IN ({','.join('?' * len(some))})",  # noqa: S608 question marks only
            some,
        )
    }


def payloads_of(connection: sqlite3.Connection, keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (key, payload) of those of ``keys`` that the spool holds."""
    for some in _chunks(keys, _PARAMETERS_MAX):
        yield from connection.execute(
            f"SELECT key, payload FROM records WHERE key IN ({','.join('?' * len(some))})",  # noqa: S608 question marks only
            some,
        )


def insert_rows(
    connection: sqlite3.Connection, rows: Sequence[tuple[int, int, str, bytes]]
) -> None:
    """Insert (sequence, at_us, key, payload) rows, all or none.

    Raises:
        sqlite3.IntegrityError: a key is in the spool already.
        sqlite3.Error: the rows cannot be stored.
    """
    if len(rows) <= _ROWS_MAX:
        _insert(connection, rows)
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for some in _chunks(rows, _ROWS_MAX):
            _insert(connection, some)


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[int, int, str, bytes]]) -> None:
    if rows:
        connection.execute(
            f"INSERT INTO records VALUES {','.join(['(?,?,?,?)'] * len(rows))}",  # noqa: S608 question marks only
            [value for row in rows for value in row],
        )


def as_log_error(error: sqlite3.Error | OSError, path: Path) -> LogError:
    """Say what an error of SQLite or the file system means for the log."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LogDamagedError(
            f"{path} is damaged: {error}",
            hint="move it and its -wal file away to keep them for repair, then restart",
        )
    return LogUnavailableError(
        f"{path} cannot be used now: {error}",
        hint="free disk space or make the directory writable; the log then goes on by itself",
    )


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found != FORMAT_VERSION:
        raise LogDamagedError(
            f"{path} has format {found}, not {FORMAT_VERSION}",
            hint="it is no spool, or one of a newer release: upgrade, or move the file away",
        )


def _chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))
