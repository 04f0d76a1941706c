"""One evaluation of :mod:`benchmarks.offline`: prints what it took and what it found as JSON.

``python -m benchmarks.offline_run DIRECTORY JOBS [SCHEDULER]``
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from server.local import children_of

if TYPE_CHECKING:
    from simulator.jobs import Workers

EVERY_S: Final = 0.1


def peak_mb(pid: int) -> float:
    """Return the peak of a process's resident memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


@contextmanager
def _watched() -> Iterator[list[float]]:
    """Keep the largest peak of the processes below this one; they end before they can be asked."""
    largest, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(EVERY_S):
            for child in children_of(os.getpid()):
                with suppress(OSError):
                    largest[0] = max(largest[0], peak_mb(child))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield largest
    finally:
        over.set()
        looking.join()


def run(directory: Path, workers: Workers) -> dict[str, Any]:
    """Return seconds and what was found."""
    # Workers that are spawned import this module anew: what they do not need is not for its head.
    from bandit.clock import WallClock
    from simulator.datasets import open_source
    from simulator.progress import Watch
    from simulator.studies.about import begin
    from simulator.studies.asked import asked_estimators
    from simulator.studies.plans import JudgePlan, LogPlan
    from simulator.studies.streaming import evaluate_streamed

    began = time.monotonic()
    plan = JudgePlan(estimators=asked_estimators(("ips", "snips"), "artwork"))
    source = open_source(directory, format="parquet", workers=workers)
    begun = begin("the benchmark", 0, WallClock())
    found, _ = evaluate_streamed(
        source, ("uniform",), LogPlan(), plan, begun, jobs=workers, watch=Watch()
    )
    seconds = time.monotonic() - began
    estimates = [
        [one.estimator, one.value, one.intervals[0].low, one.intervals[0].high]
        for one in found.estimates
    ]
    return {"seconds": seconds, "found": [*estimates, ["rounds", found.data.rounds]]}


def main() -> None:
    """Run, and print what was found."""
    from simulator.cluster import cluster_at

    directory, jobs, address = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with _watched() as largest:
        answer = run(directory, cluster_at(address) if address else jobs)
    answer["parent_mb"] = peak_mb(os.getpid())
    # One process does the work itself, and so it does where all is one part.
    answer["worker_mb"] = largest[0] or answer["parent_mb"]
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
