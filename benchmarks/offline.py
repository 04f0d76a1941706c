"""Two hundred million logged rows in Parquet, judged in parts: cost against rows and workers.

The rows are those of :mod:`benchmarks.streaming`, made below ``build/offline`` by the very fan-out
that is measured, and deleted afterwards. Each run is a process of its own, with its workers below
it; the peak of resident memory of every worker is taken from the kernel. The same work is done by
a cluster of Dask on this machine, and must come to the same bits.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import cpu_count
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from distributed import LocalCluster

from bandit.outcome_files.arrow import arrow
from benchmarks.figures import Board, Target
from benchmarks.offline_run import peak_mb
from benchmarks.streaming import ACTIONS, DIRECTORY, GROUP_ROWS, World, table_of_file, world
from simulator.jobs import run_jobs
from simulator.progress import Watch
from simulator.wording import counted

FILE_ROWS: Final = 500_000
ROWS: Final = (12_500_000, 50_000_000, 200_000_000)
WORKERS: Final = (1, 2, 4)
AT_ROWS: Final = ROWS[1]
"""Where workers are compared."""
LIMIT_MB: Final = 512
"""What a worker may hold, at most."""
QUICK: Final = 100
"""How much less is done in a quick run."""
REPEATS: Final = 2
"""Runs of each kind, of which the quickest counts: whatever else a machine does only costs time."""
ESTIMATES: Final = f"IPS and SNIPS with normal intervals, the quickest of {REPEATS} runs"


class Making(NamedTuple):
    """What those who make files share."""

    made: World
    directory: Path
    rows: int
    """Of a file."""


class Run(NamedTuple):
    """What one evaluation took, and found."""

    seconds: float
    worker_mb: float
    """The largest peak of a worker."""
    parent_mb: float
    found: list[list[Any]]


def measure_offline(board: Board, *, quick: bool) -> None:
    """Add seconds, rows a second and memory to the board, and both curves."""
    less = QUICK if quick else 1
    rows = [number // less for number in ROWS]
    directory = DIRECTORY.with_name("offline-quick" if quick else "offline")
    most = max(one for one in WORKERS if one <= max(2, cpu_count() or 1))
    began = time.monotonic()
    try:
        _make(directory / "all", rows[-1], FILE_ROWS // less, most)
        size = sum(file.stat().st_size for file in (directory / "all").iterdir())
        told = f"{rows[-1]:,} rows, {size / 1e9:.2f} GB"
        board.say(f"{told}, made after {time.monotonic() - began:.0f} s")
        board.add("offline_log_gb", size / 1e9, "GB", f"{rows[-1]:,} rows on disk")
        for number in rows[:-1]:
            _link(directory, number, FILE_ROWS // less)
        _measure(board, directory, rows, most)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def make_file(making: Making, number: int) -> int:
    """Write one file; return its rows."""
    path = making.directory / f"part-{number:04}.parquet"
    table = table_of_file(making.made, number, making.rows)
    arrow("parquet").write_table(table, path, row_group_size=GROUP_ROWS, compression="zstd")
    return making.rows


def _make(directory: Path, rows: int, file_rows: int, jobs: int) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    making = Making(world(), directory, file_rows)
    files = range(rows // file_rows)
    finished = run_jobs(
        make_file, making, files, jobs=jobs, watch=Watch(), label="making rows", unit="files"
    )
    if finished.interrupted:
        raise KeyboardInterrupt


def _link(directory: Path, rows: int, file_rows: int) -> None:
    """Make a directory of the first so many rows, without a copy."""
    part = directory / str(rows)
    part.mkdir()
    for file in sorted((directory / "all").iterdir())[: rows // file_rows]:
        (part / file.name).hardlink_to(file)


def _measure(board: Board, directory: Path, rows: list[int], most: int) -> None:
    by_rows: list[tuple[float, float]] = []
    by_workers: list[tuple[float, float]] = []
    peaks: list[float] = []
    middle = rows[ROWS.index(AT_ROWS)]
    for number in rows:
        run = _run(directory / ("all" if number == rows[-1] else str(number)), most)
        peaks.append(run.worker_mb)
        by_rows.append((number / 1e6, run.seconds))
        _tell(board, f"offline_{number / 1e6:g}m", number, run, f"{most} workers")
        if number == middle:
            by_workers.append((most, number / run.seconds))
            at_middle = run
    with _cluster(most) as cluster:
        clustered = _run(directory / str(middle), 0, cluster.scheduler_address)
        worker_mb = max(peak_mb(nanny.process.pid) for nanny in cluster.workers.values())
    assert clustered.found == at_middle.found, "a cluster finds something else"
    clustered = clustered._replace(worker_mb=worker_mb)
    _tell(board, "offline_cluster", middle, clustered, f"{most} workers of a Dask cluster")
    for workers in (one for one in WORKERS if one < most):
        run = _run(directory / str(middle), workers)
        assert run.found == at_middle.found, f"{workers} workers find something else"
        by_workers.append((workers, middle / run.seconds))
        _tell(board, f"offline_{workers}_workers", middle, run, counted(workers, "workers"))
    work = f"{ESTIMATES}, {ACTIONS} actions, the first look included"
    board.add(
        "offline_worker_peak_mb",
        max(*peaks, worker_mb),
        "MB",
        f"the largest peak of a worker's resident memory, up to {rows[-1]:,} rows",
        Target("<", LIMIT_MB),
    )
    across, up = np.array(by_rows).T
    slope, fixed = np.polyfit(across, up, 1).tolist()
    line = [(x, fixed + slope * x) for x, _ in by_rows]
    apart = max(abs(y / fit - 1) for (_, y), (_, fit) in zip(by_rows, line, strict=True))
    board.add("offline_fixed_seconds", fixed, "s", f"{work}, {most} workers: whatever the rows")
    board.add("offline_seconds_a_million", slope, "s", "the same, for each million rows more")
    board.add("offline_off_the_line", 100 * apart, "%", "the same, at most", Target("<", 25))
    board.curve(
        "offline_rows",
        "million rows",
        "seconds",
        {"measured": by_rows, "straight line": line},
        f"{work}, {most} workers",
    )
    by_workers.sort()
    alone = by_workers[0][1] / by_workers[0][0]
    board.curve(
        "offline_workers",
        "workers",
        "rows a second",
        {"measured": by_workers, "in proportion": [(x, alone * x) for x, _ in by_workers]},
        f"{work}, {middle:,} rows",
    )


def _tell(board: Board, name: str, rows: int, run: Run, who: str) -> None:
    work = f"{ESTIMATES}, {rows:,} rows × {ACTIONS} actions, {who}"
    board.add(f"{name}_seconds", run.seconds, "s", work)
    board.say(
        f"{rows:,} rows by {who}: {run.seconds:.1f} s, {rows / run.seconds:,.0f} rows/s, "
        f"peaks {run.worker_mb:.0f} MB a worker and {run.parent_mb:.0f} MB for who asks"
    )


def _run(directory: Path, jobs: int, address: str = "") -> Run:
    """Return the quickest of some runs, with the largest peaks of all."""
    command = [sys.executable, "-m", "benchmarks.offline_run", str(directory), str(jobs), address]
    runs = []
    for _ in range(REPEATS):
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        runs.append(Run(**json.loads(answer.stdout)))
    assert all(run.found == runs[0].found for run in runs), "another run finds something else"
    return Run(
        min(run.seconds for run in runs),
        max(run.worker_mb for run in runs),
        max(run.parent_mb for run in runs),
        runs[0].found,
    )


@contextmanager
def _cluster(workers: int) -> Iterator[Any]:
    cluster = LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        scheduler_port=0,
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    )
    try:
        yield cluster
    finally:
        cluster.close(timeout=20)
