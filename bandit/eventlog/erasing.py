"""Erasing a viewer's records from a spool: done by whoever holds its slot, in the writing thread.

A record keeps its place, time and key, so that sequences stay gapless and a late repeat of it does
not enter again; of what it told nothing is left. A key that names the viewer is replaced as well.
The bytes go: SQLite overwrites what it frees, the write-ahead log is emptied, and so is the
journal, which keeps what it held long after its commit.
"""

from __future__ import annotations

import base64
import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from bandit.errors import LogDamagedError
from bandit.eventlog.erasure_orders import Done, ErasureOrder, ErasureOrders
from bandit.eventlog.journal import Journal
from bandit.eventlog.refusal import refused_path
from bandit.eventlog.sqlite_schema import Position, file_id_of
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.events import ERASED, DecisionRecord, decode_record
from bandit.files import write_atomically

BEAT_S: Final = 0.5
BATCH_RECORDS: Final = 200
_BUSY_MS: Final = 20
"""How long emptying the write-ahead log waits for readers; it is tried again at the next beat."""


class SpoolErasing:
    """Carries orders out on one spool, for whoever holds its slot."""

    def __init__(self, directory: Path, spool: str, file: SpoolFile, journal: Journal) -> None:
        self._spool = spool
        self._file = file
        self._journal = journal
        self._refused = refused_path(directory, spool)
        self._orders = ErasureOrders(directory)
        self._frames: dict[str, int] = {}
        """The journal's last frame when each order was first seen."""
        self._due_s = 0.0

    def tend(self) -> None:
        """Do what is ordered, where it is time to look.

        Raises:
            LogError, OSError: it could not be done now; it is tried again.
        """
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + BEAT_S
        for order in self._orders.open():
            if self._spool in self._orders.outstanding(order):
                self.carry_out(order)

    def carry_out(self, order: ErasureOrder) -> bool:
        """Erase what an order names of this spool; return whether nothing is left of it.

        Raises:
            LogError, OSError: it could not be done now; doing it again is safe.
        """
        part = order.spools[self._spool]
        if self._file.tend(lambda connection, _: file_id_of(connection)) == part.file:
            for start in range(0, len(part.sequences), BATCH_RECORDS):
                some = part.sequences[start : start + BATCH_RECORDS]
                self._file.tend(partial(_erase, order=order, sequences=some))
        refused = _erase_refused(self._refused, order)
        # What is in the journal now and not committed was not found by whoever gave the order.
        frame = self._frames.setdefault(order.id, self._journal.last)
        if not self._journal.forget(frame):
            return False
        if not self._file.tend(lambda connection, _: _empty_write_ahead_log(connection)):
            return False
        self._frames.pop(order.id, None)
        self._orders.mark(order, self._spool, Done(len(part.sequences) + refused))
        return True


def _erase(
    connection: sqlite3.Connection,
    _position: Position,
    *,
    order: ErasureOrder,
    sequences: Sequence[int],
) -> None:
    connection.execute("PRAGMA secure_delete=ON")
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for sequence in sequences:
            found = connection.execute(
                "SELECT key FROM records WHERE sequence = ? AND payload <> ?", (sequence, ERASED)
            ).fetchone()
            if found is not None:
                connection.execute(
                    "UPDATE records SET key = ?, payload = ? WHERE sequence = ?",
                    (_nameless(found[0], sequence, order), ERASED, sequence),
                )


def _nameless(key: str, sequence: int, order: ErasureOrder) -> str:
    """Return a record's key, or something unique where the client put the viewer's id in it.

    What the key was is forgotten, so that a repeat of the record enters, to be erased in turn.
    """
    if not order.concerns(key):
        return key
    return f"e:{blake2b(f'{sequence} {key}'.encode(), digest_size=16).hexdigest()}"


def _empty_write_ahead_log(connection: sqlite3.Connection) -> bool:
    (before_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    try:
        (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(before_ms)}")
    return not is_busy


class _RefusedLine(msgspec.Struct):
    key: str
    payload: str


def _erase_refused(path: Path, order: ErasureOrder) -> int:
    """Take the viewer's lines out of the file of refused records; return how many."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return 0
    kept = [line for line in lines if not _is_of(line, order)]
    if len(kept) < len(lines):
        write_atomically(path, b"".join(kept))
    return len(lines) - len(kept)


def _is_of(line: bytes, order: ErasureOrder) -> bool:
    try:
        found = msgspec.json.decode(line, type=_RefusedLine)
        payload = base64.b64decode(found.payload)
    except ValueError:
        return order.concerns(line.decode(errors="replace"))
    return _is_named_after(found.key, payload, order) or is_of(
        payload, order.viewers, order.decisions
    )


def _is_named_after(key: str, payload: bytes, order: ErasureOrder) -> bool:
    """Tell whether a record that tells of no viewer bears the viewer's id, whole, in its key.

    Ids may be parts of each other, as viewer-7 is of viewer-70: what letters or digits go on with
    is another's.
    """
    with suppress(LogDamagedError):
        record = decode_record(payload)
        if isinstance(record, DecisionRecord) and record.viewer_id is not None:
            return False
    return any(
        re.search(rf"(?<![A-Za-z0-9]){re.escape(viewer)}(?![A-Za-z0-9])", key)
        for viewer in order.viewers
    )


def is_of(payload: bytes, viewers: Sequence[str], decisions: Sequence[str]) -> bool:
    """Tell whether a record is a viewer's; one that cannot be read is if it holds the id."""
    try:
        record = decode_record(payload)
    except LogDamagedError:
        return any(viewer.encode() in payload for viewer in viewers)
    if isinstance(record, DecisionRecord) and record.viewer_id in viewers:
        return True
    return record.decision_id in decisions
