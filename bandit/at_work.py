"""What a process was at when it crashed, so that the next one knows what to beware of.

A crash inside native code raises nothing. Two files tell of it: ``at-work`` is mapped into memory
and names what is under way, which costs a microsecond and outlives the process; ``crash.txt`` is
where Python's fault handler writes when the process dies by SIGSEGV, SIGBUS, SIGFPE, SIGILL or
SIGABRT. Only both together say that something crashed the process: whoever is killed, or loses
power, leaves ``crash.txt`` empty, and nothing is blamed for it.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

AT_WORK_NAME: Final = "at-work"
CRASH_NAME: Final = "crash.txt"

_BYTES: Final = 4096
_TOLD_MAX: Final = 20_000
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class Crash(NamedTuple):
    """What crashed the process before."""

    stage: str
    name: str
    how: str
    """The first line of what the fault handler wrote."""


class AtWork:
    """Names what is under way, in ``directory``."""

    def __init__(self, directory: Path) -> None:
        handle = os.open(directory / AT_WORK_NAME, _FLAGS, 0o644)
        try:
            # Written, not stretched: a page that the disk has no room for would end the process.
            if os.fstat(handle).st_size != _BYTES:
                os.pwrite(handle, bytes(_BYTES), 0)
                os.ftruncate(handle, _BYTES)
            self._map = mmap.mmap(handle, _BYTES)
        finally:
            os.close(handle)

    def begin(self, stage: str, name: str) -> None:
        """Note what begins now."""
        data = f"{stage}\n{name}\0".encode()[:_BYTES]
        self._map[: len(data)] = data

    def end(self) -> None:
        """Note that it is over."""
        self._map[0] = 0

    def under_way(self) -> tuple[str, str] | None:
        """Return stage and name of what is under way, or was when the process before ended."""
        text = self._map[:].partition(b"\0")[0].decode(errors="replace")
        stage, _, name = text.partition("\n")
        return (stage, name) if stage else None


def last_crash(directory: Path) -> Crash | None:
    """Return what the process before crashed at, None if it did not, or was at nothing."""
    try:
        with (directory / CRASH_NAME).open("rb") as file:
            told = file.read(_TOLD_MAX).decode(errors="replace").strip()
    except FileNotFoundError:
        return None
    found = AtWork(directory).under_way() if told else None
    return None if found is None else Crash(*found, told.splitlines()[0])


@contextmanager
def crashes_noted(directory: Path) -> Iterator[None]:
    """Have crashes of this process noted in ``directory``; what is there of earlier ones goes."""
    with (directory / CRASH_NAME).open("wb") as file:
        AtWork(directory).end()
        faulthandler.enable(file)
        try:
            yield
        finally:
            faulthandler.disable()
