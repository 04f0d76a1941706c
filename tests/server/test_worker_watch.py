from __future__ import annotations

from typing import Any

from bandit.metrics import MetricName, NoMetrics
from server.worker_watch import SPENT_S, Load, WorkerWatch


class Told(NoMetrics):
    """What was told of a metric."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def set(self, name: MetricName, *labels: str, to: float) -> None:
        self.told.append((name, *labels, to))

    def count(self, name: MetricName, *labels: str, by: float = 1) -> None:
        self.told.append((name, *labels, by))


def test_the_load_is_told_and_refusals_are_counted_once() -> None:
    metrics = Told()
    watch = WorkerWatch(metrics, lambda: False)
    for refused in (0, 2, 2, 5):
        assert not watch.look(Load(4, 1, -1, 3, refused), 0.0)
    assert metrics.told[:4] == [
        ("marquee_connections_open", 4),
        ("marquee_connections_slow", 1),
        ("marquee_connections_queued", 0),
        ("marquee_requests_waiting", 3),
    ]
    counted = [told[1:] for told in metrics.told if told[0] == "marquee_requests_refused_total"]
    assert counted == [("threads_busy", 2), ("threads_busy", 3)]


def test_a_worker_of_no_use_is_to_end_once_it_was_so_for_a_while() -> None:
    spent = True
    watch = WorkerWatch(NoMetrics(), lambda: spent)
    idle = Load(0, 0, 0, 0, 0)
    assert not watch.look(idle, 100.0)
    assert not watch.look(idle, 100.0 + SPENT_S / 2)
    spent = False
    assert not watch.look(idle, 100.0 + SPENT_S)
    spent = True
    assert not watch.look(idle, 200.0)
    assert watch.look(idle, 200.0 + SPENT_S)
