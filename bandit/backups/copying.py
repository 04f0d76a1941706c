"""Copies files with their digests, and spools with SQLite's own means, in bounded memory.

A spool is copied page by page by SQLite's online backup over a reading connection, all within one
transaction of it: in WAL mode a reader sees one instant for as long as it likes and holds up no
writer. What grows meanwhile is the writer's ``-wal`` file. Why not ``VACUUM INTO``: it sorts the
index over random keys anew, shows no progress, and leaves a file that is not in WAL mode.

The copy is then read through: SQLite checks its structure, and its records are counted. It is
opened as a file that nobody changes, so that no side files appear beside it, here or wherever a
backup is verified.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Final

from bandit.backups.manifest import StoredFile, StoredSpool
from bandit.errors import BackupError
from bandit.eventlog.sqlite_schema import as_log_error, connect, file_id_of, position_of

Progress = Callable[[int], None]
"""Told of each number of bytes that was worked off."""

UNCHANGING: Final = "ro&immutable=1"
"""The mode of SQLite's URI for a file that nobody changes."""

_CHUNK_BYTES: Final = 1 << 20
_PAGES_AT_ONCE: Final = 1024


def copy_file(source: BinaryIO, target: Path, mode: int, progress: Progress) -> tuple[int, str]:
    """Copy what is left of an open file to a new one, durably; return its size and SHA-256.

    Raises:
        OSError: the target exists or cannot be written.
    """
    digest = hashlib.sha256()
    size = 0
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            progress(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def digest_of(path: Path, progress: Progress) -> str:
    """Return a file's SHA-256.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            progress(len(chunk))
    return digest.hexdigest()


def copy_spool(
    source: Path, target: Path, stored_at: str, mode: int, progress: Progress
) -> tuple[StoredSpool, StoredFile]:
    """Copy a spool as it is at one instant, beside its writer, and check the copy.

    Raises:
        LogUnavailableError: the spool cannot be read now.
        LogDamagedError: it is damaged, or of another format.
        OSError: the target cannot be written.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
    try:
        with (
            closing(connect(source, "ro")) as reader,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            # Whether the copy is durable is seen to once, at its end.
            copy.execute("PRAGMA synchronous=OFF")
            copy.execute("PRAGMA journal_mode=OFF")
            (page_bytes,) = reader.execute("PRAGMA page_size").fetchone()
            reader.execute("BEGIN")
            position_of(reader)
            done = 0

            def tell(_status: int, remaining: int, total: int) -> None:
                nonlocal done
                progress((total - remaining - done) * page_bytes)
                done = total - remaining

            reader.backup(copy, pages=_PAGES_AT_ONCE, progress=tell, sleep=0)
            reader.execute("COMMIT")
    except sqlite3.Error as error:
        raise as_log_error(error, source) from error
    with target.open("rb") as file:
        os.fsync(file.fileno())
    spool = look_into(target)
    return spool, StoredFile(stored_at, target.stat().st_size, digest_of(target, progress))


def look_into(path: Path) -> StoredSpool:
    """Check a spool's file that nobody changes, and tell what it holds.

    Raises:
        BackupError: it is damaged.
        LogDamagedError: it is no spool, or one of another format.
    """
    try:
        with closing(connect(path, UNCHANGING)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (records,) = connection.execute("SELECT count(*) FROM records").fetchone()
            position = position_of(connection)
            file_id = file_id_of(connection)
    except sqlite3.Error as error:
        raise as_log_error(error, path) from error
    if found != "ok":
        raise BackupError(
            f"{path} is damaged: {found}",
            hint="if `marquee log check` finds the log itself damaged, move that spool away first",
        )
    return StoredSpool(path.stem, file_id, records, position.sequence, position.at_us)
