"""Which keys a spool may hold, in shared memory: what spares nearly every look for an earlier page.

A Bloom filter (1970) in blocks of one cache line (Putze, Sanders and Singler, 2007): a key sets
``BITS`` bits within one line of 64 bytes. The file ``<spool>.keys`` is mapped by the spool's one
writer and, read-only, by the readers of all processes: see :mod:`bandit.eventlog.key_lookup`. A key
that lacks a bit is not in the spool; any other may be, and SQLite is asked.

**Size.** 8 MiB a spool: 0.01 % of new keys look known with 2.5 M keys in it, 0.3 % with 5 M, 5 %
with 10 M (measured); past that it helps less and harms nothing. It is one copy in memory however
many processes map it, of which each counts (as shared) what it touched. Keys of records that were
removed stay in it until it is built anew and cost a look. Entering a key takes 3 us.

**No committed record is missing.** Its bits are set before the commit. How far the filter covers
the spool, the last record's number and time, is written after the commit. Whoever opens the spool
for writing goes on with what the file holds only if it was made in this boot of this machine, for
this spool's file, and the record it covers last stands in the spool with the same time. What
was added since, by a writer that was killed or one of a release that knows no filter, is then
entered; otherwise all is built anew. A kill -9 takes nothing from shared memory. A crash of the
machine may: hence the boot's id.

**Whom readers believe.** The *token* is drawn with each build and 0 during it. The *beat* tells, on
the monotonic clock, when a writer last wrote; the close sets it to 0. Readers believe the filter
for ``FRESH_NS`` after a beat, and otherwise for as long as they can see that nothing was added.
The limit: a writer of a release without filter that takes the spool over within ``FRESH_NS`` of a
kill -9 adds records that readers miss until the time is over. What that costs, as a damaged filter
does, is a repeat that is not noticed.

**The file.** Never truncated, never replaced while its size is right: whoever reads a mapping past
the end of its file is killed by SIGBUS. All its blocks are allocated first, and only where the disk
has ``ROOM_BYTES`` free, because the log needs them more. On a file system that copies on write an
allocation promises nothing: keep ``log.disk_free_bytes_min`` above 0 there. Whatever fails, the
log goes on without filter. Why not ``pwrite``: a system call lets go of Python's interpreter lock.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sqlite3
import struct
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import mmh3
import numpy as np
import structlog

from bandit.eventlog.sqlite_schema import file_id_of
from bandit.files import PUBLIC_MODE

BITS: Final = 7
LINE_BYTES: Final = 64
LINES: Final = 1 << 17
HEAD_BYTES: Final = 4096
SIZE_BYTES: Final = HEAD_BYTES + LINES * LINE_BYTES
ROOM_BYTES: Final = 8 * SIZE_BYTES
FRESH_NS: Final = 3_000_000_000

STATE_AT: Final = 64
STATE: Final = struct.Struct("<QQQq")
"""Token, beat, and what is covered: the last record's sequence and time."""
BEAT_AT: Final = STATE_AT + 8
COVERED_AT: Final = STATE_AT + 16

_MAGIC: Final = b"mq-keys1"
_IDENTITY: Final = struct.Struct("<8s36s16s")
_COVERED: Final = struct.Struct("<Qq")
_NUMBER: Final = struct.Struct("<Q")
_POSITION_BITS: Final = 9
_POSITION: Final = 8 * LINE_BYTES - 1
_KEYS_AT_ONCE: Final = 1 << 16
_BLOCK_BYTES: Final = 512
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_log = structlog.get_logger(__name__)


def keys_path(spool_file: Path) -> Path:
    """Return the filter's file beside a spool's."""
    return spool_file.with_suffix(".keys")


def place_of(key: str) -> tuple[int, int]:
    """Return where in the file a key's line starts, and its bits in the line as a number.

    From MurmurHash3 x64-128 of the key in UTF-8: the low half tells the line, the high half holds
    seven positions of 9 bits each.
    """
    low, high = mmh3.mmh3_x64_128_utupledigest(key.encode())
    mask = (
        (1 << (high & 511))
        | (1 << (high >> 9 & 511))
        | (1 << (high >> 18 & 511))
        | (1 << (high >> 27 & 511))
        | (1 << (high >> 36 & 511))
        | (1 << (high >> 45 & 511))
        | (1 << (high >> 54 & 511))
    )
    return HEAD_BYTES + (low & (LINES - 1)) * LINE_BYTES, mask


def identity_of(connection: sqlite3.Connection) -> bytes:
    """Return with what the filter of this spool begins in this boot of this machine.

    Raises:
        sqlite3.Error, OSError: the spool, or the boot's id, cannot be read.
    """
    return _IDENTITY.pack(_MAGIC, _BOOT_ID.read_bytes(), file_id_of(connection).encode())


