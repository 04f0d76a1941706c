"""Makes the estimates of :mod:`benchmarks.streaming` under a memory limit, and tells its peak.

``python -m benchmarks.streaming_run DIRECTORY LIMIT_MB`` prints one JSON object.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from statistics import NormalDist

import numpy as np

from benchmarks.streaming import ACTIONS, World, world
from simulator.datasets import open_source
from simulator.datasets.streaming import stream
from simulator.logged import LoggedChoices

LEVEL = 0.95
_MB = 2**20


class TableTarget:
    """A target that chooses by the kind of context."""

    name = "table"

    def __init__(self, made: World) -> None:
        self._table = made.target

    def chosen_probability(self, logged: LoggedChoices) -> np.ndarray:
        """Return (n,) the probability of each logged action."""
        assert logged.context is not None
        return np.asarray(self._table[logged.context[:, 0].astype(np.intp), logged.action])

    def pmf(self, logged: LoggedChoices) -> np.ndarray:
        """Return (n, K) probabilities of all actions."""
        assert logged.context is not None
        return np.asarray(self._table[logged.context[:, 0].astype(np.intp), :ACTIONS])


def run(directory: Path) -> dict[str, object]:
    """Return seconds and estimates."""
    made = world()
    began = time.monotonic()
    source = open_source(directory, format="parquet")
    found = stream(source.choices(), [TableTarget(made)])["table"]
    half = NormalDist().inv_cdf((1 + LEVEL) / 2)
    answer: dict[str, object] = {
        "seconds": time.monotonic() - began,
        "rows": found.weights.rounds,
        "truth": made.value,
    }
    for name, moments in found.moments.items():
        value, error = moments.value(), moments.standard_error()
        answer[name] = [value, value - half * error, value + half * error]
    return answer


def main() -> None:
    """Limit this process, run, and print what was found."""
    limit = int(sys.argv[2]) * _MB
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    answer = run(Path(sys.argv[1]))
    answer["peak_mb"] = _peak_mb()
    print(json.dumps(answer))


def _peak_mb() -> float:
    """Return the peak of resident memory; Linux's ``ru_maxrss`` begins with the parent's."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
