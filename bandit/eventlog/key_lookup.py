"""A reader's view of a spool's filter of known keys: which keys need no look into the spool.

The filter itself, and why no committed record is missing in it: :mod:`bandit.eventlog.known_keys`.

It is believed under three conditions. It is the filter of the file that is read, which is asked for
once for each token, and again when the log's directory changed. No build went on while it was read:
the token is the same before and after. And whoever writes the spool enters keys: there was a beat
of late, or the filter covered all records when SQLite was asked, and neither the spool nor its
write-ahead log was written since, as their times of change tell. In any other case every key may be
known.
"""

from __future__ import annotations

import mmap
import os
import sqlite3
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from bandit.eventlog.known_keys import (
    FRESH_NS,
    LINE_BYTES,
    SIZE_BYTES,
    STATE,
    STATE_AT,
    identity_of,
    keys_path,
    last_record,
    place_of,
)
from bandit.eventlog.sqlite_slots import TICKS_NS

RETRY_NS: Final = 1_000_000_000
"""For how long a filter that is not believed is left alone."""

_TOKEN_AND_BEAT: Final = struct.Struct("<QQ")

_Times = tuple[tuple[int, int, int] | None, ...]


class Sought(NamedTuple):
    """A key with its place in every filter."""

    key: str
    start: int
    mask: int


def sought(keys: Iterable[str]) -> list[Sought]:
    """Hash keys, once for all spools."""
    return [Sought(key, *place_of(key)) for key in keys]


class _Believed(NamedTuple):
    mapped: mmap.mmap
    token: int
    unchanged: _Times | None
    """The files' times while nobody writes; None where a writer's beat is relied on."""


class KeyLookup:
    """The filter of one spool. :meth:`may_hold` is thread-safe, the rest is called under a lock."""

    def __init__(self, spool_file: Path) -> None:
        self._files = (spool_file, spool_file.with_name(f"{spool_file.name}-wal"))
        self._path = keys_path(spool_file)
        self._mapped: mmap.mmap | None = None
        self._inode = 0
        self._believed: _Believed | None = None
        self._tried_ns = -RETRY_NS

    def may_hold(self, keys: list[Sought]) -> list[Sought]:
        """Return those of ``keys`` that the spool may hold."""
        believed = self._believed
        if believed is None:
            return keys
        mapped = believed.mapped
        token, beat_ns = _TOKEN_AND_BEAT.unpack_from(mapped, STATE_AT)
        if token != believed.token:
            return keys
        if not _is_fresh(beat_ns) and (
            believed.unchanged is None or believed.unchanged != _times(self._files)
        ):
            return keys
        likely = [
            one
            for one in keys
            if one.mask & ~int.from_bytes(mapped[one.start : one.start + LINE_BYTES], "little") == 0
        ]
        return likely if _TOKEN_AND_BEAT.unpack_from(mapped, STATE_AT)[0] == token else keys

    def forget(self) -> None:
        """Believe nothing until the next look: the directory changed, or the spool's file."""
        self._believed = None
        self._tried_ns = -RETRY_NS

    def look(self, connection: sqlite3.Connection) -> None:
        """Find out whether the filter can be believed, unless that was done just now.

        Raises:
            sqlite3.Error: the spool cannot be read.
        """
        now_ns = time.monotonic_ns()
        if now_ns < self._tried_ns + RETRY_NS:
            return
        try:
            if self._believed is None:
                self._map()
            self._believed = self._judge(connection)
        except (OSError, ValueError):
            self._believed = self._mapped = None
        # From the end on: what took long is not begun again at once.
        self._tried_ns = time.monotonic_ns()

    def _map(self) -> None:
        """Map the file that stands there, unless it is mapped already.

        A file of another size is not, nor one that is not allocated yet: what lies past the end
        cannot be read.
        """
        handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            status = os.fstat(handle)
            if status.st_size != SIZE_BYTES:
                self._mapped = None
            elif self._mapped is None or status.st_ino != self._inode:
                self._mapped = mmap.mmap(handle, SIZE_BYTES, mmap.MAP_SHARED, mmap.PROT_READ)
                self._inode = status.st_ino
        finally:
            os.close(handle)

    def _judge(self, connection: sqlite3.Connection) -> _Believed | None:
        mapped = self._mapped
        if mapped is None:
            return None
        token, beat_ns, *covered = STATE.unpack_from(mapped, STATE_AT)
        identity = identity_of(connection)
        if token == 0 or mapped[: len(identity)] != identity:
            return None
        if _is_fresh(beat_ns):
            return _Believed(mapped, token, None)
        times = _times(self._files)
        latest_ns = max(one[2] for one in times if one is not None)
        is_settled = latest_ns + TICKS_NS < time.time_ns()
        if is_settled and tuple(covered) == last_record(connection):
            return _Believed(mapped, token, times)
        return None


def _is_fresh(beat_ns: int) -> bool:
    return beat_ns != 0 and 0 <= time.monotonic_ns() - beat_ns < FRESH_NS


def _times(files: Iterable[Path]) -> _Times:
    return tuple(_time(path) for path in files)


def _time(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
