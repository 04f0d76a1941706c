"""The README's commands for researchers run as written, in a fresh folder beside the examples."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.results import Evaluation, Simulation, read_result
from tests.docs.markdown import ROOT, blocks

pytestmark = pytest.mark.processes


def test_evaluate_simulate_report(tmp_path: Path) -> None:
    (script,) = (one for one in blocks(ROOT / "README.md", "sh") if "marquee-sim" in one)
    assert re.findall(r"marquee-sim (\w+)", script) == ["evaluate", "simulate", "report"]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    here = script.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    done = subprocess.run(
        ["bash", "-euc", here],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    evaluation = read_result(tmp_path / "evaluation.json")
    simulation = read_result(tmp_path / "simulation.json")
    assert isinstance(evaluation, Evaluation)
    assert isinstance(simulation, Simulation)
    snips = {one.policy: one for one in evaluation.estimates if one.estimator == "snips"}
    assert all(one.diagnostics.sound for one in snips.values())
    # The log holds enough to tell what was learned from the order that editors gave.
    assert snips["marquee"].intervals[0].low > snips["editorial"].intervals[0].high
    earned = {one.policy: one.final_reward_mean for one in simulation.policies}
    assert earned["marquee"] > earned["popularity"] > earned["uniform"]
    assert "<svg" in (tmp_path / "evaluation.html").read_text()
