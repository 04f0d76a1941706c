"""The one writing connection of a spool: commits, heartbeats, and coming back after errors.

Why one: SQLite 3.7 to 3.51.2 can corrupt a write-ahead log that two connections write and
checkpoint; readers open the file read-only.

Why duplicates are looked for only after an insert failed: they are rare, and a group is then stored
by one statement that is its own transaction. Each further statement would let go of Python's
interpreter lock, and in a busy worker getting it back takes other threads' whole time slices.

Whatever fails, the transaction is rolled back and the connection given up. The next use opens it
again and asks the file where the spool stands, so that memory never disagrees with the disk.

What is stored is entered in the spool's filter of known keys first, if it has one.

A file that was taken away from under its name is written no more: nobody would read it. Nor is
another one begun there, because the lock that kept others off may be gone with it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from bandit.clock import Clock
from bandit.errors import LogDamagedError, LogUnavailableError
from bandit.eventlog.journal import Row
from bandit.eventlog.known_keys import KnownKeys
from bandit.eventlog.sqlite_schema import (
    Position,
    as_log_error,
    connect,
    create_spool,
    insert_rows,
    keys_in,
    position_of,
    spool_path,
)
from bandit.eventlog.sqlite_slots import announced_us, spool_names

_Result = TypeVar("_Result")


class _Plan(NamedTuple):
    """What a group of rows comes to: which are new, and their numbers and times."""

    stored: list[bool]
    fresh: list[tuple[int, int, str, bytes]]
    position: Position


class SpoolFile:
    """A spool as its writer sees it; not thread-safe, but may move from thread to thread."""

    def __init__(self, directory: Path, spool: str, clock: Clock) -> None:
        self._path = spool_path(directory, spool)
        self._clock = clock
        try:
            if not self._path.exists():
                create_spool(self._path)
            # The file is visible before the others' horizons are read: a reader that lists the
            # spools and does not see this one has announced nothing that is not read here.
            self._floor_us = horizon_of_all(directory)
            self._position = Position(0, self._floor_us)
            self._inode = self._path.stat().st_ino
            self._connection: sqlite3.Connection | None = self._connect()
            self._keys = KnownKeys.open(self._path, self._connection)
        except (sqlite3.Error, OSError) as error:
            raise as_log_error(error, self._path) from error

    def store(self, rows: Sequence[Row]) -> list[bool]:
        """Commit the rows whose key is not in the spool; return which of them were stored.

        Raises:
            LogError: nothing was stored; a later call tries anew.
        """
        with self._connected() as connection:
            if self._keys is not None:
                # Before the commit: whoever sees a record finds its key.
                self._keys.add(row.key for row in rows)
            plan = _plan(rows, set(), self._position, self._clock.now_us())
            try:
                insert_rows(connection, plan.fresh)
            except sqlite3.IntegrityError:
                known = keys_in(connection, [row.key for row in rows])
                plan = _plan(rows, known, self._position, self._clock.now_us())
                insert_rows(connection, plan.fresh)
        self._position = plan.position
        if self._keys is not None and plan.fresh:
            last, at_us, *_ = plan.fresh[-1]
            self._keys.committed(last, at_us)
        return plan.stored

    def beat(self) -> None:
        """Move the spool's horizon to the present, or leave it where it is already later.

        Raises:
            LogError: the horizon stays where it was; a later call tries anew.
        """
        with self._connected() as connection:
            at_us = max(self._clock.now_us(), self._position.at_us)
            connection.execute("UPDATE heartbeat SET at_us = ?", (at_us,))
        self._position = Position(self._position.sequence, at_us)
        if self._keys is not None:
            self._keys.beat()

    def tend(self, care: Callable[[sqlite3.Connection, Position], _Result]) -> _Result:
        """Return what ``care`` makes of the writing connection; it must leave no transaction.

        Raises:
            LogError: it failed, in whole if it was one transaction.
        """
        with self._connected() as connection:
            return care(connection, self._position)

    def is_in_place(self) -> bool:
        """Tell whether the file that was opened is still the one under its name."""
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Move the write-ahead log into the file, as far as readers let it, and close."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._disconnect()
        if self._keys is not None:
            self._keys.close()
            self._keys = None

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        done = False
        try:
            if not self.is_in_place():
                raise LogUnavailableError(
                    f"{self._path} was removed or replaced while it was written",
                    hint="restart the service; empty a log's directory only while it is stopped",
                )
            if self._connection is None:
                self._connection = self._connect()
            yield self._connection
            done = True
        except sqlite3.Error as error:
            raise as_log_error(error, self._path) from error
        finally:
            if not done:
                self._disconnect()

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self._path, "rw")
        try:
            sequence, at_us = position_of(connection)
        except BaseException:
            connection.close()
            raise
        self._position = Position(sequence, max(at_us, self._floor_us, self._position.at_us))
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _plan(rows: Sequence[Row], known: set[str], position: Position, now_us: int) -> _Plan:
    stored, fresh = [], []
    sequence, at_us = position
    for key, payload in rows:
        is_new = key not in known
        stored.append(is_new)
        if is_new:
            known.add(key)
            sequence, at_us = sequence + 1, max(now_us, at_us + 1)
            fresh.append((sequence, at_us, key, payload))
    return _Plan(stored, fresh, Position(sequence, at_us))


def horizon_of_all(directory: Path) -> int:
    """Return the greatest horizon that any spool's file, or a reader for it, has announced.

    Raises:
        sqlite3.Error: a spool cannot be read now; one that is damaged is passed over.
    """
    return max((_horizon(directory, spool) for spool in spool_names(directory)), default=0)


def _horizon(directory: Path, spool: str) -> int:
    announced = announced_us(directory, spool)
    try:
        with closing(connect(spool_path(directory, spool), "ro")) as connection:
            return max(announced, position_of(connection).at_us)
    except LogDamagedError:
        return announced
    except sqlite3.DatabaseError as error:
        if isinstance(as_log_error(error, directory), LogDamagedError):
            return announced
        raise
