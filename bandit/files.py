"""Files that are whole or not there, and locks that die with their holder.

A file is written beside its final place, synced, then renamed over it, and the directory is synced
last: a crash at any moment leaves the old file or the new one, never a mixture. What it may also
leave is the file beside, which goes by :func:`remove_unfinished`.
"""

from __future__ import annotations

import fcntl
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PUBLIC_MODE: Final = 0o644
"""Owner writes, everyone reads (less what the umask takes away)."""
PRIVATE_MODE: Final = 0o600
"""The owner alone reads and writes."""
PRIVATE_DIRECTORY_MODE: Final = 0o700
READ_ONLY_MODE: Final = 0o444
"""Everyone reads. For what is mapped: a file cut short ends every process that reads what is gone
(SIGBUS); replaced by renaming, it stays as it was for whoever has it mapped."""

_TOKEN_BYTES: Final = 8


def write_durably(path: Path, data: bytes, mode: int = PUBLIC_MODE) -> None:
    """Write a new file and sync its content; it must not exist yet.

    Raises:
        OSError: the file exists or cannot be written; a file begun is removed.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes, mode: int = PUBLIC_MODE) -> None:
    """Put ``data`` in place of whatever ``path`` holds, durably and all at once.

    Raises:
        OSError: the directory is missing, full or not writable; ``path`` is then as it was.
    """
    beside = _beside(path)
    write_durably(beside, data, mode)
    try:
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def create_atomically(path: Path, data: bytes, mode: int = PUBLIC_MODE) -> bool:
    """Put ``data`` at ``path`` unless something is there already; of many racing one wins.

    Returns:
        Whether this call created the file.

    Raises:
        OSError: the directory is missing, full or not writable.
    """
    beside = _beside(path)
    write_durably(beside, data, mode)
    try:
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    sync_directory(path.parent)
    return True


def remove_unfinished(directory: Path, pattern: str = "*", *, before_s: float = math.inf) -> None:
    """Remove files that writing to names of a pattern left beside them, as far as that is allowed.

    Whoever holds a lock that all such writers take may remove them all; else ``before_s``, in
    seconds since the Unix epoch, tells since when a file may still be being written.
    """
    for beside in directory.glob(f".{pattern}.{'[0-9a-f]' * (2 * _TOKEN_BYTES)}.tmp"):
        with suppress(OSError):
            if beside.stat().st_mtime < before_s:
                beside.unlink()


def sync_file(path: Path) -> None:
    """Make the content of a file that was written durable."""
    _sync(path, os.O_RDONLY)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable, as fsync of a file does not."""
    _sync(directory, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def exclusive_lock(path: Path) -> Iterator[int]:
    """Hold the lock file at ``path``, made if need be, waiting while another holds it.

    Yields its descriptor: a child process that inherits it holds the lock until it ends, too.

    Raises:
        OSError: the lock file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PUBLIC_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(_TOKEN_BYTES)}.tmp")
