"""What a writer took over and has not committed yet: bytes that outlive the process at once.

One ``write`` a hand-over puts the records into the page cache of the operating system, from where a
kill -9 cannot take them. A crash of the machine can: nothing here is synced.

**Frames.** Each hand-over is one frame: length, CRC-32, its number, the number of the last frame
whose records were committed by then, and the records. Numbers go up by one. What is read back is
the longest run of whole frames from a file's start whose numbers follow each other: a frame that
the kill cut short ends it, and so does what an earlier round left behind it, whose numbers are
lower. A frame whose bytes were changed is passed over where the next one proves to be its
successor, and ends the run otherwise. Only frames after the last known commit are returned, so
that a replay brings back little more than what was lost; the spool leaves out the rest by its keys.

The highest byte of a frame's number tells its format: 0 in all frames of format 1, whose numbers
never come near it. A frame of a later format is refused before anything is cut off or taken over.

**Two files take turns.** Once the one being written holds ``SEGMENT_BYTES`` and everything in the
other is committed, the other is written from its start again, over the old frames: no file is
truncated, allocated or waited for while a page is being answered. While the committer stalls the
file grows instead, by what is waiting, which the queue bounds; it is cut back by the committer. So
both together never hold more than 2 x max(``SEGMENT_BYTES``, the bytes of a full queue).

**Opening** cuts each file back to its whole frames and goes on after the last one, so that no bytes
of an earlier process can ever line up with new frames.

Measured: a frame of 10 kB takes 7 us, 2 of them for the CRC and 2 to 4 for the write; one of 750
bytes takes 2. Why not a memory map, whose copy takes 0.5 us and keeps the interpreter lock: on a
full disk it would kill the process by SIGBUS.
"""

from __future__ import annotations

import os
import re
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

import msgspec
import structlog

from bandit.errors import LogDamagedError, LogUnavailableError
from bandit.files import PUBLIC_MODE

FORMAT_VERSION: Final = 1
SEGMENT_BYTES: Final = 4 << 20
CLOSE_S: Final = 1.0
"""How long closing waits for a write that is under way."""

_SIDES: Final = (0, 1)
_JOURNAL_FILE: Final = re.compile(r"(spool-\d{3})\.journal-[01]")
_HEAD: Final = struct.Struct("<IIQQ")
"""Length of the body, CRC-32 of the two numbers and the body, number, last committed number."""
_NUMBERS: Final = struct.Struct("<QQ")
_FORMAT_SHIFT: Final = 56

_log = structlog.get_logger(__name__)


class Row(NamedTuple):
    """An encoded record and its unique key."""

    key: str
    payload: bytes


class Frame(NamedTuple):
    """What was handed over together."""

    number: int
    rows: list[Row]


class _Parsed(NamedTuple):
    """The whole frames of one file."""

    frames: list[Frame]
    last: int
    """The number of the last one, 0 where there is none."""
    committed: int
    """The last number that was known to be committed."""
    length: int
    """Bytes up to the end of the last one."""
    damaged: int
    """How many frames were passed over."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Row])


def journal_path(directory: Path, spool: str, side: int) -> Path:
    """Return one of the two files of a spool's journal."""
    return directory / f"{spool}.journal-{side}"


def journal_spools(directory: Path) -> list[str]:
    """Return the spools whose journals hold something, sorted.

    Raises:
        OSError: the directory cannot be listed.
    """
    found = {
        match[1]
        for path in directory.iterdir()
        if (match := _JOURNAL_FILE.fullmatch(path.name)) and path.stat().st_size
    }
    return sorted(found)


class _Side:
    """One of the two files; opened when first written, so that a full disk stops nobody."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end = 0
        """Where the next frame goes."""
        self.size = 0
        """Bytes in the file, old frames behind the end included."""
        self.last = 0
        """The number of the last frame."""
        self.oldest = 0
        """The least number of a frame whose bytes may be in the file, 0 where there are none."""
        self._handle: int | None = None

    def read(self) -> _Parsed:
        """Read the whole frames; cut off what stands behind them."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return _Parsed([], 0, 0, 0, 0)
        parsed = _parse(data, self.path)
        if parsed.length < len(data):
            os.truncate(self.path, parsed.length)
        if parsed.damaged:
            _log.error(
                "frames of a journal are damaged", file=str(self.path), frames=parsed.damaged
            )
        self.end = self.size = parsed.length
        self.last = parsed.last
        self.oldest = parsed.frames[0].number if parsed.frames else 0
        return parsed

    def write(self, frame: bytes, offset: int) -> None:
        written = os.pwrite(self._open(), frame, offset)
        self.size = max(self.size, offset + written)
        if written < len(frame):
            raise OSError(f"{written} of {len(frame)} bytes were written")

    def cut(self, length: int) -> None:
        os.truncate(self.path, length)
        self.size = length
        if not length:
            self.end = self.oldest = 0

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        if self._handle is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            self._handle = os.open(self.path, flags, PUBLIC_MODE)
        return self._handle


