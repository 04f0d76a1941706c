"""Whether a disk has room left to go on writing to it, with a memory of having been short.

Below the minimum nothing new is begun, so that there is room for what must still be written: what
was acknowledged and waits for its commit, checkpoints, and what a recovery writes. It is over once
:data:`RECOVERS_AT` times the minimum is free: without that distance a service that hovers about the
minimum would change its mind with every file that comes and goes.

The learner publishes no snapshots meanwhile, which would add up to ``snapshots.keep`` of them. Its
checkpoints go on: each takes the place of the one before the last, and without them nothing that
is old and learned could be told from what is not, and removed.

A look takes one ``statvfs``, which may wait where the disk hangs: it is for threads that write to
the disk anyway, never for one that answers a page.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import structlog

RECOVERS_AT: Final = 1.25
"""How much must be free for it to be enough again, as a multiple of the minimum."""

_log = structlog.get_logger(__name__)


class DiskRoom:
    """The room on the disk that holds a directory.

    Args:
        directory: any directory on the disk; while it cannot be looked at, nothing changes.
        bytes_min: what must be free, in bytes; 0 is always free.
    """

    def __init__(self, directory: Path, bytes_min: int) -> None:
        self._directory = directory
        self._bytes_min = bytes_min
        self.is_low = False
        """Whether there was too little at the last look."""
        self.free_bytes = 0
        """What was free at the last look, to processes that are not the superuser's."""

    def look(self) -> bool:
        """Look at the disk; return whether there is too little room."""
        try:
            found = os.statvfs(self._directory)
        except OSError:
            return self.is_low
        self.free_bytes = found.f_bavail * found.f_frsize
        enough = self._bytes_min * RECOVERS_AT if self.is_low else self._bytes_min
        is_low = self.free_bytes < enough
        if is_low != self.is_low:
            self.is_low = is_low
            tell = _log.error if is_low else _log.info
            what = "disk is nearly full: nothing new is written" if is_low else "disk has room"
            tell(what, directory=str(self._directory), free_bytes=self.free_bytes)
        return is_low

    def why(self) -> str | None:
        """Return why nothing new is to be written, None where there was room at the last look."""
        if not self.is_low:
            return None
        return (
            f"the disk of {self._directory} has {self.free_bytes / 1e6:.0f} MB free, and needs "
            f"{self._bytes_min * RECOVERS_AT / 1e6:.0f}: free some; it then goes on by itself"
        )
