"""Records that the log took over and that nothing can make it store: set aside, and told of.

Which they are is tried out: only while the log works otherwise is a record the cause, and of those
that were handed over together each is tried by itself. They are appended to ``<spool>.refused``, a
line of JSON each with what was said, the key and the payload in base64, and synced before the
journal forgets them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bandit.errors import LogError
from bandit.eventlog.journal import Row
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.files import sync_directory

TRANSIENT: Final = (LogError, OSError, MemoryError)
"""What the disk or the machine causes, never a record."""

_log = structlog.get_logger(__name__)


def refused_path(directory: Path, spool: str) -> Path:
    """Return where a spool's refused records are set aside."""
    return directory / f"{spool}.refused"


def store_or_refuse(file: SpoolFile, path: Path, rows: Sequence[Row]) -> list[bool]:
    """Store each row by itself and set aside at ``path`` those that cannot be.

    Returns:
        Of each row whether it was stored.

    Raises:
        Exception: it is not the rows' fault, or they could not be set aside: keep them all.
    """
    file.beat()
    stored: list[bool] = []
    lines: list[bytes] = []
    for row in rows:
        try:
            stored += file.store([row])
        except TRANSIENT:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a record causes, the others are stored
            _log.exception("record refused", file=str(path), key=row.key)
            why = f"{type(error).__name__}: {error}"
            line = {"why": why, "key": row.key, "payload": row.payload}
            lines.append(msgspec.json.encode(line) + b"\n")
            stored.append(False)
    if lines:
        _append_durably(path, b"".join(lines))
    return stored


def _append_durably(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)
