"""Learning a log again: the same under the same settings, and nothing of the service touched."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit.checkpoint import load_checkpoint
from bandit.clock import ManualClock
from bandit.config.schema import Config
from bandit.errors import LeaseHeldError, LogError
from bandit.eventlog.memory import MemoryEventLog
from bandit.learner import Learner
from bandit.lease import Lease
from bandit.metrics import NoMetrics
from bandit.relearning import Relearned, adopt, relearn_from
from bandit.snapshots import MemorySnapshotStore
from bandit.types import SURFACES
from tests import learning_world as world


class Scene:
    """A log and the service's own learner, which has learned it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock(1_000_000_000)
        self.catalogs, version = world.store_catalog(root)
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
    checkpoint, problems = load_checkpoint(directory)
    assert checkpoint is not None
    assert not problems
    following = scene.learner()
    assert following.step(scene.clock.now_us()).idle
    assert following.counts == scene.live.counts


def test_an_empty_log_is_told_of(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.log = MemoryEventLog(scene.clock)
    with pytest.raises(LogError, match="no records") as caught:
        scene.again(scene.config)
    assert "log.directory" in caught.value.hint