class Journal:
    """The journal of a spool, for whoever holds the spool's slot; see :meth:`open`."""

    def __init__(self, sides: Sequence[_Side], last: int, committed: int) -> None:
        self._lock = threading.Lock()
        newest = max(sides, key=lambda side: side.last)
        self._active = newest
        self._resting = next(side for side in sides if side is not newest)
        self._last = last
        self._committed = committed
        self._cutting = False

    @classmethod
    def open(cls, directory: Path, spool: str) -> tuple[Journal, list[Frame]]:
        """Open a journal and return, in order, what it holds that may not be committed.

        Raises:
            LogUnavailableError: it cannot be read.
            LogDamagedError: it was written in a later format, or by something else.
        """
        sides = [_Side(journal_path(directory, spool, side)) for side in _SIDES]
        try:
            parsed = [side.read() for side in sides]
        except OSError as error:
            raise _unavailable(directory / spool, error) from error
        committed = max(one.committed for one in parsed)
        frames = [
            frame
            for one in sorted(parsed, key=lambda one: one.last)
            for frame in one.frames
            if frame.number > committed
        ]
        last = max(one.last for one in parsed)
        return cls(sides, last, committed), frames

    def write(self, rows: Sequence[Row]) -> int:
        """Write rows as one frame, and return its number.

        Raises:
            LogUnavailableError: the disk takes nothing; what was written of the frame is never
                read, and the next one takes its place.
        """
        body = _encoder.encode(rows)
        with self._lock:
            self._take_turns(len(body))
            side, number, committed = self._active, self._last + 1, self._committed
            numbers = _NUMBERS.pack(number, committed)
            head = _HEAD.pack(len(body), crc32(body, crc32(numbers)), number, committed)
            try:
                side.write(head + body, side.end)
            except OSError as error:
                raise _unavailable(side.path, error) from error
            side.end += len(head) + len(body)
            side.oldest = side.oldest or number
            side.last = self._last = number
        return number

    def committed(self, number: int) -> None:
        """Take note that all frames up to ``number`` are committed; never wait for a write."""
        self._committed = number
        if not self._lock.acquire(blocking=False):
            return
        try:
            side = self._resting
            if side.size <= SEGMENT_BYTES or side.last > number:
                return
            self._cutting = True
        finally:
            self._lock.release()
        try:
            side.cut(SEGMENT_BYTES)
        except OSError as error:
            _log.warning("journal stays large", file=str(side.path), why=str(error))
        finally:
            self._cutting = False

    @property
    def last(self) -> int:
        """The number of the last frame written, 0 where there is none."""
        return self._last

    def forget(self, number: int) -> bool:
        """Let go of the bytes of all frames up to ``number``, as far as they are committed.

        Frames that are not yet move the writing to the other file, so that a later call succeeds.

        Returns:
            Whether none of those frames' bytes are left.

        Raises:
            OSError: a file cannot be cut.
        """
        with self._lock:
            if self._cutting:
                return False
            sides = (self._active, self._resting)
            for side in sides:
                if side.oldest and side.oldest <= number and side.last <= self._committed:
                    side.cut(0)
            if self._active.oldest and not self._resting.oldest:
                self._active, self._resting = self._resting, self._active
            return not any(side.oldest and side.oldest <= number for side in sides)

    def size(self) -> int:
        """Return how many bytes both files hold."""
        return self._active.size + self._resting.size

    def close(self, *, emptied: bool) -> None:
        """Let go of the files; empty them where all they hold is committed.

        Files to which a write hangs are left to the end of the process.
        """
        if not self._lock.acquire(timeout=CLOSE_S):
            return
        try:
            for side in (self._active, self._resting):
                side.close()
                if emptied and side.size:
                    with suppress(OSError):
                        side.cut(0)
        finally:
            self._lock.release()

    def _take_turns(self, length: int) -> None:
        side, other = self._active, self._resting
        if (
            side.end + length > SEGMENT_BYTES
            and side.end
            and other.last <= self._committed
            and not self._cutting
        ):
            self._active, self._resting = other, side
            other.end = 0


def _parse(data: bytes, path: Path) -> _Parsed:
    frames: list[Frame] = []
    expected = end = last = committed = damaged = skipped = 0
    for number, known, rows, frame_end in _frames(data, path):
        expected = expected + 1 if expected else number
        if rows is None:
            skipped += 1
            continue
        if number != expected:
            break
        frames.append(Frame(number, rows))
        committed = max(committed, known)
        last, end, damaged, skipped = number, frame_end, damaged + skipped, 0
    return _Parsed(frames, last, committed, end, damaged)


def _frames(data: bytes, path: Path) -> Iterator[tuple[int, int, list[Row] | None, int]]:
    """Yield (number, last committed number, rows, end); no rows where they are not as written."""
    start = 0
    while start + _HEAD.size <= len(data):
        length, check, number, committed = _HEAD.unpack_from(data, start)
        first, start = start + _HEAD.size, start + _HEAD.size + length
        if start > len(data) or not number:
            return
        body = memoryview(data)[first:start]
        whole = crc32(body, crc32(_NUMBERS.pack(number, committed))) == check
        if whole and number >> _FORMAT_SHIFT:
            raise _newer(path, (number >> _FORMAT_SHIFT) + FORMAT_VERSION)
        yield number, committed, _rows(body, number, path) if whole else None, start


def _rows(body: memoryview, number: int, path: Path) -> list[Row]:
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise LogDamagedError(
            f"{path} holds frame {number} as it was written, and it is no list of records: {error}",
            hint="no release writes such a frame: move the journal's files away to keep them for "
            "repair, then restart",
        ) from error


def _newer(path: Path, found: int) -> LogDamagedError:
    return LogDamagedError(
        f"{path} has format {found}; {FORMAT_VERSION} is the latest known here",
        hint="start the release that wrote it and stop it in order, which empties its journals",
    )


def _unavailable(path: Path, error: OSError) -> LogUnavailableError:
    return LogUnavailableError(
        f"{path} cannot be used now: {error}",
        hint="free disk space or make the directory writable; the log then goes on by itself",
    )
