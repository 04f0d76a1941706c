"""What a running service holds, looked at again and again: memory, open files, bytes on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

from server.local import LocalServer, children_of


class Process(NamedTuple):
    """One process of the service."""

    role: str
    resident_mb: float
    handles: int


class VitalSigns(NamedTuple):
    """What all processes and directories of a service hold at one time."""

    processes: list[Process]
    disk_mb: dict[str, float]
    """By directory of the state."""


def look(server: LocalServer) -> VitalSigns:
    """Look at the supervisor, its children and theirs; one that ends meanwhile is left out."""
    processes = _process(server.pid, "supervisor")
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in children_of(server.pid):
            command = Path(f"/proc/{child}/cmdline").read_text()
            is_learner = "learner_process" in command
            processes += _process(child, "learner" if is_learner else "gunicorn")
            for worker in [] if is_learner else children_of(child):
                processes += _process(worker, "worker")
    places = sorted(place for place in server.directory.iterdir() if place.is_dir())
    return VitalSigns(processes, {place.name: _megabytes(place) for place in places})


def _process(pid: int, role: str) -> list[Process]:
    with suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{pid}/status").read_text()
        lines = dict(line.partition(":")[::2] for line in status.splitlines())
        if "VmRSS" in lines:
            resident_mb = int(lines["VmRSS"].split()[0]) / 1024
            return [Process(role, resident_mb, len(list(Path(f"/proc/{pid}/fd").iterdir())))]
    return []


def _megabytes(directory: Path) -> float:
    held = 0
    # Unlike a glob it passes over a directory that is removed while it is being listed.
    for place, directories, files in os.walk(directory):
        for name in (*directories, *files):
            with suppress(FileNotFoundError):
                # What is allocated: a sparse file takes less than its length.
                held += (Path(place) / name).lstat().st_blocks * 512
    return held / 1e6


class Trend(NamedTuple):
    """How something stood in the second quarter of a run, when all was warm, and in the last."""

    before: float
    after: float

    @property
    def growth(self) -> float:
        """By how much it grew, as a share of what it was."""
        return self.after / self.before - 1 if self.before else 0.0


def trend_of(signs: Sequence[VitalSigns], measured: Callable[[VitalSigns], float]) -> Trend:
    """Return the medians of the second and of the last quarter of what was looked at."""
    values = [measured(one) for one in signs]
    quarter = len(values) // 4
    return Trend(median(values[quarter : 2 * quarter]), median(values[-quarter:]))


def resident_mb(role: str) -> Callable[[VitalSigns], float]:
    """Return what tells the memory of the largest process of a role, in MB."""
    return lambda signs: max((p.resident_mb for p in signs.processes if p.role == role), default=0)


def handles(role: str) -> Callable[[VitalSigns], float]:
    """Return what tells the open files of the process of a role that has most."""
    return lambda signs: max((p.handles for p in signs.processes if p.role == role), default=0)


def disk_mb(place: str) -> Callable[[VitalSigns], float]:
    """Return what tells the bytes of one directory of the state, in MB."""
    return lambda signs: signs.disk_mb.get(place, 0.0)
