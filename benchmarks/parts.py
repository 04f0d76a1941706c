"""The parts of the suite, by name, in the order of a whole run."""

from __future__ import annotations

from typing import Final

from benchmarks.estimation import measure_estimation
from benchmarks.factoring import measure_factoring
from benchmarks.freshness import measure_freshness
from benchmarks.http_pages import measure_http
from benchmarks.http_swaps import measure_swaps
from benchmarks.http_workers import measure_workers
from benchmarks.in_process import measure_in_process
from benchmarks.learner_speed import measure_learner
from benchmarks.offline import measure_offline
from benchmarks.real_pages import measure_real
from benchmarks.running import Part
from benchmarks.scaling import measure_scaling
from benchmarks.simulation_speed import measure_simulation
from benchmarks.streaming import measure_streaming

PARTS: Final[dict[str, Part]] = {
    "inprocess": measure_in_process,
    "factoring": measure_factoring,
    "scaling": measure_scaling,
    "http": measure_http,
    "workers": measure_workers,
    "swaps": measure_swaps,
    "freshness": measure_freshness,
    # after the HTTP parts: it says how it keeps up with the pages they served
    "learner": measure_learner,
    "real": measure_real,
    "estimation": measure_estimation,
    "simulation": measure_simulation,
    "streaming": measure_streaming,
    "offline": measure_offline,
}
"""A part that reads another's figures comes after it."""
