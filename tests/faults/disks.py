"""Real disks that can be filled, emptied and made read-only, for tests of what happens then.

A disk of its own is a small tmpfs, which only a superuser who may mount can have. Without that,
the processes of a service can be made to meet the same refusals by a limit on the size of files,
which the operating system keeps at every write of theirs. A test that needs nothing more than
refused writes runs with both where it can, and with the second alone elsewhere.
"""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from shutil import disk_usage
from typing import Final, Protocol

from server.local import children_of

_CHUNK: Final = 65_536
_LONGEST: Final = 1 << 20
"""What files may hold where a limit stands for a full disk: as much as the metrics' have, which lie
in memory and are refused nothing by a disk."""


class Disk(Protocol):
    """A disk that can be full."""

    def fill(self) -> None:
        """Have it take no byte more."""
        ...

    def free(self) -> None:
        """Have it take what comes again."""
        ...


@cache
def can_mount() -> bool:
    """Tell whether a disk of its own can be had here; tried where nobody else sees it."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


class SmallDisk:
    """A mounted disk of a few megabytes, filled by a file of ours."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ballast = directory / "ballast"

    def fill(self, *, leaving: int = 0) -> None:
        """Write until there is no room for a byte, or about so many are left."""
        with self._ballast.open("ab", buffering=0) as file:
            if leaving:
                os.posix_fallocate(file.fileno(), 0, disk_usage(self.directory).free - leaving)
                return
            for size in (_CHUNK, 512, 1):
                _write_until_full(file.fileno(), bytes(size))

    def free(self) -> None:
        """Remove what fills it."""
        self._ballast.unlink()

    def read_only(self, *, is_so: bool) -> None:
        """Mount it anew for reading alone, or for writing as well; no file may be open to write."""
        how = "ro" if is_so else "rw"
        command = ["mount", "-o", f"remount,{how}", str(self.directory)]
        subprocess.run(command, check=True, capture_output=True)

    def becomes_read_only(self) -> bool:
        """Try to mount it for reading alone, which fails while a file is open to write."""
        try:
            self.read_only(is_so=True)
        except subprocess.CalledProcessError:
            return False
        return True


def _write_until_full(handle: int, chunk: bytes) -> None:
    while True:
        try:
            os.write(handle, chunk)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a small disk at a directory for the length of a block."""
    directory.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=True)
    try:
        yield SmallDisk(directory)
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


class LimitedProcesses:
    """What a full disk is to processes: no file becomes longer than a megabyte."""

    def __init__(self, parent: Callable[[], int]) -> None:
        self._parent = parent

    def fill(self) -> None:
        """Refuse all below the parent any long file, and those that they start."""
        self._limit(_LONGEST)

    def free(self) -> None:
        """Refuse nothing any more."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, largest: int) -> None:
        children = children_of(self._parent())
        for pid in [*children, *(each for child in children for each in children_of(child))]:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, hard))
