"""Jobs for the tests of fanning out: of the module level, for spawned workers to import."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simulator.errors import LoggedDataError
from simulator.jobs import run_jobs
from simulator.progress import Watch


class Line(NamedTuple):
    """What all jobs share."""

    slope: float
    offset: float


def on_line(line: Line, x: float) -> float:
    """Return the line's height."""
    return line.slope * x + line.offset


def draws(seed: int, task: int) -> float:
    """Return a sum that depends on the order of additions."""
    matrix = np.random.default_rng([seed, task]).standard_normal((60, 60))
    return float((matrix @ matrix @ matrix).sum())


def process_id(_: None, task: int) -> int:
    """Return who did it."""
    del task
    return os.getpid()


def refuse(_: None, task: int) -> int:
    """Refuse a task."""
    if task == 3:
        raise LoggedDataError("reward", "is odd", rows=[3], hint="even it out")
    return task


def die(_: None, task: int) -> int:
    """Take the worker down, as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    return task


class Mortal(NamedTuple):
    """What jobs share that die once, as long as more than a pipe holds."""

    deaths: Path
    ballast: bytes


def die_once(mortal: Mortal, task: int) -> tuple[int, int]:
    """Take the worker down at each odd task's first try; return the task and the ballast's size."""
    if task % 2:
        try:
            (mortal.deaths / str(task)).touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return task, len(mortal.ballast)


def once_let(permission: Path, task: int) -> int:
    """Do the first task at once, and others when a file is there, or after 20 s."""
    until_s = time.monotonic() + 20
    while task and not permission.exists() and time.monotonic() < until_s:
        time.sleep(0.02)
    return task


def until_stopped(directory: Path, task: int) -> int:
    """Do the first two tasks at once, and never finish another."""
    if task > 1:
        (directory / f"worker-{os.getpid()}").touch()
        with tempfile.TemporaryDirectory(dir=directory, prefix="own-"):
            signal.pause()
    return task


if __name__ == "__main__":
    done = run_jobs(
        until_stopped,
        Path(sys.argv[1]),
        range(6),
        jobs=int(sys.argv[2]),
        watch=Watch(),
        label="pausing",
        unit="jobs",
    )
    print(done.results, done.interrupted, flush=True)
