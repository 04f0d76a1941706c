"""kill -9 of the processes that `marquee-sim evaluate --jobs 2` works in: the same bits come out.

Failure case 25. The command itself, on the sample log, with its workers killed at their start and
in the middle of their work.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.markdown import ROOT
from tests.faults.pool_workers import finish, kill_twice

pytestmark = pytest.mark.processes

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


def judged(report: Path) -> dict[str, Any]:
    """Return all that a report says, but when and how it was made."""
    whole: dict[str, Any] = json.loads(report.read_text())
    whole.pop("about")
    return whole


def test_killed_workers_of_an_evaluation_change_no_bit_of_it(tmp_path: Path) -> None:
    alone, beset = tmp_path / "alone.json", tmp_path / "beset.json"
    running = begin(beset, 2)
    told = finish(running, lambda: kill_twice(running))
    assert told.count("a worker process died") == 2, told
    finish(begin(alone, 1), lambda: None)
    assert judged(beset) == judged(alone)
