"""The demo: its configuration, its table, and a whole short run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from bandit.config import load_config
from bandit.types import Share
from examples.catalog_files import HERE
from examples.demo import CONFIG, choose_port, lift, model_lines, shares_table
from examples.ledger import Tally

ROOT = HERE.parent

TOTALS: dict[Share, Tally] = {
    "learned": Tally(100, 2000, 120),
    "holdout": Tally(10, 200, 6),
    "explore": Tally(),
}


def test_the_configuration_is_valid_and_every_key_is_explained() -> None:
    config = load_config(CONFIG, {})
    assert (config.server.port, config.server.workers) == (8080, 3)
    assert config.catalog.source is not None
    assert (ROOT / config.catalog.source).is_file()
    lines = CONFIG.read_text(encoding="utf-8").splitlines()
    keys = [index for index, line in enumerate(lines) if "=" in line and line[0] != "#"]
    assert keys
    assert all(lines[index - 1].startswith("#") for index in keys)


def test_lift_compares_learned_with_holdout() -> None:
    assert lift(TOTALS) == pytest.approx(1.0)
    assert lift({**TOTALS, "holdout": Tally()}) is None


def test_the_table_shows_counts_rates_and_models() -> None:
    status = {
        "models": {"artwork": {"version": "v7", "age_s": 1.25}},
        "shares": {"artwork": {"learned": {"take_fraction": 0.061}}},
        "learner": {"outcomes": {"deadline": 12}, "examples": {"artwork": 34}, "lag_s": 0.5},
        "verdict": "learning",
    }
    with (Path(os.devnull)).open("w") as nowhere:
        console = Console(file=nowhere, width=80, record=True)
        console.print(shares_table(TOTALS, TOTALS, status), model_lines(TOTALS, TOTALS, status))
        text = console.export_text()
    for shown in ("2,000", "6.00 %", "6.10 %", "3.00 %", "100 %", "v7", "12 outcomes", "lag 0.5 s"):
        assert shown in text
    empty = {share: Tally() for share in TOTALS}
    assert "none yet" in model_lines(empty, empty, {}).plain


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert choose_port(port) not in (0, port)


def _start_demo(state: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, ROOT / "examples" / "demo.py", "--port", "0", "--state", state, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=state,
        env={**os.environ, "COLUMNS": "80", "PYTHONUNBUFFERED": "1"},
    )


def _ended_cleanly(state: Path) -> bool:
    last = (state / "serve.log").read_text(encoding="utf-8").splitlines()[-1]
    return bool(json.loads(last).get("exit_code") == 0)


@pytest.mark.processes
def test_the_demo_runs_serves_and_ends_cleanly(tmp_path: Path) -> None:
    with _start_demo(tmp_path, "--seconds", "4") as demo:
        shown, _ = demo.communicate(timeout=150)
    assert demo.returncode == 0, shown
    assert "Serving at http://127.0.0.1:" in shown
    assert "take fraction" in shown
    learned = next(line.split() for line in shown.splitlines() if line.split()[:1] == ["learned"])
    assert int(learned[1].replace(",", "")) > 0
    assert _ended_cleanly(tmp_path)


@pytest.mark.processes
def test_a_signal_ends_the_demo_and_all_it_started(tmp_path: Path) -> None:
    with _start_demo(tmp_path) as demo:
        assert demo.stdout is not None
        assert any("Serving at" in line for line in iter(demo.stdout.readline, ""))
        demo.terminate()
        shown, _ = demo.communicate(timeout=100)
    # 130 if the signal came before the table did.
    assert demo.returncode in (0, 130), shown
    assert _ended_cleanly(tmp_path)
