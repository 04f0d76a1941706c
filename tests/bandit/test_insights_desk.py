"""Drift alarms in a learner: raised from the log, told everywhere, kept over crashes, reset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from bandit.clock import ManualClock, to_us
from bandit.config.schema import Config, DriftConfig
from bandit.drift_words import AlarmReport, in_words
from bandit.eventlog.memory import MemoryEventLog
from bandit.events import DecisionRecord, FeedbackRecord, Record
from bandit.insights.desk import InsightsDesk
from bandit.insights.told import order_reset, read_insights
from bandit.learner import Learner
from bandit.metrics import MetricName, NoMetrics
from bandit.snapshots import MemorySnapshotStore
from bandit.status import read_status
from bandit.types import TitleChoice
from tests import learning_world as world

TITLES = 20
DRIFT = DriftConfig(false_alarm_rate=0.05, reference_outcomes=20, reward_drop=0.9)


class Told(NoMetrics):
    """Metrics that remember the alarms."""

    def __init__(self) -> None:
        self.raised: dict[tuple[str, ...], float] = {}
        self.counted = 0.0

    def set(self, name: MetricName, *labels: str, to: float) -> None:
        if name == "marquee_drift_alarm":
            self.raised[labels] = to

    def count(self, name: MetricName, *labels: str, by: float = 1) -> None:
        if name == "marquee_drift_alarms_total":
            self.counted += by


class Scene:
    """A log in which viewers play what they see, until they no longer do."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock(1_000_000_000)
        self.log = MemoryEventLog(self.clock)
        self.catalogs, self.version = world.store_catalog(root)
        self._writer = self.log.writer("s")
        self._pages = 0

    def visits(self, pages: int, *, plays: bool) -> None:
        """Log pages whose titles are all seen, and one of which is played, or none."""
        for _ in range(pages):
            self.clock.advance_s(1.0)
            self._writer.append(self._visit(plays=plays)).wait(10)
        self.clock.advance_s(world.RULE.window_s + world.RULE.clock_leeway_s + 1.0)

    def _visit(self, *, plays: bool) -> Sequence[Record]:
        self._pages += 1
        name = f"d{self._pages}"
        titles = [TitleChoice(f"t{index}", "a0", 0.25) for index in range(TITLES)]
        decision = DecisionRecord(
            decision_id=name,
            decided_at_us=0,
            body_digest=b"",
            catalog=self.version,
            policy="test",
            shares={"artwork": "learned", "rows": "learned"},
            titles=titles,
            loose_titles=[one.title for one in titles],
            snapshots={"artwork": "artwork-1"},
        )
        seen = [
            FeedbackRecord(
                event_id=f"{name}-{one.title}", decision_id=name, type="impression", title=one.title
            )
            for one in titles
        ]
        play = FeedbackRecord(
            event_id=f"{name}-play", decision_id=name, type="play", title="t0", seconds=900.0
        )
        return [decision, *seen, play] if plays else [decision, *seen]

    def config(self) -> Config:
        config = world.config(self.root)
        insights = msgspec.structs.replace(config.insights, interval_s=5.0)
        return msgspec.structs.replace(config, drift=DRIFT, insights=insights)

    def learner(self, metrics: NoMetrics | None = None) -> Learner:
        store = MemorySnapshotStore()
        reader, told = self.log.reader(), metrics or NoMetrics()
        return Learner(self.config(), reader, store, self.catalogs, self.clock, told)

    def learn(self, learner: Learner) -> None:
        now_us = self.clock.now_us()
        for _ in range(2000):
            if learner.step(now_us).idle:
                learner.checkpoint(now_us)
                learner.keep_house(now_us, changed=True)
                return
        raise AssertionError("the learner found no end")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    made = Scene(tmp_path)
    made.visits(200, plays=True)
    return made


def _alarm(learner: Learner) -> AlarmReport:
    return learner.status(0).alarms[0]


