"""A second learner on the same state, as a process: it refuses, says whom it met, and may wait."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bandit.config.loading import load_config
from bandit.status import read_status
from server.exit_codes import EX_TEMPFAIL
from server.local import state_overrides, wait_until
from server.run_directory import EFFECTIVE_CONFIG_VARIABLE, RunDirectory

pytestmark = pytest.mark.processes

WAIT_S = 60.0


@contextmanager
def learner(root: Path, effective: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a learner's process; its log goes to a file of its name."""
    command = [sys.executable, "-m", "server.learner_process"]
    with (root / f"{name}.log").open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, EFFECTIVE_CONFIG_VARIABLE: str(effective)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(WAIT_S)


def lines(root: Path, name: str) -> list[dict[str, Any]]:
    text = (root / f"{name}.log").read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_the_second_learner_refuses_and_takes_over_once_the_first_is_dead(tmp_path: Path) -> None:
    config = load_config(None, state_overrides(tmp_path))
    run = RunDirectory(tmp_path / "run")
    run.write_config(config)
    state = Path(config.learner.directory)
    try:
        with learner(tmp_path, run.effective_config, "first") as first:
            wait_until(lambda: read_status(state) is not None, WAIT_S, "the first learner's status")
            with learner(tmp_path, run.effective_config, "second") as second:
                assert second.wait(WAIT_S) == EX_TEMPFAIL
            (refusal,) = lines(tmp_path, "second")
            assert refusal["event"] == "another learner is at work"
            assert f"process {first.pid} is learning" in refusal["why"]
            assert "stop that learner first" in refusal["why"]
            assert first.poll() is None
            first.kill()
            first.wait(WAIT_S)
            with learner(tmp_path, run.effective_config, "third") as third:
                wait_until(lambda: told_by(state) == third.pid, WAIT_S, "the third's status")
                third.send_signal(signal.SIGTERM)
                assert third.wait(WAIT_S) == 0
    finally:
        run.close()


def told_by(state: Path) -> int | None:
    status = read_status(state)
    return None if status is None else status.pid
