"""Learning a log again: the same under the same settings, and nothing of the service touched."""

from __future__ import annotations

import errno
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit import checkpoint
from bandit.catalog import Catalog
from bandit.checkpoint import load_checkpoint
from bandit.clock import ManualClock
from bandit.config.schema import Config
from bandit.errors import LeaseHeldError, LogError, ModelError
from bandit.eventlog.memory import MemoryEventLog
from bandit.joiner import Outcome
from bandit.learner import Learner
from bandit.learner_words import Catalogs
from bandit.lease import Lease
from bandit.metrics import NoMetrics
from bandit.model import VowpalEngine
from bandit.relearning import Relearned, adopt, relearn_from
from bandit.snapshots import MemorySnapshotStore
from bandit.training import Learned, Trainer
from bandit.types import SURFACES
from tests import learning_world as world


class Scene:
    """A log and the service's own learner, which has learned it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock(1_000_000_000)
        catalogs, version = world.store_catalog(root)
        self.catalogs: Catalogs = catalogs
        self.log = MemoryEventLog(self.clock)
        writers = [self.log.writer(f"s{index}") for index in range(2)]
        world.write(writers, self.clock, world.chunks(60, version, spools=2))
        self.clock.advance_s(1000)
        self.config = world.config(root, batch_records_max=60)
        self.live = self.learner()
        for _ in range(2000):
            if self.live.step(self.clock.now_us()).idle:
                break

    def learner(self) -> Learner:
        store = MemorySnapshotStore()
        reader = self.log.reader()
        return Learner(self.config, reader, store, self.catalogs, self.clock, NoMetrics())

    def again(self, config: Config, parts: list[float] | None = None) -> Relearned:
        told = [] if parts is None else parts
        place, reader = self.root / "again", self.log.reader()
        return relearn_from(config, reader, self.catalogs, place, self.clock, told.append)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_the_same_settings_come_to_the_same_weights(scene: Scene) -> None:
    parts: list[float] = []
    found = scene.again(msgspec.structs.replace(scene.config), parts)
    assert found.counts == scene.live.counts
    assert found.is_whole
    assert found.open_decisions == 0
    for surface in SURFACES:
        for mine, theirs in zip(
            found.models[surface].arrays, scene.live.engines.arrays(surface), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
    assert parts == sorted(parts)
    assert parts[-1] == 1.0


def test_another_shape_is_learned_whole(scene: Scene) -> None:
    artwork = scene.config.surfaces.artwork
    model = msgspec.structs.replace(artwork.model, bits=14)
    artwork = msgspec.structs.replace(artwork, model=model)
    surfaces = msgspec.structs.replace(scene.config.surfaces, artwork=artwork)
    found = scene.again(msgspec.structs.replace(scene.config, surfaces=surfaces))
    assert found.models["artwork"].manifest.bits == 14
    assert found.counts.examples == scene.live.counts.examples


def test_the_service_is_not_touched(scene: Scene) -> None:
    directory = Path(scene.config.learner.directory)
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    with Lease(directory, 1):
        scene.again(scene.config)
    after = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    after.pop(directory / "lease", None)
    before.pop(directory / "lease", None)
    assert before == after


def test_what_is_adopted_is_gone_on_from(scene: Scene) -> None:
    scene.again(scene.config)
    directory = Path(scene.config.learner.directory)
    with Lease(directory, 1), pytest.raises(LeaseHeldError):
        adopt(scene.config, scene.root / "again", 2)
    adopt(scene.config, scene.root / "again", 2)
    found, problems = load_checkpoint(directory)
    assert found is not None
    assert not problems
    following = scene.learner()
    assert following.step(scene.clock.now_us()).idle
    assert following.counts == scene.live.counts


def test_a_disk_that_refuses_leaves_the_service_its_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were its checkpoints gone, it would learn anew from what the log still holds."""
    scene.live.checkpoint(scene.clock.now_us())
    directory = Path(scene.config.learner.directory)
    before = load_checkpoint(directory)
    assert before[0] is not None
    scene.again(scene.config)

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint, "write_durably", full)
    with pytest.raises(OSError, match="No space"):
        adopt(scene.config, scene.root / "again", 2)
    assert load_checkpoint(directory) == before


def test_a_full_disk_of_the_service_is_no_reason_to_have_no_models(scene: Scene) -> None:
    Path(scene.config.snapshots.directory).mkdir()
    log = msgspec.structs.replace(scene.config.log, disk_free_bytes_min=1 << 60)
    found = scene.again(msgspec.structs.replace(scene.config, log=log))
    assert found.models.keys() == set(SURFACES)


class FailingOnce:
    """Catalogs that fail once in a way nobody foresaw."""

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs
        self._has_failed = False

    def load(self, version: str) -> Catalog:
        if not self._has_failed:
            self._has_failed = True
            raise RuntimeError("unforeseen")
        return self._catalogs.load(version)


def test_a_failure_in_the_last_step_is_made_good(scene: Scene) -> None:
    """The log's clock has come to its end by then, and nothing is learned yet."""
    scene.catalogs = FailingOnce(scene.catalogs)
    learner = msgspec.structs.replace(scene.config.learner, batch_records_max=100_000)
    parts: list[float] = []
    found = scene.again(msgspec.structs.replace(scene.config, learner=learner), parts)
    assert found.counts == scene.live.counts
    assert found.dead_letters == 0
    assert parts == sorted(parts)


def test_a_failure_late_in_the_log_does_not_begin_it_anew(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, calls = Trainer.train, 0
    outcomes = sum(scene.live.counts.outcomes.values())

    def failing(trainer: Trainer, outcome: Outcome) -> Learned:
        nonlocal calls
        calls += 1
        if calls == outcomes - 5:
            raise RuntimeError("unforeseen")
        return train(trainer, outcome)

    monkeypatch.setattr(Trainer, "train", failing)
    learner = msgspec.structs.replace(scene.config.learner, checkpoint_interval_s=0.0)
    found = scene.again(msgspec.structs.replace(scene.config, learner=learner))
    assert found.counts == scene.live.counts
    assert outcomes < calls < outcomes * 1.5


def test_why_a_surface_has_no_model_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(engine: VowpalEngine) -> None:
        raise ModelError("a weight is not finite", hint="roll back")

    monkeypatch.setattr(VowpalEngine, "snapshot", broken)
    found = scene.again(scene.config)
    assert not found.models
    assert found.refusal is not None
    assert "not finite" in found.refusal


def test_an_empty_log_is_told_of(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.log = MemoryEventLog(scene.clock)
    with pytest.raises(LogError, match="no records") as caught:
        scene.again(scene.config)
    assert "log.directory" in caught.value.hint