def last_record(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the last record's sequence and time, zeros if there is none."""
    last = connection.execute(
        "SELECT sequence, at_us FROM records ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return last or (0, 0)


class KnownKeys:
    """A spool's filter as its writer has it; as thread-safe as the writer; see :meth:`open`."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped = mapped

    @classmethod
    def open(cls, spool_file: Path, connection: sqlite3.Connection) -> KnownKeys | None:
        """Map the filter and make it true of the spool, whose slot is held; None where it fails.

        Costs 0.1 ms, or about a second for a million keys where it is built.
        """
        try:
            keys = cls(_map(keys_path(spool_file)))
            keys._make_true(connection)
        except (OSError, ValueError, sqlite3.Error) as error:
            _log.warning("a spool has no filter of keys", spool=spool_file.stem, why=str(error))
            return None
        return keys

    def add(self, keys: Iterable[str]) -> None:
        """Enter keys; to be done before their records are committed."""
        mapped = self._mapped
        for key in keys:
            start, mask = place_of(key)
            line = int.from_bytes(mapped[start : start + LINE_BYTES], "little") | mask
            mapped[start : start + LINE_BYTES] = line.to_bytes(LINE_BYTES, "little")

    def committed(self, sequence: int, at_us: int) -> None:
        """Take note that all records up to this one are entered and committed."""
        _COVERED.pack_into(self._mapped, COVERED_AT, sequence, at_us)
        self.beat()

    def beat(self) -> None:
        """Tell readers that the spool has a writer that enters keys."""
        _NUMBER.pack_into(self._mapped, BEAT_AT, time.monotonic_ns())

    def close(self) -> None:
        """Tell readers that the writer is gone, and let go of the file."""
        _NUMBER.pack_into(self._mapped, BEAT_AT, 0)
        self._mapped.close()

    def _make_true(self, connection: sqlite3.Connection) -> None:
        mapped = self._mapped
        identity, last = identity_of(connection), last_record(connection)
        token, _, *covered = STATE.unpack_from(mapped, STATE_AT)
        is_ours = token != 0 and mapped[: len(identity)] == identity
        if not (is_ours and _holds(connection, *covered)):
            covered = [0, 0]
            _NUMBER.pack_into(mapped, STATE_AT, 0)
            self._begin(identity)
        if covered[0] != last[0]:
            _NUMBER.pack_into(mapped, STATE_AT, 0)
            self._add_after(connection, covered[0])
        token = _NUMBER.unpack_from(mapped, STATE_AT)[0] or secrets.randbits(63) | 1
        _COVERED.pack_into(mapped, COVERED_AT, *last)
        self.beat()
        _NUMBER.pack_into(mapped, STATE_AT, token)

    def _begin(self, identity: bytes) -> None:
        """Empty the lines, unless they were never written, whose memory is then saved."""
        mapped = self._mapped
        if any(mapped[: len(identity)]):
            np.frombuffer(mapped, np.uint8)[HEAD_BYTES:] = 0
        mapped[: len(identity)] = identity

    def _add_after(self, connection: sqlite3.Connection, sequence: int) -> None:
        # Without a condition SQLite reads the keys' index alone, not the pages of the payloads.
        cursor = (
            connection.execute("SELECT key FROM records WHERE sequence > ?", (sequence,))
            if sequence
            else connection.execute("SELECT key FROM records")
        )
        while some := cursor.fetchmany(_KEYS_AT_ONCE):
            self._add_many([key for (key,) in some])

    def _add_many(self, keys: Sequence[str]) -> None:
        """Enter keys as :meth:`add` does: 0.6 us each where they are many."""
        digests = b"".join([mmh3.mmh3_x64_128_digest(key.encode()) for key in keys])
        low, high = np.frombuffer(digests, "<u8").reshape(-1, 2).T
        starts = (low & np.uint64(LINES - 1)).astype(np.int64) * LINE_BYTES
        lines = np.frombuffer(self._mapped, np.uint8, offset=HEAD_BYTES)
        for index in range(BITS):
            shifted = high >> np.uint64(_POSITION_BITS * index)
            position = (shifted & np.uint64(_POSITION)).astype(np.int64)
            bits = np.left_shift(1, position & 7).astype(np.uint8)
            np.bitwise_or.at(lines, starts + (position >> 3), bits)


def _holds(connection: sqlite3.Connection, sequence: int, at_us: int) -> bool:
    """Tell whether the record that was covered last is in the spool."""
    found = connection.execute("SELECT at_us FROM records WHERE sequence = ?", (sequence,))
    return sequence == 0 or found.fetchone() == (at_us,)


def _map(path: Path) -> mmap.mmap:
    """Map the file, made whole first; one of another size is mapped by nobody and gives way.

    Raises:
        OSError: it cannot be made or mapped.
    """
    if path.is_symlink() or (path.exists() and path.stat().st_size != SIZE_BYTES):
        path.unlink()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PUBLIC_MODE)
    try:
        status = os.fstat(handle)
        # A copy may have holes, for which a full disk has no room when they are written.
        if status.st_size != SIZE_BYTES or status.st_blocks * _BLOCK_BYTES < SIZE_BYTES:
            _allocate(handle, path)
        return mmap.mmap(handle, SIZE_BYTES, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    finally:
        os.close(handle)


def _allocate(handle: int, path: Path) -> None:
    try:
        _ask_for_room(handle)
        os.posix_fallocate(handle, 0, SIZE_BYTES)
    except OSError:
        path.unlink()
        raise


def _ask_for_room(handle: int) -> None:
    disk = os.fstatvfs(handle)
    if disk.f_bavail * disk.f_frsize < ROOM_BYTES:
        raise OSError(f"less than {ROOM_BYTES >> 20} MiB of disk space are free")
