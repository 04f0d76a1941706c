"""Which line serves, and every time that it changed, with the evidence.

::

    <challenger.directory>/serving.json     which line serves; workers poll it
                           history.jsonl    a line for each promotion and demotion

A move is written to the history and synced before the pointer follows. What the history's last line
says is carried out, whatever crash came in between: whoever moves, or learns for the challenger,
finishes it first.

A pointer names the overlay that it was promoted with. Under another one nobody was promoted, and
the champion serves.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import structlog

from bandit.errors import ChallengerError
from bandit.files import PUBLIC_MODE, exclusive_lock, sync_directory, write_atomically
from bandit.types import LineName, Surface

FORMAT_VERSION: Final = 1
POINTER: Final = "serving.json"
HISTORY: Final = "history.jsonl"
_LOCK: Final = "lock"

By = Literal["hand", "gate", "config"]
"""Who moved it: an operator, the evidence, or another overlay than the one promoted."""

_log = structlog.get_logger(__name__)


class ServingLine(msgspec.Struct, frozen=True, kw_only=True):
    """Which line serves."""

    line: LineName = "champion"
    number: int = 0
    """How many moves there were."""
    since_us: int = 0
    """When it was moved; evidence rests on what was decided later."""
    overlay: str = ""
    """Digest of the overlay with which it was moved."""
    v: int = FORMAT_VERSION

    def serves(self, overlay: str) -> LineName:
        """Return the line that serves under an overlay."""
        return self.line if self.overlay == overlay else "champion"


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A promotion or demotion, and what it rested on."""

    at_us: int
    what: Literal["promoted", "demoted"]
    by: By
    number: int
    overlay: str
    evidence: dict[str, Any]
    """What was known of both lines then: see :class:`bandit.challenger.evidence.Evidence`."""
    snapshots: dict[LineName, dict[Surface, str]]
    """The versions that each line would serve."""
    changes: dict[str, tuple[Any, Any]]
    """Dotted key → the champion's value and the challenger's."""
    v: int = FORMAT_VERSION

    def pointer(self) -> ServingLine:
        """Return the pointer once this is carried out."""
        return ServingLine(
            line="challenger" if self.what == "promoted" else "champion",
            number=self.number,
            since_us=self.at_us,
            overlay=self.overlay,
        )


class LineFile:
    """The pointer and the history of one challenger's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pointer = directory / POINTER
        self._history = directory / HISTORY

    def read(self) -> ServingLine:
        """Return which line serves; the champion where nothing else is known. Cheap enough to poll.

        Raises:
            ChallengerError: the file is damaged or of a later format.
            OSError: it cannot be read now.
        """
        try:
            content = self._pointer.read_bytes()
        except FileNotFoundError:
            return ServingLine()
        try:
            found = msgspec.json.decode(content, type=ServingLine)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._damaged(str(error)) from error
        if found.v != FORMAT_VERSION:
            raise self._damaged(f"format {found.v} is not {FORMAT_VERSION}")
        return found

    def _damaged(self, why: str) -> ChallengerError:
        return ChallengerError(
            f"{self._pointer} cannot be used: {why}",
            hint="`marquee challenger demote` or `promote` writes it anew",
        )

    def history(self) -> list[Move]:
        """Return all moves, oldest first; lines that cannot be read are left out."""
        try:
            lines = self._history.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [move for line in lines if (move := _decoded(line)) is not None]

    def finish(self) -> ServingLine:
        """Carry out a move that a crash left in the history alone; return which line serves.

        Raises:
            OSError: the directory cannot be written.
        """
        with self._changing():
            return self._finish()

    def _finish(self) -> ServingLine:
        try:
            now = self.read()
        except ChallengerError as error:
            _log.warning("which line serves is written anew", why=error.message)
            now = ServingLine(number=-1)
        last = next(iter(self.history()[-1:]), None)
        if last is not None and last.number > now.number:
            now = last.pointer()
        elif now.number < 0:
            now = ServingLine()
        else:
            return now
        write_atomically(self._pointer, msgspec.json.encode(now))
        return now

    def move(self, wanted: Move, from_line: LineName) -> ServingLine | None:
        """Carry a move out unless another line serves by now; its number is given here.

        Returns:
            Which line serves from now on; None where it was no longer ``from_line``'s turn.

        Raises:
            OSError: the directory cannot be written. What serves stays for now; a move that is in
                the history already is carried out by whoever changes anything next.
        """
        with self._changing():
            before = self._finish()
            if before.serves(wanted.overlay) != from_line:
                return None
            move = msgspec.structs.replace(wanted, number=before.number + 1)
            self._append(move)
            after = move.pointer()
            write_atomically(self._pointer, msgspec.json.encode(after))
        _log.info(f"challenger {move.what}", by=move.by, number=move.number)
        return after

    def _append(self, move: Move) -> None:
        is_new = not self._history.exists()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        with os.fdopen(os.open(self._history, flags, PUBLIC_MODE), "r+b") as file:
            end = file.seek(0, os.SEEK_END)
            # What a full disk or a crash cut short stands on a line of its own.
            torn = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
            file.write((b"\n" if torn else b"") + msgspec.json.encode(move) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_directory(self._directory)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._directory.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self._directory / _LOCK):
            yield


def _decoded(line: bytes) -> Move | None:
    try:
        move = msgspec.json.decode(line, type=Move)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return move if move.v == FORMAT_VERSION else None
