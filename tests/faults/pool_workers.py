"""The processes that a command with ``--jobs`` works in, to be killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from server.local import children_of, wait_until

WAIT_S = 120.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def spawned(parent: int) -> list[int]:
    """Return the processes that the parent's pool has started and that live."""
    found = []
    for pid in children_of(parent):
        with suppress(OSError):
            if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
    return found


def seconds_worked(pid: int) -> float:
    """Return the processor time that a process has used, 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def kill_one(running: subprocess.Popen[str], worked_s: float, gone: set[int]) -> set[int]:
    """Kill a worker, none of those gone before, once it has worked for so long.

    Returns all workers of its pool, which go with it.
    """
    victims: list[int] = []

    def found() -> bool:
        assert running.poll() is None, "it ended before its worker was killed"
        fresh = [pid for pid in spawned(running.pid) if pid not in gone]
        victims[:] = [pid for pid in fresh if seconds_worked(pid) >= worked_s]
        return bool(victims)

    wait_until(found, WAIT_S, f"a worker that worked for {worked_s} s")
    pool = set(spawned(running.pid)) - gone
    os.kill(victims[0], signal.SIGKILL)
    return pool


def kill_twice(running: subprocess.Popen[str]) -> None:
    """Kill a worker at its start, and another one in the middle of its work."""
    # Both workers of a pool go when one is killed, and others take their place.
    gone: set[int] = set()
    for worked_s in (0.0, 0.4):
        gone |= kill_one(running, worked_s, gone)


def finish(running: subprocess.Popen[str], disturb: Callable[[], None]) -> str:
    """See a run to its end; return what it said on standard error."""
    try:
        disturb()
        _, errors = running.communicate(timeout=WAIT_S)
    finally:
        running.kill()
        running.communicate()
    assert running.returncode == 0, errors
    return errors
