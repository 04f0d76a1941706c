"""One case at a time by name, timed, with its peak memory: the loop of both measured processes.

Cases come on standard input, one a line, with the number of resamples and threads; each is answered
by a line of JSON. This module runs under obp's Python 3.9 too.
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPEATS_MAX = 5
ENOUGH_S = 4.0
PEAK_RESET = "5"
"""Written to /proc/self/clear_refs, makes Linux count the peak anew."""

Run = Callable[[int, int], tuple[float, float, float]]
"""(resamples, threads) → value, low, high."""


def serve(prepare: Callable[[str], Run]) -> None:
    """Answer until standard input ends; ``prepare`` makes a case's inputs, untimed.

    A few resamples come first, untimed but within the peak: what is loaded lazily is loaded then.
    Short runs are repeated, and the quickest counts.
    """
    for line in sys.stdin:
        name, resamples, threads = line.split()
        run = prepare(name)
        before = _begin_peak()
        run(8, 1)
        times: list[float] = []
        while len(times) < REPEATS_MAX and sum(times) < ENOUGH_S:
            began = time.perf_counter()
            value, low, high = run(int(resamples), int(threads))
            times.append(time.perf_counter() - began)
        found = {
            "seconds": min(times),
            "peak_mb": max(0.0, _peak_mb() - before),
            "value": value,
            "low": low,
            "high": high,
        }
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


def _begin_peak() -> float:
    """Give freed memory back, so that it cannot be used again unseen, and count from here."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text(PEAK_RESET)
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return _status_mb("VmRSS")


def _peak_mb() -> float:
    try:
        return _status_mb("VmHWM")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _status_mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise OSError(field)
