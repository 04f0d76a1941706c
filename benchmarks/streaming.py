"""Twenty million logged rows in Parquet, under a memory limit: IPS and SNIPS with intervals.

The rows are made once, in pieces, below ``build/streaming``; the estimates are made in a process of
its own that may not have more than 1 GB of data (``RLIMIT_DATA``), and whose peak of resident
memory is taken from the kernel. The logging policy, the target and the rewards are tables by one
of 64 kinds of context, so that the target's true value is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.outcome_files.arrow import arrow
from benchmarks.figures import Board, Target

ROWS: Final = 20_000_000
FILE_ROWS: Final = 1_000_000
GROUP_ROWS: Final = 250_000
ACTIONS: Final = 80
POSITIONS: Final = 3
KINDS: Final = 64
SEED: Final = 20_261_122
LIMIT_MB: Final = 1024
DIRECTORY: Final = Path(__file__).resolve().parents[1] / "build" / "streaming"

Array = npt.NDArray[np.float64]


class World(NamedTuple):
    """Tables of shape (kinds, actions), and the target's true value."""

    logging: Array
    target: Array
    reward: Array
    value: float


def world() -> World:
    """Return the policies and the chance of a reward."""
    rng = np.random.default_rng(SEED)
    logging, target = (_softmax(rng.normal(size=(KINDS, ACTIONS))) for _ in range(2))
    reward = rng.beta(1, 9, size=(KINDS, ACTIONS))
    return World(logging, target, reward, float((target * reward).sum(axis=1).mean()))


def _softmax(logits: Array) -> Array:
    weights = np.exp(logits)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def make_rows(directory: Path, rows: int) -> None:
    """Write the rows, unless they are there already; each file is seeded by its number."""
    directory.mkdir(parents=True, exist_ok=True)
    made = world()
    for number, first in enumerate(range(0, rows, FILE_ROWS)):
        path = directory / f"part-{number:03}.parquet"
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            table = table_of_file(made, number, min(FILE_ROWS, rows - first))
            arrow("parquet").write_table(
                table, unfinished, row_group_size=GROUP_ROWS, compression="zstd"
            )
            unfinished.rename(path)


def table_of_file(made: World, number: int, rows: int) -> Any:
    """Return the rows of a file, which its number seeds."""
    rng = np.random.default_rng((SEED, number))
    kind = rng.integers(KINDS, size=rows)
    # Each kind's cumulated probabilities stand in a unit interval of their own.
    ends = (made.logging.cumsum(axis=1) + np.arange(KINDS)[:, None]).ravel()
    place = np.searchsorted(ends, rng.random(rows) + kind, side="right")
    action = np.clip(place - kind * ACTIONS, 0, ACTIONS - 1)
    reward = rng.random(rows) < made.reward[kind, action]
    return arrow().table(
        {
            "action": action.astype(np.int32),
            "action_count": np.full(rows, ACTIONS, np.int32),
            "reward": reward.astype(np.float64),
            "propensity": made.logging[kind, action],
            "position": rng.integers(POSITIONS, size=rows).astype(np.int32),
            "context_kind": kind.astype(np.float32),
            "context_noise": rng.random(rows, np.float32),
        }
    )


def measure_streaming(board: Board, *, quick: bool) -> None:
    """Add the seconds and the peak of memory to the board."""
    rows = FILE_ROWS // 10 if quick else ROWS
    directory = DIRECTORY.with_name("streaming-quick") if quick else DIRECTORY
    began = time.monotonic()
    make_rows(directory, rows)
    board.say(f"{rows:,} rows in {directory.name} after {time.monotonic() - began:.0f} s")
    command = [sys.executable, "-m", "benchmarks.streaming_run", str(directory), str(LIMIT_MB)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(answer.stdout)
    assert found["rows"] == rows, f"{found['rows']:,} rows were read of {rows:,}"
    work = f"IPS and SNIPS with normal intervals, {rows:,} rows × {ACTIONS} actions, one process"
    board.add("streaming_seconds", found["seconds"], "s", work)
    board.add("streaming_rows_per_second", rows / found["seconds"], "rows/s", "the same")
    board.add(
        "streaming_peak_rss_mb",
        found["peak_mb"],
        "MB",
        f"the same, at most {LIMIT_MB} MB of data allowed",
        Target("<", LIMIT_MB),
    )
    for name in ("ips", "snips"):
        value, low, high = found[name]
        board.say(f"{name} {value:.5f} [{low:.5f}, {high:.5f}], truth {found['truth']:.5f}")
