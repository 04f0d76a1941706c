"""The example cluster: its table, and a whole short run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from examples.catalog_files import HERE
from examples.cluster import LEARNER, SCORERS, learner_lines, machines_table

ROOT = HERE.parent


def test_the_table_shows_who_serves_what_and_who_is_not_in_step() -> None:
    served = {"artwork": {"version": "v7", "age_s": 1.25}}
    statuses: dict[str, dict[str, Any]] = {
        "a": {"catalog": "c123456789abc", "models": served, "cluster": {"in_step": True}},
        "b": {"cluster": {"in_step": False, "failing": {"forwarding": "away"}}},
    }
    learner = {"learner": {"outcomes": {"deadline": 12}, "lag_s": 0.5}, "verdict": "learning"}
    with Path(os.devnull).open("w") as nowhere:
        console = Console(file=nowhere, width=90, record=True)
        console.print(machines_table(statuses, {"a": "http://x:1", "b": "http://x:2"}))
        console.print(learner_lines(learner, 1234))
        text = console.export_text()
    for shown in ("x:1", "c1234567", "v7, 1.2 s old", "yes", "not: forwarding", "none yet",
                  "1,234 pages", "12 outcomes", "lag 0.5 s"):  # fmt: skip
        assert shown in text


def _start(state: Path, *options: str) -> subprocess.Popen[str]:
    program = ROOT / "examples" / "cluster.py"
    return subprocess.Popen(
        [sys.executable, program, "--port", "0", "--state", state, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.processes
@pytest.mark.xdist_group("redis")
def test_the_cluster_runs_serves_and_ends_cleanly(tmp_path: Path) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with _start(tmp_path, "--seconds", "6") as cluster:
        shown, _ = cluster.communicate(timeout=150)
    assert cluster.returncode == 0, shown
    pages = re.search(r"([\d,]+) pages shown", shown)
    assert pages is not None, shown
    assert int(pages.group(1).replace(",", "")) > 0
    for host in (LEARNER, *SCORERS):
        assert f"{host} " in shown
        assert '"exit_code":0' in (tmp_path / host / "serve.log").read_text().splitlines()[-1]
    assert "Traceback" not in shown


def test_without_redis_it_says_what_to_install(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, ROOT / "examples" / "cluster.py", "--port", "0", "--state", tmp_path],
        env={**os.environ, "PATH": "/nowhere", "COLUMNS": "100"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert found.returncode == 1
    assert "apt-get install redis-server" in found.stdout
