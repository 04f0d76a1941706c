from __future__ import annotations

import random
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit.catalog import Catalog
from bandit.clock import ManualClock
from bandit.config.schema import Config
from bandit.dead_letters import DeadLetter
from bandit.engine import ModelArrays
from bandit.errors import LogDamagedError, LogUnavailableError, ModelError
from bandit.eventlog.memory import MemoryEventLog, MemoryEventReader
from bandit.eventlog.protocol import SpoolBatch
from bandit.keys import KeyRing
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.snapshots import FileSnapshotStore, MemorySnapshotStore
from bandit.status import read_status
from bandit.types import SURFACES
from tests import learning_world as world

END_S = 1000.0


class Scene:
    """A log in memory, and learners that come and go on one state."""

    def __init__(self, root: Path, *, spools: int = 1, pages: int = 60) -> None:
        self.clock = ManualClock(1_000_000_000)
        self.log = MemoryEventLog(self.clock)
        self.snapshots = MemorySnapshotStore()
        self.root = root
        self.catalogs, version = world.store_catalog(root)
        writers = [self.log.writer(f"s{index}") for index in range(spools)]
        world.write(writers, self.clock, world.chunks(pages, version, spools=spools))
        self.clock.advance_s(END_S)

    def learner(self, config: Config) -> Learner:
        return Learner(
            config, self.log.reader(), self.snapshots, self.catalogs, self.clock, NoMetrics()
        )

    def finish(self, learner: Learner) -> Learner:
        now_us = self.clock.now_us()
        for _ in range(2000):
            if learner.step(now_us).idle:
                return learner
        raise AssertionError("the learner found no end")


