"""The processes of one running service: which they are, and whether they are at work.

All of it is read from /proc and the learner's status, so that looking disturbs nobody.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bandit.status import read_status
from server.local import LocalServer, children_of
from server.prometheus import DIRECTORY_VARIABLE

_LISTENS = "0A"


class Processes(NamedTuple):
    """What runs below a supervisor; what is dead or not yet started is absent."""

    supervisor: int
    gunicorn: int | None
    learner: int | None
    workers: list[int]

    def all(self) -> list[int]:
        """Return every id, in the order in which killing them lets none be started anew."""
        own = [pid for pid in (self.gunicorn, *self.workers, self.learner) if pid is not None]
        return [self.supervisor, *own]


def processes_of(server: LocalServer) -> Processes:
    """Return what runs now."""
    gunicorn = learner = None
    for pid in children_of(server.pid):
        command = _command(pid)
        if "gunicorn" in command:
            gunicorn = pid
        elif "learner_process" in command:
            learner = pid
    workers = [] if gunicorn is None else children_of(gunicorn)
    return Processes(server.pid, gunicorn, learner, [pid for pid in workers if lives(pid)])


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def lives(pid: int) -> bool:
    """Tell whether a process is there and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> bool:
    """Send a signal; tell whether there was a process to take it."""
    if not lives(pid):
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def accepts(pid: int, port: int) -> bool:
    """Tell whether a worker waits for connections on a port: its poller watches the listener."""
    wanted = [f"ino:{inode:x} " for inode in _listeners(port)]
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if "eventpoll" in str(entry.readlink()):
                watched = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()
                return any(inode in watched for inode in wanted)
    return False


def _listeners(port: int) -> list[int]:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    found = [line.split() for line in lines]
    return [int(one[9]) for one in found if one[3] == _LISTENS and one[1].endswith(f":{port:04X}")]


def learner_tells(directory: Path, pid: int) -> bool:
    """Tell whether the learner with this id has reported."""
    status = read_status(directory)
    return status is not None and status.pid == pid


def metrics_directory(pid: int) -> Path | None:
    """Return where a child of the supervisor counts."""
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = entry.decode().partition("=")
            if name == DIRECTORY_VARIABLE:
                return Path(value)
    return None
