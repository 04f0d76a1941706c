"""``marquee-sim`` in processes of its own: Ctrl-C keeps what is done; workers leave nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from bandit.config import load_config
from bandit.exploration import EpsilonGreedy
from tests.docs.markdown import ROOT
from tests.simulator.choice_world import draw, write

pytestmark = [pytest.mark.processes]

WAIT_S = 120.0
PROGRESS = re.compile(r": (\d+) of ")


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    told: str
    errors: str


def interrupt(arguments: Sequence[object], *, done: int = 1) -> Ended:
    """Run a command, and send Ctrl-C to its whole group once it tells of so much done."""
    running = subprocess.Popen(
        [sys.executable, "-m", "simulator.cli", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests started in the background of a shell inherit that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env=os.environ | {"PYTHONFAULTHANDLER": "1"},
    )
    # Should it never tell, or not end, it tells where it is; the test fails by its exit code.
    guard = threading.Timer(WAIT_S, running.send_signal, [signal.SIGABRT])
    guard.start()
    try:
        assert running.stderr is not None
        lines = []
        for line in running.stderr:
            lines.append(line)
            if int(PROGRESS.findall(line)[0]) >= done:
                break
        os.killpg(running.pid, signal.SIGINT)
        told, errors = running.communicate(timeout=2 * WAIT_S)
    finally:
        guard.cancel()
        running.kill()
        running.communicate()
    return Ended(running.returncode, told, "".join([*lines, errors]))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_simulation_keeps_the_seeds_that_are_done(tmp_path: Path, jobs: int) -> None:
    kept = tmp_path / "s.json"
    ended = interrupt(
        [
            "simulate", "homepage", "--policy", "uniform", "--set", "titles=60", "--set", "rows=3",
            "--set", "titles_a_row=4", "--pages", 2000, "--batch", 500, "--seeds", 2000,
            "--jobs", jobs, "--json", kept,
        ],
        done=4,
    )  # fmt: skip
    assert ended.code == 130, ended.errors
    assert ended.errors.startswith("simulating homepage: ")
    assert "Traceback" not in ended.errors
    assert ended.errors.endswith("interrupted: what was done is above\n")
    found = json.loads(kept.read_text())
    count = len(found["seeds"])
    assert 0 < count < 2000
    # Of several processes a later seed's may be done first.
    assert found["seeds"] == (list(range(count)) if jobs == 1 else sorted(set(found["seeds"])))
    assert set(found["seeds"]) <= set(range(2000))
    (uniform,) = found["policies"]
    assert len(uniform["by_seed"]) == count
    assert found["notes"] == [f"interrupted: {count} of 2000 seeds were done, and are told of here"]
    assert found["notes"][0] in ended.told


def test_an_interrupted_search_judges_the_best_so_far(tmp_path: Path) -> None:
    log = write(tmp_path / "log.npz", draw(4000))
    best, kept = tmp_path / "best.toml", tmp_path / "s.json"
    key = "surfaces.artwork.exploration.epsilon"
    asked = ["search", log, "--random", "--trials", 400, "--set", f"{key}=0.01..0.9"]
    ended = interrupt([*asked, "--jobs", 2, "--out", best, "--json", kept])
    assert ended.code == 130, ended.errors
    found = json.loads(kept.read_text())
    tried = found["candidates"]
    assert 0 < len(tried) < 400
    assert found["notes"][3].startswith(f"interrupted: {len(tried)} of ")
    assert f"interrupted: judging the best of {len(tried)} candidates" in ended.errors
    chosen = load_config(best, {}).surfaces.artwork.exploration
    assert chosen == EpsilonGreedy(epsilon=tried[0]["settings"][key])
    assert tried[0]["tuning_low"] == max(one["tuning_low"] for one in tried)


def test_an_interrupted_evaluation_keeps_the_policies_that_are_done(tmp_path: Path) -> None:
    log = write(tmp_path / "log.npz", draw(20_000))
    kept = tmp_path / "e.json"
    many = [word for number in range(2000) for word in ("--policy", f"uniform:epsilon=0.{number}")]
    ended = interrupt(["evaluate", log, *many, "--json", kept])
    assert ended.code == 130, ended.errors
    found = json.loads(kept.read_text())
    policies = {one["policy"] for one in found["estimates"]}
    assert 0 < len(policies) < 2000
    assert found["notes"][-1] == f"interrupted: {len(policies)} of 2000 policies were judged"


def test_the_installed_command_needs_nothing_from_the_working_directory(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "marquee-sim"
    asked = ["simulate", "homepage", "--policy", "uniform", "--pages", "40", "--batch", "20"]
    done = subprocess.run(
        [str(command), *asked, "--seeds", "2", "--jobs", "2", "--json", "s.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "s.json").read_text())
    command_told = "marquee-sim simulate homepage --policy uniform --pages 40 --batch 20 --seeds 2"
    assert found["about"]["command"] == f"{command_told} --jobs 2 --json s.json"


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [
            sys.executable, "-m", "simulator.cli", "simulate", "homepage", "--policy", "uniform",
            "--set", "titles=60", "--set", "rows=3", "--set", "titles_a_row=4", "--pages", "2000",
            "--seeds", "2000", "--jobs", "2", "--json", str(tmp_path / "s.json"),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )  # fmt: skip
    guard = threading.Timer(WAIT_S, os.killpg, (running.pid, signal.SIGKILL))
    guard.start()
    try:
        assert running.stderr is not None
        assert running.stderr.readline()
        running.kill()
        # The workers hold the other end: it is closed when the last of them is gone.
        running.stderr.read()
        running.wait()
        assert guard.is_alive(), "workers outlived their parent"
    finally:
        guard.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
