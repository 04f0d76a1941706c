"""Who writes which spool: one locked file a slot, and the horizons announced for idle slots.

A writer holds the lock file of its slot for as long as its process lives; the kernel lets go of it
when the process dies, however it dies. ``slots.lock`` is held while a slot is taken, tested or
recovered, so that none of that looks like a writer to a writer that starts. Readers never wait for
it: where it is held, they announce nothing this time.

Why the lock file has content: a reader that finds a slot without a writer says "complete up to
now". To keep that promise whatever the clocks of readers and later writers do, it leaves the
instant in the lock file, and the slot's next writer starts after it.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bandit.errors import LogUnavailableError
from bandit.eventlog.sqlite_schema import SUFFIX
from bandit.files import PUBLIC_MODE, exclusive_lock

SLOTS_MAX: Final = 1000
UNSETTLED: Final = -1
"""The stamp of a listing that was made too soon after a change to be relied on later."""
TICKS_NS: Final = 50_000_000
"""After how long a file's time of change tells that nothing changed since."""

_GATE: Final = "slots.lock"
_SPOOL_FILE: Final = re.compile(rf"(spool-\d{{3}}){re.escape(SUFFIX)}")
_WIDTH: Final = 20


class Slot:
    """A spool's name, held by this process until released."""

    def __init__(self, number: int, handle: int) -> None:
        self.number = number
        self.name = _name(number)
        self._handle: int | None = handle

    @classmethod
    def claim(cls, directory: Path, first: int = 0) -> Slot:
        """Take the first slot, from number ``first`` on, that has no writer.

        Raises:
            LogUnavailableError: the directory is not writable, or all slots are taken.
        """
        try:
            with exclusive_lock(directory / _GATE):
                for number in range(first, SLOTS_MAX):
                    handle = _try_lock(_lock_path(directory, _name(number)))
                    if handle is not None:
                        return cls(number, handle)
        except OSError as error:
            raise LogUnavailableError(
                f"no spool can be taken in {directory}: {error}",
                hint="make the directory exist and be writable for this process",
            ) from error
        raise LogUnavailableError(
            f"all {SLOTS_MAX} spools in {directory} have a writer or are damaged",
            hint="run fewer workers on one log directory; move damaged spools away",
        )

    def release(self) -> None:
        """Let the slot go; calling it again does nothing."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@contextmanager
def unclaimed(directory: Path, spools: Sequence[str]) -> Iterator[list[str]]:
    """Hold those of the spools' slots that have no writer, and keep anyone from taking any slot.

    Writers that start meanwhile wait, rather than take a higher slot than they need.

    Raises:
        OSError: the directory is not writable.
    """
    with exclusive_lock(directory / _GATE):
        handles = {spool: _try_lock(_lock_path(directory, spool)) for spool in spools}
        try:
            yield [spool for spool, handle in handles.items() if handle is not None]
        finally:
            for handle in handles.values():
                if handle is not None:
                    os.close(handle)


def spool_names(directory: Path) -> list[str]:
    """Return the names of all spools in the directory, sorted."""
    try:
        names = [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        return []
    return sorted(match[1] for name in names if (match := _SPOOL_FILE.fullmatch(name)))


class Listed(NamedTuple):
    """A listing of spools."""

    stamp: int
    """While it stays the same no file of the directory came, went or was replaced."""
    names: list[str]


class Listing:
    """The spools of a directory as of late: listed again only once something in it changed.

    A directory's time of change is as coarse as a tick of the kernel's clock, so a listing made
    within some of them after a change may lack what was added in the same tick, and is not kept.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kept = Listed(UNSETTLED, [])

    def names(self) -> list[str]:
        """Return the names of all spools, sorted."""
        return self.listed().names

    def listed(self) -> Listed:
        """Return the names of all spools, sorted, and what tells when to look again."""
        try:
            changed_ns = self._directory.stat().st_mtime_ns
        except FileNotFoundError:
            return Listed(UNSETTLED, [])
        kept = self._kept
        if changed_ns != kept.stamp:
            settled = changed_ns + TICKS_NS < time.time_ns()
            names = spool_names(self._directory)
            self._kept = kept = Listed(changed_ns if settled else UNSETTLED, names)
        return kept


def announced_us(directory: Path, spool: str) -> int:
    """Return the latest horizon that a reader announced while the spool had no writer, else 0."""
    try:
        return _parse(_lock_path(directory, spool).read_bytes())
    except OSError:
        return 0


def announce_if_idle(directory: Path, spool: str, now_us: int) -> int:
    """Announce ``now_us`` as the horizon of a spool, if it has no writer.

    Returns:
        The latest horizon announced. It holds whether or not there is a writer by now; where the
        promise could not be written down, it is not made.
    """
    try:
        gate = _try_lock(directory / _GATE)
        if gate is None:
            return announced_us(directory, spool)
        try:
            return _announce(directory, spool, now_us)
        finally:
            os.close(gate)
    except OSError:
        return announced_us(directory, spool)


def _announce(directory: Path, spool: str, now_us: int) -> int:
    handle = _try_lock(_lock_path(directory, spool))
    if handle is None:
        return announced_us(directory, spool)
    try:
        horizon_us = max(_parse(os.pread(handle, _WIDTH, 0)), now_us)
        os.pwrite(handle, f"{horizon_us:0{_WIDTH}}".encode(), 0)
    finally:
        os.close(handle)
    return horizon_us


def _name(number: int) -> str:
    return f"spool-{number:03}"


def _lock_path(directory: Path, spool: str) -> Path:
    return directory / f"{spool}.lock"


def _parse(content: bytes) -> int:
    return int(content) if content.isdigit() else 0


def _try_lock(path: Path) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PUBLIC_MODE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return handle
