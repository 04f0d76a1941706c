"""Resident memory of the scoring processes."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmarks.figures import Board
from server.local import LocalServer, children_of


def worker_pids(server: LocalServer) -> list[int]:
    """Return the ids of gunicorn's workers: the grandchildren of the supervisor."""
    return [worker for child in children_of(server.pid) for worker in children_of(child)]


def memory_mb(pid: int) -> tuple[float, float]:
    """Return a process's RSS, and its PSS, in which shared pages count for a part (Linux)."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        sizes[name] = int(rest.split()[0]) / 1024
    return sizes["Rss"], sizes["Pss"]


def add_memory(board: Board, server: LocalServer, artworks: int) -> None:
    """Add the memory of a worker that served the load before."""
    measured = [memory_mb(pid) for pid in worker_pids(server)]
    work = f"of {len(measured)} workers, after the load, a catalog of {artworks:,} artworks"
    board.add("worker_rss_mb_20k", median(rss for rss, _ in measured), "MB", f"median {work}")
    board.add(
        "worker_pss_mb_20k",
        median(pss for _, pss in measured),
        "MB",
        "the same, pages shared with other processes counted in part",
    )
