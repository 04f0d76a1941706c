"""Reads every spool of a directory, beside the writers and from any number of threads.

Each spool is opened read-only when first needed, with one lock a spool: threads that look into
different spools do not wait for each other. Make the reader after any fork.

Looking up ids passes over a spool that cannot be read: what the others hold is as good as ever, and
whoever asks serves a page with less to go by rather than none. Reading on, as the learner does,
raises instead.

**What lookups cost** (medians, 3 spools). A spool whose filter of known keys lacks a key is passed
over: see :mod:`bandit.eventlog.key_lookup`. A new decision id takes 7 us beside writers and 15 in
spools that nobody writes, with a million records a spool; 20 new keys take 50 and 70. Where SQLite
is asked instead, it is 17 us for a decision with 10,000 records a spool and 25 with 300,000 while
nobody writes. A commit makes SQLite forget the pages that a reader holds, so beside writers it is
50 and 80 us, most of it for reading the index's path anew. Tried and left: mapping the files (20 %
more, for page faults) and one statement over attached files (15 % more, and one bad spool spoils
all). A directory that did not change tells that no file was replaced: one question for all spools.

**What reading on costs** a record of 10 kB: 5 to 7 us to select, and 33 us to decode where each is
let go of at once, 59 where 3,000 are kept, for fresh memory. A small record takes 4 us in all.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import structlog

from bandit.clock import Clock
from bandit.errors import LogDamagedError, LogError, LogUnavailableError
from bandit.eventlog.key_lookup import KeyLookup, Sought, sought
from bandit.eventlog.learned import LearnedFile, write_learned
from bandit.eventlog.protocol import Learned, SpoolBatch, in_log_order
from bandit.eventlog.removal import first_at_us, sequence_before
from bandit.eventlog.sqlite_schema import (
    Position,
    as_log_error,
    connect,
    file_id_of,
    keys_in,
    position_of,
    spool_path,
)
from bandit.eventlog.sqlite_slots import UNSETTLED, Listing, announce_if_idle, spool_names
from bandit.events import DecisionRecord, LoggedRecord, decision_key, decode_record, is_erased

RETRY_S: Final = 1.0
"""For how long lookups leave a spool alone that could not be read."""

_log = structlog.get_logger(__name__)

_Item = TypeVar("_Item")


class _Found(NamedTuple):
    rows: list[tuple[int, int, bytes | None]]
    """Sequence, time, and the payload of what is wanted."""
    position: Position
    """How far the spool has come as its file tells it, seen together with the rows."""
    file_id: str


class RawBatch(NamedTuple):
    """What :class:`SpoolBatch` tells, of records as their spool holds them."""

    rows: list[tuple[int, int, bytes]]
    """Sequence, time, and payload, which may be that of an erased or a damaged record."""
    horizon_us: int
    last_sequence: int
    file_id: str


class SqliteEventReader:
    """Reads the spools in ``directory``, which need not exist yet.

    ``clock`` must tell the log's own kind of time: reading a spool without a writer promises that
    nothing will be added before the clock's present, and later writers keep that promise.
    """

    def __init__(self, directory: str | Path, clock: Clock) -> None:
        self._directory = Path(directory)
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, _OpenSpool] = {}
        self._listing = Listing(self._directory)
        self._unreadable: dict[str, float] = {}
        """Spools passed over in lookups, and when each was tried last."""
        self._closed = False

    def spools(self) -> list[str]:
        """Return the names of all spools, sorted."""
        return spool_names(self._directory)

    def read(self, spool: str, after: int, limit: int) -> SpoolBatch:
        """Read records; see :meth:`bandit.eventlog.protocol.EventReader.read`.

        Raises:
            LogUnavailableError: the spool does not exist or cannot be read now.
            LogDamagedError: the spool's file is damaged.
        """
        return decoded(spool, self._look(spool, after, limit, None))

    def read_raw(self, spool: str, after: int, limit: int) -> RawBatch:
        """Read records as :meth:`read` does, without decoding them."""
        return self._look(spool, after, limit, None)

    def about(self, spool: str, decision_id: str, after: int, limit: int) -> SpoolBatch:
        """Look at up to ``limit`` records above ``after``; return those that name a decision.

        SQLite searches the payloads itself, without the interpreter's lock, so that other threads
        go on: 8 us a page of 240 titles and 0.6 us a feedback record, where reading, decoding and
        keeping them takes 115 and 1. Errors are those of :meth:`read`.
        """
        batch = decoded(spool, self._look(spool, after, limit, decision_id))
        found = [one for one in batch.records if one.record.decision_id == decision_id]
        return batch._replace(records=found)

    def _look(self, spool: str, after: int, limit: int, naming: str | None) -> RawBatch:
        file = self._open(spool)
        # The clock first, then the writer's lock, then the records: what a writer adds that was
        # not there at the test is later than what is announced here.
        announced_us = announce_if_idle(self._directory, spool, self._clock.now_us())
        with file.use() as connection:
            found = _find(connection, after, limit, naming)
        rows = found.rows
        horizon_us = max(found.position.at_us, announced_us) if len(rows) < limit else rows[-1][1]
        last = rows[-1][0] if rows else min(after, found.position.sequence)
        wanted = [(sequence, at_us, body) for sequence, at_us, body in rows if body is not None]
        return RawBatch(wanted, horizon_us, last, found.file_id)

    def sequence_before(self, spool: str, at_us: int) -> int:
        """Return the greatest sequence whose time is before ``at_us``, 0 if there is none."""
        with self._open(spool).use() as connection:
            return sequence_before(connection, at_us)

    def first_at_us(self, spool: str) -> int | None:
        """Return the time of the first record that the spool still holds, None if it is empty."""
        with self._open(spool).use() as connection:
            return first_at_us(connection)

    def release(self, learned: dict[str, Learned]) -> None:
        """Tell the writers what is learned; see :meth:`bandit.eventlog.protocol.EventReader`."""
        if self._directory.exists():
            write_learned(self._directory, learned)

    def released(self) -> dict[str, Learned]:
        """Return what was released last, nothing where that is not known."""
        return LearnedFile(self._directory).read()

    def last_sequence(self, spool: str) -> int:
        """Return the last durable sequence of the spool, 0 if it is empty."""
        with self._open(spool).use() as connection:
            return position_of(connection).sequence

    def find_decision(self, decision_id: str) -> DecisionRecord | None:
        """Return the decision with this id, the earliest where several spools hold one."""
        key = decision_key(decision_id)

        def look(
            spool: str, connection: sqlite3.Connection, _keys: Sequence[str]
        ) -> list[LoggedRecord]:
            return [
                LoggedRecord(spool, sequence, at_us, decode_record(payload))
                for sequence, at_us, payload in connection.execute(
                    "SELECT sequence, at_us, payload FROM records WHERE key = ?", (key,)
                )
                if not is_erased(payload)
            ]

        found = self._in_each_spool([key], look)
        record = min(found, key=in_log_order).record if found else None
        return record if isinstance(record, DecisionRecord) else None

    def known_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of ``keys`` that some spool holds."""
        return set(
            self._in_each_spool(
                keys, lambda _spool, connection, likely: list(keys_in(connection, likely))
            )
        )

    def _in_each_spool(
        self,
        keys: Sequence[str],
        look: Callable[[str, sqlite3.Connection, Sequence[str]], list[_Item]],
    ) -> list[_Item]:
        """Look into every spool that may hold a key and can be read; tell once of each that cannot.

        One that could not be read is left alone for a while: trying costs ten times a lookup.
        """
        found: list[_Item] = []
        all_sought = sought(keys)
        stamp, spools = self._listing.listed()
        for spool in spools:
            file = self._files.get(spool)
            likely = all_sought if file is None else file.may_hold(all_sought, stamp)
            if not likely:
                continue
            tried_s = self._unreadable.get(spool)
            if tried_s is not None and time.monotonic() < tried_s + RETRY_S:
                continue
            try:
                with self._open(spool).use(stamp) as connection:
                    found += look(spool, connection, [one.key for one in likely])
                if tried_s is not None:
                    self._unreadable.pop(spool, None)
            except LogError as error:
                self._unreadable[spool] = time.monotonic()
                if tried_s is None:
                    _log.warning("spool passed over in lookups", spool=spool, why=str(error))
        return found

    def close(self) -> None:
        """Close all files; reading afterwards is an error."""
        with self._lock:
            self._closed = True
            files = list(self._files.values())
            self._files.clear()
        for file in files:
            file.close()

    def _open(self, spool: str) -> _OpenSpool:
        with self._lock:
            if self._closed:
                raise LogUnavailableError("the log's reader is closed", hint="make a new reader")
            if spool not in self._files:
                self._files[spool] = _OpenSpool(spool_path(self._directory, spool))
            return self._files[spool]


