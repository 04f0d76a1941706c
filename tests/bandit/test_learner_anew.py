"""Learning from nothing while a good model is served: by a lost checkpoint, shape or log."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit.clock import ManualClock
from bandit.config.schema import Config
from bandit.errors import LogDamagedError
from bandit.eventlog.memory import MemoryEventLog, MemoryEventReader
from bandit.eventlog.protocol import SpoolBatch
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.model import VowpalEngine
from bandit.snapshots import MemorySnapshotStore
from bandit.types import SURFACES
from tests import learning_world as world


class Scene:
    """A log that a learner has learned from, with checkpoint and snapshots."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock(1_000_000_000)
        self.catalogs, self.version = world.store_catalog(root)
        self.snapshots = MemorySnapshotStore()
        self.begin_log(pages=60)
        self.config = world.config(root, batch_records_max=60)
        self.first = self.finish(self.learner(self.config), publishing=False)
        self.first.checkpoint(self.now_us)
        self.first.publish(self.now_us)

    @property
    def now_us(self) -> int:
        return self.clock.now_us()

    def begin_log(self, *, pages: int) -> None:
        self.log = MemoryEventLog(self.clock)
        writers = [self.log.writer(f"s{index}") for index in range(2)]
        world.write(writers, self.clock, world.chunks(pages, self.version, spools=2))
        self.clock.advance_s(1000)

    def learner(self, config: Config) -> Learner:
        return Learner(
            config, self.log.reader(), self.snapshots, self.catalogs, self.clock, NoMetrics()
        )

    def finish(self, learner: Learner, *, publishing: bool = True) -> Learner:
        for _ in range(2000):
            if learner.step(self.now_us).idle:
                return learner
            if publishing:
                learner.publish(self.now_us)
        raise AssertionError("the learner found no end")

    def reshaped(self) -> Config:
        artwork = self.config.surfaces.artwork
        model = msgspec.structs.replace(artwork.model, bits=14)
        artwork = msgspec.structs.replace(artwork, model=model)
        surfaces = msgspec.structs.replace(self.config.surfaces, artwork=artwork)
        return msgspec.structs.replace(self.config, surfaces=surfaces)

    def lose_checkpoint(self) -> None:
        for path in Path(self.config.learner.directory).glob("checkpoint*"):
            path.unlink()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_without_a_checkpoint_the_good_model_stays_until_as_much_is_known(scene: Scene) -> None:
    good = {surface: scene.snapshots.versions(surface) for surface in SURFACES}
    scene.lose_checkpoint()
    again = scene.learner(scene.config)
    again.publish(scene.now_us)
    again.step(scene.now_us)
    again.publish(scene.now_us)
    told = again.status(scene.now_us).held_models["artwork"]
    assert f"the last snapshot {good['artwork'][0].examples_learned}" in told
    scene.finish(again).publish(scene.now_us)
    assert {surface: scene.snapshots.versions(surface) for surface in SURFACES} == good
    assert again.status(scene.now_us).held_models == {}


def test_a_changed_shape_is_learned_from_the_whole_log_before_it_is_served(scene: Scene) -> None:
    (good,) = scene.snapshots.versions("artwork")
    config = scene.reshaped()
    again = scene.learner(config)
    rejection = again.status(0).last_rejection
    assert rejection is not None
    assert "artwork starts anew" in rejection.why
    assert "everything is learned again" in rejection.why
    scene.finish(again)
    again.publish(scene.now_us)

    newest, before = scene.snapshots.versions("artwork")
    assert before == good
    assert (newest.bits, newest.examples_learned) == (14, good.examples_learned)
    assert again.counts == scene.first.counts
    elsewhere = msgspec.structs.replace(config.learner, directory=str(scene.root / "other"))
    plain = scene.finish(scene.learner(msgspec.structs.replace(config, learner=elsewhere)))
    for surface in SURFACES:
        one, other = again.engines.arrays(surface), plain.engines.arrays(surface)
        np.testing.assert_array_equal(one.weights, other.weights)
    rows = scene.first.engines.arrays("rows")
    np.testing.assert_array_equal(again.engines.arrays("rows").weights, rows.weights)


def test_a_kill_while_all_is_learned_again_does_not_let_go_of_the_good_model(scene: Scene) -> None:
    good = scene.snapshots.versions("artwork")
    config = scene.reshaped()
    again = scene.learner(config)
    while not again.counts.examples.get("artwork"):
        again.step(scene.now_us)
    again.checkpoint(scene.now_us)
    again = scene.learner(config)
    again.publish(scene.now_us)
    assert scene.snapshots.versions("artwork") == good
    assert "artwork" in again.status(scene.now_us).held_models
    scene.finish(again).publish(scene.now_us)
    assert scene.snapshots.versions("artwork")[0].bits == 14


def test_without_the_whole_log_only_the_changed_surface_starts_from_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = scene.snapshots.versions("artwork")
    read = MemoryEventReader.read

    def damaged(self: MemoryEventReader, spool: str, after: int, limit: int) -> SpoolBatch:
        if spool == "s1":
            raise LogDamagedError("s1 is no database", hint="repair it")
        return read(self, spool, after, limit)

    monkeypatch.setattr(MemoryEventReader, "read", damaged)
    again = scene.learner(scene.reshaped())
    rejection = again.status(0).last_rejection
    assert rejection is not None
    assert "learns from here on" in rejection.why
    assert again.counts == scene.first.counts
    rows = scene.first.engines.arrays("rows")
    np.testing.assert_array_equal(again.engines.arrays("rows").weights, rows.weights)
    assert np.abs(again.engines.arrays("artwork").weights).sum() == 0
    scene.finish(again).publish(scene.now_us)
    assert scene.snapshots.versions("artwork") == good
    told = again.status(scene.now_us).held_models["artwork"]
    assert "learned 0 examples" in told


@pytest.mark.parametrize(("enough", "versions"), [(50, 2), (1000, 1)])
def test_where_the_log_is_lost_too_a_sensible_number_is_waited_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, enough: int, versions: int
) -> None:
    monkeypatch.setattr("bandit.engines.SENSIBLE_EXAMPLES", enough)
    scene.lose_checkpoint()
    scene.begin_log(pages=20)
    again = scene.finish(scene.learner(scene.config))
    again.publish(scene.now_us)
    newest = scene.snapshots.versions("artwork")
    assert len(newest) == versions
    assert 50 < again.counts.examples["artwork"] < newest[-1].examples_learned < 1000
    assert ("artwork" in again.status(scene.now_us).held_models) == (versions == 1)


@pytest.mark.parametrize("cb_type", ["regression", "mtr", "ips", "dr"])
def test_a_model_knows_how_much_it_learned_after_a_restart(scene: Scene, cb_type: str) -> None:
    artwork = scene.config.surfaces.artwork
    model = msgspec.structs.replace(artwork.model, cb_type=cb_type)
    artwork = msgspec.structs.replace(artwork, model=model)
    surfaces = msgspec.structs.replace(scene.config.surfaces, artwork=artwork)
    config = msgspec.structs.replace(scene.config, surfaces=surfaces)
    learner = scene.finish(scene.learner(config))
    engine = learner.engines._engines["artwork"]
    restored = VowpalEngine(engine._shape, model, engine.serialize())
    assert restored.examples_learned == learner.counts.examples["artwork"] > 100
