"""Every metric of the table can be told to Prometheus, by one process and by several together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bandit.metrics import METRICS, MetricName, Metrics
from server.prometheus import GAUGE_MODES, PrometheusMetrics, forget_process

REPORT = """
import sys
from server.prometheus import PrometheusMetrics
metrics = PrometheusMetrics()
metrics.count("marquee_titles_decided_total", by=5)
metrics.count("marquee_decisions_total", "learned")
metrics.set("marquee_log_queue_records", to=float(sys.argv[1]))
metrics.set("marquee_snapshot_created_timestamp_seconds", "artwork", to=float(sys.argv[1]))
metrics.set("marquee_open_decisions", to=float(sys.argv[1]))
metrics.observe("marquee_request_seconds", "/v1/rank", value=0.004)
print(__import__("os").getpid())
sys.stdin.read()
"""

EXPOSE = """
import sys
from server.prometheus import PrometheusMetrics, forget_process
for pid in sys.argv[1:]:
    forget_process(int(pid))
sys.stdout.write(PrometheusMetrics().exposition().decode())
"""


def samples(text: str) -> dict[str, float]:
    return {
        sample.name + "".join(f"[{value}]" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def use(metrics: Metrics, name: MetricName) -> None:
    labels = METRICS[name].labels
    if METRICS[name].kind == "counter":
        metrics.count(name, *labels, by=2)
    elif METRICS[name].kind == "gauge":
        metrics.set(name, *labels, to=2.0)
    else:
        metrics.observe(name, *labels, value=2.0)


def test_every_metric_is_exposed_with_its_help() -> None:
    metrics = PrometheusMetrics()
    for name in METRICS:
        use(metrics, name)
    text = metrics.exposition().decode()
    found = samples(text)
    for name, definition in METRICS.items():
        suffix = "".join(f"[{label}]" for label in definition.labels)
        shown = f"{name}_sum" if definition.kind == "histogram" else name
        assert found[shown + suffix] == 2.0
        assert f"# HELP {name} {definition.help}" in text


def test_every_gauge_says_how_processes_are_combined() -> None:
    assert set(GAUGE_MODES) == {name for name, one in METRICS.items() if one.kind == "gauge"}


def test_counters_with_known_labels_begin_at_0() -> None:
    """A series that appears with its first count has not increased, and rings no alert."""
    told = PrometheusMetrics().exposition().decode()
    for series in (
        'marquee_snapshot_rejected_total{surface="artwork"}',
        'marquee_snapshot_rejected_total{surface="rows"}',
        'marquee_worker_deaths_total{moment="at_work"}',
        'marquee_decisions_total{share="holdout"}',
    ):
        assert f"{series} 0.0" in told


def test_two_instances_do_not_share_values() -> None:
    first, second = PrometheusMetrics(), PrometheusMetrics()
    first.count("marquee_titles_decided_total")
    assert samples(second.exposition().decode())["marquee_titles_decided_total"] == 0.0


def test_forgetting_a_process_needs_no_directory() -> None:
    forget_process(1)


def test_any_process_tells_for_all_and_the_dead_keep_their_counts(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", REPORT, value],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for value in ("10", "30")
    ]
    pids = [worker.stdout.readline().strip() for worker in workers if worker.stdout]
    expose = [sys.executable, "-c", EXPOSE]
    alive = subprocess.run(expose, env=environment, capture_output=True, text=True, check=True)
    for worker in workers:
        worker.communicate("", timeout=20)
    dead = subprocess.run(
        [*expose, pids[0]], env=environment, capture_output=True, text=True, check=True
    )
    found = samples(alive.stdout)
    assert found["marquee_titles_decided_total"] == 10.0
    assert found["marquee_decisions_total[learned]"] == 2.0
    assert found["marquee_request_seconds_count[/v1/rank]"] == 2.0
    assert found["marquee_log_queue_records"] == 40.0
    assert found["marquee_snapshot_created_timestamp_seconds[artwork]"] == 10.0
    found = samples(dead.stdout)
    assert found["marquee_titles_decided_total"] == 10.0
    assert found["marquee_log_queue_records"] == 30.0
    assert found["marquee_snapshot_created_timestamp_seconds[artwork]"] == 30.0


def test_a_file_that_was_only_just_made_is_passed_over(tmp_path: Path) -> None:
    """Its process may be about to write its first page, or may have been killed before."""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    (tmp_path / "counter_99999999.db").touch()
    subprocess.run(
        [sys.executable, "-c", REPORT, "10"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    found = subprocess.run(
        [sys.executable, "-c", EXPOSE], env=environment, capture_output=True, text=True, check=True
    )
    assert samples(found.stdout)["marquee_titles_decided_total"] == 5.0
