"""How far a log is learned for good: what its writers may remove once it is old.

The learner writes ``keeping/learned.json`` in the log's directory; the writers of the spools read
it. A file that is missing, damaged or of a later format releases nothing. It lies in a directory of
its own because readers take a change of the log's directory for a sign of new spools.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bandit.eventlog.protocol import Learned
from bandit.files import write_atomically

KEEPING: Final = "keeping"
FORMAT_VERSION: Final = 1
_NAME: Final = "learned.json"


class _File(msgspec.Struct, frozen=True):
    spools: dict[str, Learned]
    v: int = FORMAT_VERSION


class _Format(msgspec.Struct, frozen=True):
    v: int


def write_learned(log: Path, learned: dict[str, Learned]) -> None:
    """Put what is learned in place of what was told last.

    Raises:
        OSError: the directory cannot be written.
    """
    path = _path(log)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, msgspec.json.encode(_File(learned)))


class LearnedFile:
    """What the learner told, read again only once the file was replaced."""

    def __init__(self, log: Path) -> None:
        self._path = _path(log)
        self._known = _Known((0, 0), {})

    def read(self) -> dict[str, Learned]:
        """Return what is learned, by spool; nothing where that is not known."""
        try:
            status = self._path.stat()
            # Two files of one tick of the kernel's clock have one time.
            seen = (status.st_ino, status.st_mtime_ns)
            if seen != self._known.seen:
                self._known = _Known(seen, _decode(self._path.read_bytes()))
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            self._known = _Known((0, 0), {})
        return self._known.spools


class _Known(NamedTuple):
    seen: tuple[int, int]
    """The file's inode and time."""
    spools: dict[str, Learned]


def _decode(content: bytes) -> dict[str, Learned]:
    if msgspec.json.decode(content, type=_Format).v != FORMAT_VERSION:
        return {}
    return msgspec.json.decode(content, type=_File).spools


def _path(log: Path) -> Path:
    return log / KEEPING / _NAME