@pytest.mark.parametrize("spools", [1, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_crashes_at_any_step_change_nothing(tmp_path: Path, spools: int, seed: int) -> None:
    scene = Scene(tmp_path, spools=spools)
    whole = scene.finish(scene.learner(world.config(tmp_path / "whole")))
    assert whole.counts.examples["artwork"] > 200
    assert whole.counts.examples["rows"] > 20
    rng = random.Random(seed)
    config = world.config(tmp_path / "crashing", batch_records_max=17)
    learner = scene.learner(config)
    now_us = scene.clock.now_us()
    crashes = 0
    for _ in range(2000):
        if learner.step(now_us).idle:
            break
        if rng.random() < 0.3:
            learner.checkpoint(now_us)
        if rng.random() < 0.4:
            learner = scene.learner(config)
            crashes += 1
    assert crashes > 5
    world.assert_same_learned(scene.finish(learner), whole)


def test_counts_reconcile_with_the_log(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    learner = scene.finish(scene.learner(world.config(tmp_path)))
    joined = learner.status(0).joined
    reader = scene.log.reader()
    records = [logged.record for logged in reader.read("s0", 0, 10_000).records]
    feedback = sum(record.key.startswith("f:") for record in records)
    decisions = len(records) - feedback
    assert joined["opened"] == joined["closed"] == decisions
    settled = ("joined", "duplicate", "late", "orphan")
    assert sum(joined[name] for name in settled) == feedback
    assert sum(learner.counts.outcomes.values()) == decisions
    shares = learner.counts.shares["artwork"]
    learned = shares["learned"].displays + shares["explore"].displays
    assert learner.counts.examples["artwork"] == learned
    assert shares["holdout"].displays > 0


def test_models_are_published_when_they_changed_and_only_then(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    learner = scene.finish(scene.learner(world.config(tmp_path)))
    now_us = scene.clock.now_us()
    learner.publish(now_us)
    learner.publish(now_us)
    for surface in SURFACES:
        (manifest,) = scene.snapshots.versions(surface)
        assert manifest.examples_learned == learner.counts.examples[surface]
        arrays = scene.snapshots.load(surface, manifest.version).arrays
        np.testing.assert_array_equal(arrays.weights, learner.engines.arrays(surface).weights)
        assert np.abs(arrays.weights).sum() > 0


def test_after_a_crash_nothing_is_published_until_more_is_known_than_before(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path)
    now_us = scene.clock.now_us()
    config = world.config(tmp_path, batch_records_max=20)
    learner = scene.learner(config)
    while learner.counts.examples.get("artwork", 0) < 50:
        learner.step(now_us)
    learner.publish(now_us)
    first = scene.snapshots.versions("artwork")[0]
    again = scene.learner(config)
    for _ in range(100):
        again.step(now_us)
        again.publish(now_us)
        learned = again.counts.examples.get("artwork", 0)
        if learned > first.examples_learned:
            break
        assert scene.snapshots.versions("artwork") == [first]
        assert ("artwork" in again.status(0).held_models) == (learned < first.examples_learned)
    second = scene.snapshots.versions("artwork")[0]
    assert second.version > first.version
    assert second.parent == first.version
    assert second.examples_learned == learned
    assert again.status(0).held_models == {}


def test_a_restart_that_learned_nothing_publishes_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    learner = scene.finish(scene.learner(world.config(tmp_path)))
    learner.publish(5)
    learner.checkpoint(5)
    again = scene.finish(scene.learner(world.config(tmp_path)))
    again.publish(6)
    (manifest,) = scene.snapshots.versions("artwork")
    assert again.status(7).models["artwork"].version == manifest.version
    assert manifest.created_at_us == 5


def test_a_damaged_checkpoint_falls_back_and_learns_the_same(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    whole = scene.finish(scene.learner(world.config(tmp_path / "whole")))
    config = world.config(tmp_path / "damaged", batch_records_max=50)
    learner = scene.learner(config)
    for _ in range(5):
        learner.step(scene.clock.now_us())
        learner.checkpoint(scene.clock.now_us())
    path = Path(config.learner.directory) / "checkpoint"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    again = scene.learner(config)
    rejection = again.status(0).last_rejection
    assert rejection is not None
    assert "damaged" in rejection.why
    world.assert_same_learned(scene.finish(again), whole)


class FailingCatalogs:
    """Catalogs that fail in a way nobody foresaw, a number of times."""

    def __init__(self, catalog: Catalog, failures: int) -> None:
        self.catalog = catalog
        self.failures = failures

    def load(self, version: str) -> Catalog:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("unforeseen")
        return self.catalog


@pytest.mark.parametrize(("failures", "dead"), [(1, 0), (2, 0), (3, 1), (6, 2)])
def test_poison_is_set_aside_after_so_many_attempts(
    tmp_path: Path, failures: int, dead: int
) -> None:
    scene = Scene(tmp_path, pages=20)
    whole = scene.finish(scene.learner(world.config(tmp_path / "whole")))
    catalog = scene.catalogs.load(world.store_catalog(tmp_path)[1])
    config = world.config(tmp_path / "poisoned", attempts_max=3)
    scene.catalogs = FailingCatalogs(catalog, failures)  # type: ignore[assignment]
    learner = scene.learner(config)
    scene.finish(learner)
    status = learner.status(0)
    assert status.dead_letters == dead
    assert status.rejections == failures
    outcomes = sum(learner.counts.outcomes.values())
    assert outcomes == sum(whole.counts.outcomes.values()) - dead
    if dead:
        line = (Path(config.learner.directory) / "dead-letters.jsonl").read_bytes()
        letter = msgspec.json.decode(line.splitlines()[0], type=DeadLetter)
        assert (letter.stage, letter.attempts) == ("learn", 3)
        assert "unforeseen" in letter.reason
    else:
        world.assert_same_learned(learner, whole)
    learner.checkpoint(0)
    assert scene.learner(config).status(0).dead_letters == dead


def test_an_unlawful_model_is_not_published_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, pages=20)
    learner = scene.finish(scene.learner(world.config(tmp_path)))

    def broken(surface: str) -> ModelArrays:
        raise ModelError("a weight is not finite", hint="roll back")

    monkeypatch.setattr(learner.engines._engines["artwork"], "snapshot", lambda: broken("artwork"))
    learner.publish(5)
    learner.tell(6)
    assert scene.snapshots.versions("artwork") == []
    assert len(scene.snapshots.versions("rows")) == 1
    status = read_status(tmp_path / "learner")
    assert status is not None
    assert status.last_rejection is not None
    assert status.last_rejection.what == "snapshot of artwork"
    assert "not finite" in status.last_rejection.why
    assert set(status.models) == {"rows"}


def test_a_damaged_pointer_is_written_anew_and_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path, pages=20)
    store = FileSnapshotStore(tmp_path / "snapshots", KeyRing((b"0123456789abcdef",)))
    scene.snapshots = store  # type: ignore[assignment]
    (tmp_path / "snapshots" / "artwork").mkdir(parents=True)
    (tmp_path / "snapshots" / "artwork" / "pointer.json").write_bytes(b"{")
    learner = scene.finish(scene.learner(world.config(tmp_path)))
    learner.publish(5)
    pointer = store.pointer("artwork")
    assert pointer is not None
    assert pointer.version == learner.status(0).models["artwork"].version
    rejection = learner.status(0).last_rejection
    assert rejection is not None
    assert rejection.what == "snapshot of artwork"
    assert "written anew" in rejection.why


def test_stopping_takes_up_what_is_there_and_makes_it_durable(tmp_path: Path) -> None:
    scene = Scene(tmp_path, pages=20)
    config = world.config(tmp_path)
    learner = scene.learner(config)
    stop = threading.Event()
    stop.set()
    learner.run(stop)
    status = read_status(tmp_path / "learner")
    assert status is not None
    assert set(status.models) == set(SURFACES)
    assert sum(status.learned.outcomes.values()) > 0
    assert status.lag_s == 0
    again = scene.learner(config)
    world.assert_same_learned(again, learner)


def test_running_learns_until_told_to_stop(tmp_path: Path) -> None:
    scene = Scene(tmp_path, pages=20)
    whole = scene.finish(scene.learner(world.config(tmp_path / "whole")))
    learner = scene.learner(world.config(tmp_path, batch_records_max=11, idle_wait_s=0.001))

    class StopWhenIdle(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            self.set()
            return True

    learner.run(StopWhenIdle())
    world.assert_same_learned(learner, whole)
    assert scene.snapshots.pointer("artwork") is not None


def test_a_damaged_spool_is_told_and_the_others_are_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, spools=2)
    read = MemoryEventReader.read

    def damaged(self: MemoryEventReader, spool: str, after: int, limit: int) -> SpoolBatch:
        if spool == "s0":
            raise LogDamagedError("s0 is no database", hint="repair it")
        return read(self, spool, after, limit)

    monkeypatch.setattr(MemoryEventReader, "read", damaged)
    learner = scene.finish(scene.learner(world.config(tmp_path)))
    status = learner.status(0)
    assert sum(status.learned.outcomes.values()) > 0
    assert status.unreadable_spools == {"s0": "s0 is no database (repair it)"}
    assert status.last_rejection is not None
    assert status.last_rejection.what == "log s0"
    assert status.rejections == 1


def test_a_log_that_cannot_be_read_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, pages=20)
    whole = scene.finish(scene.learner(world.config(tmp_path / "whole")))
    learner = scene.learner(world.config(tmp_path, batch_records_max=11))
    calls = iter(range(10_000))
    read = MemoryEventReader.read

    def sometimes(self: MemoryEventReader, spool: str, after: int, limit: int) -> SpoolBatch:
        if next(calls) % 3 == 1:
            raise LogUnavailableError("the disk is away", hint="bring it back")
        return read(self, spool, after, limit)

    class StopLate(threading.Event):
        waits = 0

        def wait(self, timeout: float | None = None) -> bool:
            self.waits += 1
            if self.waits > 100:
                self.set()
            return True

    monkeypatch.setattr(MemoryEventReader, "read", sometimes)
    learner.run(StopLate())
    world.assert_same_learned(learner, whole)
    told = read_status(tmp_path / "learner")
    assert told is not None
    assert told.last_rejection is not None
    assert "the disk is away" in told.last_rejection.why