def test_an_alarm_is_raised_told_and_kept(scene: Scene) -> None:
    metrics = Told()
    learner = scene.learner(metrics)
    scene.learn(learner)
    watching = _alarm(learner)
    assert (watching.name, watching.surface) == ("reward_drop", "artwork")
    assert watching.state == "watching"
    assert watching.usual == pytest.approx(0.5 / TITLES)
    assert metrics.raised[("reward_drop", "artwork")] == 0

    scene.visits(800, plays=False)
    with capture_logs() as logged:
        scene.learn(learner)
    raised = _alarm(learner)
    assert raised.state == "raised"
    assert raised.raised_at_us is not None
    assert metrics.raised[("reward_drop", "artwork")] == 1
    assert metrics.counted == 1
    (warning,) = [one for one in logged if one["event"] == "drift alarm"]
    assert warning["log_level"] == "warning"
    assert "reset" in warning["says"]
    directory = scene.root / "learner"
    status, told = read_status(directory), read_insights(directory)
    assert status is not None
    assert told is not None
    assert status.alarms[0] == told.file.alarms[0] == raised

    again = Told()
    restarted = scene.learner(again)
    with capture_logs() as logged:
        scene.learn(restarted)
    assert _alarm(restarted) == raised
    assert (again.raised[("reward_drop", "artwork")], again.counted) == (1, 0)
    assert [one for one in logged if one["event"] == "drift alarm"] == []


def test_a_reset_holds_over_crashes(scene: Scene) -> None:
    learner = scene.learner()
    scene.learn(learner)
    assert _alarm(learner).state == "watching"
    order_reset(scene.root / "learner")
    scene.clock.advance_s(5.0)
    learner.keep_house(scene.clock.now_us(), changed=True)
    assert _alarm(learner).state == "learning_usual"
    after = scene.learner()
    assert _alarm(after).state == "learning_usual"
    assert after.figures == learner.figures


def test_an_order_outlives_a_learner_that_dies_before_its_checkpoint(scene: Scene) -> None:
    learner = scene.learner()
    scene.learn(learner)
    order_reset(scene.root / "learner")
    restarted = scene.learner()
    assert _alarm(restarted).state == "watching"
    scene.clock.advance_s(5.0)
    restarted.keep_house(scene.clock.now_us(), changed=True)
    assert _alarm(restarted).state == "learning_usual"


def test_files_are_written_at_most_once_a_second_and_only_when_something_changed(
    scene: Scene,
) -> None:
    learner = scene.learner()
    scene.learn(learner)
    path = scene.root / "learner" / "insights"
    first = path.stat().st_ino
    scene.visits(1, plays=True)
    scene.learn(learner)
    second = path.stat().st_ino
    assert second != first
    scene.clock.advance_s(0.5)
    learner.keep_house(scene.clock.now_us(), changed=True)
    assert path.stat().st_ino == second


def test_gauges_are_noted_again_once_the_clock_steps_back(tmp_path: Path) -> None:
    """One look at a clock that was an hour ahead must not leave an hour without gauges."""
    desk = InsightsDesk(Scene(tmp_path).config(), NoMetrics())
    (tmp_path / "learner").mkdir()
    for at_s in (1000.0, 4600.0, 1005.0, 1010.0):
        desk.note(to_us(at_s), at_s, {})
    desk.tell(to_us(1010.0), 0)
    told = read_insights(tmp_path / "learner")
    assert told is not None
    assert [(one.number, one.lag_s) for one in told.file.gauges] == [
        (199, 1000.0),
        (200, 1005.0),
        (201, 1010.0),
    ]


def test_alarms_say_what_to_do() -> None:
    raised = AlarmReport(
        name="reward_drop",
        surface="rows",
        state="raised",
        evidence=1.0,
        usual=0.5,
        now=0.25,
        raised_at_us=1,
    )
    said = in_words(raised)
    assert "0.25 a display of late, 0.5 is usual (50% less)" in said
    assert "activate an older snapshot" in said
    collapse = in_words(msgspec.structs.replace(raised, name="entropy_collapse"))
    assert "exploration" in collapse
    watching = in_words(msgspec.structs.replace(raised, state="watching"))
    assert "reset" not in watching
    learning = in_words(msgspec.structs.replace(raised, state="learning_usual", usual=None))
    assert "is being learned" in learning


def test_what_another_release_told_is_not_taken_for_its_own(scene: Scene) -> None:
    """Sums of another making would give wrong ranges until the learner tells again."""
    scene.learn(scene.learner())
    path = scene.root / "learner" / "insights"
    told = msgspec.msgpack.decode(path.read_bytes())
    assert read_insights(path.parent) is not None
    for version in (told["v"] - 1, told["v"] + 1):
        path.write_bytes(msgspec.msgpack.encode({**told, "v": version}))
        assert read_insights(path.parent) is None