class _OpenSpool:
    """A read-only connection to one spool, opened on use, and anew after an error.

    It is opened anew as well when another file, or none, stands in the place of the one it reads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._stamp = UNSETTLED
        self._keys = KeyLookup(path)

    def may_hold(self, keys: list[Sought], stamp: int) -> list[Sought]:
        """Return those of ``keys`` that need a look; all where the directory changed."""
        return self._keys.may_hold(keys) if stamp == self._stamp != UNSETTLED else keys

    @contextmanager
    def use(self, stamp: int = UNSETTLED) -> Iterator[sqlite3.Connection]:
        """Hold the connection; after an error it is given up and opened anew next time.

        Under a directory's ``stamp`` for which it was looked at before, the file is the same still.
        """
        with self._lock:
            done = False
            try:
                connection = self._connection
                if connection is None or stamp == UNSETTLED or stamp != self._stamp:
                    connection = self._look()
                    self._keys.forget()
                    self._stamp = stamp
                if stamp != UNSETTLED:
                    self._keys.look(connection)
                yield connection
                done = True
            except FileNotFoundError as error:
                raise LogUnavailableError(
                    f"there is no spool {self._path}", hint="spools() lists those that exist"
                ) from error
            except (sqlite3.Error, OSError) as error:
                raise as_log_error(error, self._path) from error
            finally:
                if not done:
                    self._disconnect()

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    def _look(self) -> sqlite3.Connection:
        """Open what stands in the file's place, unless it is what is open."""
        inode = self._path.stat().st_ino
        if self._connection is None or inode != self._inode:
            self._disconnect()
            self._connection = connect(self._path, "ro")
            self._inode = inode
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _find(
    connection: sqlite3.Connection, after: int, limit: int, naming: str | None = None
) -> _Found:
    wanted = "payload" if naming is None else "CASE WHEN instr(payload, ?) THEN payload END"
    values = (after, limit) if naming is None else (naming.encode(), after, limit)
    connection.execute("BEGIN")
    rows = connection.execute(
        f"SELECT sequence, at_us, {wanted} FROM records"  # noqa: S608 - one of two texts of ours
        " WHERE sequence > ? ORDER BY sequence LIMIT ?",
        values,
    ).fetchall()
    found = _Found(rows, position_of(connection), file_id_of(connection))
    connection.execute("COMMIT")
    return found


def decoded(spool: str, batch: RawBatch) -> SpoolBatch:
    """Decode records; those that were erased are left out."""
    records: list[LoggedRecord] = []
    damaged: list[tuple[int, str]] = []
    for sequence, at_us, payload in batch.rows:
        if is_erased(payload):
            continue
        try:
            records.append(LoggedRecord(spool, sequence, at_us, decode_record(payload)))
        except LogDamagedError as error:
            damaged.append((sequence, error.message))
    return SpoolBatch(records, batch.horizon_us, damaged, batch.last_sequence, batch.file_id)
