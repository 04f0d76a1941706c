"""Resident memory of the scoring processes."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import NamedTuple

from server.local import LocalServer, children_of


class Memory(NamedTuple):
    """Of all workers of one server, in MB."""

    rss_mb: float
    """The median worker's resident pages."""
    pss_mb: float
    """The median worker's share, pages that n processes share counted for one nth."""
    together_mb: float
    """The sum of all workers' shares: pages that they share are counted once."""


def worker_pids(server: LocalServer) -> list[int]:
    """Return the ids of the HTTP server's workers: the grandchildren of the supervisor."""
    return [worker for child in children_of(server.pid) for worker in children_of(child)]


def memory_mb(pid: int) -> tuple[float, float]:
    """Return a process's RSS, and its PSS, in which shared pages count for a part (Linux)."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        sizes[name] = int(rest.split()[0]) / 1024
    return sizes["Rss"], sizes["Pss"]


def workers_memory(server: LocalServer) -> Memory:
    """Return what the workers hold now."""
    measured = [memory_mb(pid) for pid in worker_pids(server)]
    shares = [pss for _, pss in measured]
    return Memory(median(rss for rss, _ in measured), median(shares), sum(shares))
