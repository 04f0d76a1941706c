from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from bandit.metrics import MetricName, NoMetrics
from bandit.statistics import LearningCounts
from bandit.status import LearnerStatus, StatusMetrics, read_status, write_status


class Counting(NoMetrics):
    def __init__(self) -> None:
        self.counted: Counter[tuple[str, ...]] = Counter()
        self.gauges: dict[str, float] = {}

    def count(self, name: MetricName, *labels: str, by: float = 1) -> None:
        self.counted[name, *labels] += int(by)

    def set(self, name: MetricName, *labels: str, to: float) -> None:
        self.gauges[name] = to


def _status(joined: int, dead: int = 0) -> LearnerStatus:
    return LearnerStatus(
        pid=1,
        updated_at_us=2,
        log_clock_us=3,
        lag_s=0.5,
        joined={"joined": joined},
        open_decisions=7,
        learned=LearningCounts(outcomes={"play": joined}, examples={"artwork": joined}),
        dead_letters=dead,
    )


def test_a_status_can_be_read_by_others(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None
    write_status(tmp_path, _status(4))
    assert read_status(tmp_path) == _status(4)
    (tmp_path / "status.json").write_text('{"pid": "not a number"}')
    assert read_status(tmp_path) is None


def test_metrics_count_what_is_new_and_never_twice() -> None:
    metrics = Counting()
    reports = StatusMetrics(metrics, _status(100, dead=2))
    for joined in (100, 130, 110, 140):
        reports.report(_status(joined, dead=3))
    assert metrics.counted == {
        ("marquee_join_events_total", "joined"): 40,
        ("marquee_outcomes_total", "play"): 40,
        ("marquee_examples_learned_total", "artwork"): 40,
        ("marquee_learner_dead_letters_total",): 1,
    }
    assert metrics.gauges == {"marquee_learner_lag_seconds": 0.5, "marquee_open_decisions": 7}


def test_a_status_is_plain_json(tmp_path: Path) -> None:
    write_status(tmp_path, _status(4))
    shares = msgspec.json.decode((tmp_path / "status.json").read_bytes())["learned"]["shares"]
    assert shares["artwork"]["holdout"] == {"displays": 0, "clicks": 0, "plays": 0, "reward": 0.0}
