"""One learner at a time: a lock on the learner's directory that dies with its holder.

The lock is the kernel's (flock), so that any death lets go of it at once; what stands in the file
only tells people who holds it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from bandit.errors import LeaseHeldError

LEASE_NAME: Final = "lease"


class LeaseHolder(msgspec.Struct, frozen=True):
    """Who holds a lease, and since when."""

    pid: int
    started_at_us: int


class Lease:
    """The right to learn on the state in a directory; a context manager."""

    def __init__(self, directory: Path, now_us: int) -> None:
        """Take the lease.

        Raises:
            LeaseHeldError: another process, or another learner of this one, holds it.
            OSError: the directory cannot be made or written.
        """
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / LEASE_NAME
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _read_holder(self._handle)
            os.close(self._handle)
            raise _held(path, holder) from error
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, msgspec.json.encode(LeaseHolder(os.getpid(), now_us)), 0)

    def release(self) -> None:
        """Give the lease up; once is enough, twice does no harm."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _read_holder(handle: int) -> LeaseHolder | None:
    try:
        return msgspec.json.decode(os.pread(handle, 1024, 0), type=LeaseHolder)
    except msgspec.DecodeError:
        return None


def _held(path: Path, holder: LeaseHolder | None) -> LeaseHeldError:
    who = f"process {holder.pid}" if holder else "another process"
    return LeaseHeldError(
        f"{path} is held: {who} is learning on the same state",
        hint="stop that learner first, or give this one another learner.directory",
    )
