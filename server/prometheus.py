"""The metrics exported to Prometheus, summed over all processes.

With the environment variable ``PROMETHEUS_MULTIPROC_DIR`` set before this module is imported, each
process writes its values to files there, and any of them can answer for all. The directory must be
empty when the service starts; whoever notices a process's death calls :func:`forget_process`, so
that its gauges go with it while what it counted stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from bandit.metrics import METRICS, MetricName
from bandit.types import SHARES, SURFACES

DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

SECONDS_BOUNDS: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 5.0, 10.0,
)  # fmt: skip
_BITS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)

_LABEL_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "surface": SURFACES,
    "share": SHARES,
    "moment": ("at_start", "at_work"),
}
"""Labels whose values are known beforehand: such counters are told from 0 on. One that appears with
its first count has not increased, as Prometheus sees it, and an alert would miss it."""

GaugeMode = Literal["livesum", "livemin", "livemax", "livemostrecent"]

GAUGE_MODES: Final[dict[MetricName, GaugeMode]] = {
    "marquee_connections_open": "livesum",
    "marquee_connections_slow": "livesum",
    "marquee_requests_waiting": "livesum",
    # All workers look at the same queue.
    "marquee_connections_queued": "livemax",
    # Each worker has a queue of its own.
    "marquee_log_queue_records": "livesum",
    # Workers share the disk; processes that never looked at it do not count.
    "marquee_log_disk_free_bytes": "livemostrecent",
    "marquee_log_disk_low": "livemax",
    # Each worker tells of its own spool.
    "marquee_log_oldest_record_seconds": "livemax",
    "marquee_log_spool_bytes": "livesum",
    # The oldest model that any worker still serves is what an alarm should see.
    "marquee_snapshot_created_timestamp_seconds": "livemin",
    # Set by the learner alone; after its restart only the new process counts.
    "marquee_learner_lag_seconds": "livemostrecent",
    "marquee_open_decisions": "livemostrecent",
    "marquee_drift_alarm": "livemostrecent",
    # Set by whoever answers a scrape.
    "marquee_learner_given_up": "livemostrecent",
    "marquee_challenger_serving": "livemostrecent",
    "marquee_challenger_decisions": "livemostrecent",
    "marquee_challenger_lift": "livemostrecent",
    "marquee_challenger_lag_seconds": "livemostrecent",
    "marquee_challenger_given_up": "livemostrecent",
    # Set by the agent alone.
    "marquee_cluster_duty_failing": "livemostrecent",
    "marquee_cluster_forward_lag_seconds": "livemostrecent",
}
"""How the values of several processes become one, for every gauge."""


Exported = TypeVar("Exported", Counter, Gauge, Histogram)


class HistogramCounts(NamedTuple):
    """What a histogram holds: ``counts`` by bucket, the last one above all bounds, and the sum."""

    counts: list[int]
    sum: float


class _Family(Generic[Exported]):
    """All metrics of one kind, and their children by labels."""

    def __init__(self, metrics: dict[MetricName, Exported]) -> None:
        self._metrics: dict[MetricName, Exported] = metrics
        self._children: dict[tuple[str, ...], Exported] = {}

    def child(self, name: MetricName, labels: tuple[str, ...]) -> Exported:
        if not labels:
            return self._metrics[name]
        key = (name, *labels)
        known = self._children.get(key)
        if known is not None:
            return known
        child: Exported = self._metrics[name].labels(*labels)
        self._children[key] = child
        return child


class PrometheusMetrics:
    """Counts, sets and observes every metric of the table.

    Without multiprocess mode each instance keeps values of its own.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._counters = _Family(
            {
                name: Counter(name, text, labels, registry=registry)
                for name, (kind, labels, text) in METRICS.items()
                if kind == "counter"
            }
        )
        for name, (kind, labels, _) in METRICS.items():
            if kind == "counter" and len(labels) == 1:
                for value in _LABEL_VALUES.get(labels[0], ()):
                    self._counters.child(name, (value,))
        self._gauges = _Family(
            {
                name: Gauge(
                    name, text, labels, registry=registry, multiprocess_mode=GAUGE_MODES[name]
                )
                for name, (kind, labels, text) in METRICS.items()
                if kind == "gauge"
            }
        )
        self._histograms = _Family(
            {
                name: Histogram(name, text, labels, registry=registry, buckets=_buckets(name))
                for name, (kind, labels, text) in METRICS.items()
                if kind == "histogram"
            }
        )

    def count(self, name: MetricName, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        self._counters.child(name, labels).inc(by)

    def set(self, name: MetricName, *labels: str, to: float) -> None:
        """Set a gauge."""
        self._gauges.child(name, labels).set(to)

    def observe(self, name: MetricName, *labels: str, value: float) -> None:
        """Add an observation to a histogram."""
        self._histograms.child(name, labels).observe(value)

    def exposition(self) -> bytes:
        """Return all metrics of all processes in Prometheus' text format."""
        return generate_latest(self._all_processes())

    def histogram_mean(self, name: MetricName, labels: Mapping[str, str]) -> float | None:
        """Return the mean of all observations in all processes, None before the first."""
        found = {"_sum": 0.0, "_count": 0.0}
        for family in self._all_processes().collect():
            for sample in family.samples if family.name == name else ():
                suffix = sample.name.removeprefix(name)
                if suffix in found and labels.items() <= sample.labels.items():
                    found[suffix] += sample.value
        return found["_sum"] / found["_count"] if found["_count"] else None

    def histograms(self, name: MetricName) -> dict[str, HistogramCounts]:
        """Return a histogram with one label, by its values, over all processes.

        Values for which nothing was observed are left out.
        """
        found: dict[str, HistogramCounts] = {}
        (label,) = METRICS[name].labels
        for family in self._all_processes().collect():
            if family.name == name:
                for value in {sample.labels[label] for sample in family.samples}:
                    samples = [one for one in family.samples if one.labels[label] == value]
                    found[value] = _histogram_counts(name, samples)
        return {value: histogram for value, histogram in found.items() if sum(histogram.counts)}

    def _all_processes(self) -> CollectorRegistry:
        if DIRECTORY_VARIABLE not in os.environ:
            return self._registry
        registry = CollectorRegistry()
        registry.register(BegunFiles(Path(os.environ[DIRECTORY_VARIABLE])))
        return registry


class BegunFiles(Collector):
    """The files of all processes of a run, but for those that hold nothing yet.

    A file is empty for the instant between its making and its first page; reading it then fails,
    and would for good where its process was killed in that instant.
    """

    def __init__(self, directory: Path) -> None:
        self._merge: Callable[[list[str]], Iterable[Metric]] = MultiProcessCollector.merge
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """Return what all of them hold, summed over processes."""
        files = self._directory.glob("*.db")
        return self._merge([str(file) for file in files if _has_begun(file)])


def _has_begun(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        # A gauge of a process that has just ended.
        return False


def forget_process(pid: int) -> None:
    """Drop the gauges of a process that has ended; what it counted stays."""
    if DIRECTORY_VARIABLE in os.environ:
        mark_process_dead(pid)


def _histogram_counts(name: str, samples: Iterable[Sample]) -> HistogramCounts:
    up_to: dict[float, float] = {}
    total = 0.0
    for sample in samples:
        if sample.name == f"{name}_bucket":
            up_to[float(sample.labels["le"])] = sample.value
        elif sample.name == f"{name}_sum":
            total = sample.value
    cumulated = [0.0, *(up_to[bound] for bound in sorted(up_to))]
    return HistogramCounts([round(after - before) for before, after in pairwise(cumulated)], total)


def _buckets(name: MetricName) -> tuple[float, ...]:
    return _BITS if name.endswith("_bits") else SECONDS_BOUNDS
