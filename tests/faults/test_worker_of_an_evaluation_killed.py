"""kill -9 of the processes that `marquee-sim evaluate --jobs 2` works in: the same bits come out.

Failure case 25. The command itself, on the sample log, with its workers killed at their start and
in the middle of their work.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from server.local import children_of, wait_until
from tests.docs.markdown import ROOT

pytestmark = pytest.mark.processes

WAIT_S = 120.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
POLICIES = ("uniform", "editorial", "examples/marquee.toml")


def begin(report: Path, jobs: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulator.cli", "evaluate", "sample", "--seed", "3"]
    for policy in POLICIES:
        command += ["--policy", policy]
    return subprocess.Popen(
        [*command, "--estimators", "ips,snips", "--jobs", str(jobs), "--json", str(report)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


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


def judged(report: Path) -> dict[str, Any]:
    """Return all that a report says, but when and how it was made."""
    whole: dict[str, Any] = json.loads(report.read_text())
    whole.pop("about")
    return whole


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


def test_killed_workers_of_an_evaluation_change_no_bit_of_it(tmp_path: Path) -> None:
    alone, beset = tmp_path / "alone.json", tmp_path / "beset.json"
    running = begin(beset, 2)

    def kill_twice() -> None:
        # Both workers of a pool go when one is killed, and others take their place.
        gone: set[int] = set()
        for worked_s in (0.0, 0.4):
            gone |= kill_one(running, worked_s, gone)

    told = finish(running, kill_twice)
    assert told.count("a worker process died") == 2, told
    finish(begin(alone, 1), lambda: None)
    assert judged(beset) == judged(alone)
