"""What learning must not depend on: the catalog's size, what is kept ready, where it was cut."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit.catalog import CatalogDocument, CatalogStore
from bandit.clock import ManualClock
from bandit.config.schema import Config, LimitsConfig
from bandit.eventlog.memory import MemoryEventLog
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.snapshots import MemorySnapshotStore
from bandit.types import SURFACES, Artwork, Title
from tests import learning_world as world

PAGES = 40


def _whole(extra_titles: int) -> CatalogDocument:
    known = world.document()
    more = [
        Title(f"more{index}", [Artwork("a", {"subject": f"s{index}"})], {"genre": f"more{index}"})
        for index in range(extra_titles)
    ]
    return CatalogDocument([*known.titles, *more], known.rows)


class Site:
    """A log of pages of one catalog."""

    def __init__(self, root: Path, extra_titles: int = 0) -> None:
        self.clock = ManualClock(1_000_000_000)
        self.log = MemoryEventLog(self.clock)
        self.catalogs = CatalogStore(root / "catalog", LimitsConfig())
        version = self.catalogs.save(_whole(extra_titles))
        world.write([self.log.writer("s")], self.clock, world.chunks(PAGES, version))
        self.clock.advance_s(1000)

    def learner(self, config: Config, snapshots: MemorySnapshotStore | None = None) -> Learner:
        store = snapshots or MemorySnapshotStore()
        reader = self.log.reader()
        return Learner(config, reader, store, self.catalogs, self.clock, NoMetrics())

    def finish(self, learner: Learner) -> Learner:
        for _ in range(2000):
            if learner.step(self.clock.now_us()).idle:
                return learner
        raise AssertionError("the learner found no end")


def _sampled(root: Path, share: float, **learner: int) -> Config:
    config = world.config(root, **learner)
    surfaces = msgspec.structs.replace(
        config.surfaces,
        artwork=msgspec.structs.replace(config.surfaces.artwork, zero_reward_share=share),
        rows=msgspec.structs.replace(config.surfaces.rows, zero_reward_share=share),
    )
    return msgspec.structs.replace(config, surfaces=surfaces)


def _assert_same(one: Learner, other: Learner) -> None:
    assert one.counts == other.counts
    assert one.figures == other.figures
    for surface in SURFACES:
        for ours, theirs in zip(
            one.engines.arrays(surface), other.engines.arrays(surface), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_snapshots_and_checkpoints_cost_the_same_under_any_catalog(tmp_path: Path) -> None:
    published, checkpointed = [], []
    for extra_titles in (0, 3000):
        root = tmp_path / str(extra_titles)
        site, snapshots = Site(root, extra_titles), MemorySnapshotStore()
        learner = site.finish(site.learner(world.config(root), snapshots))
        learner.publish(5)
        learner.checkpoint(5)
        published.append([snapshots.versions(surface)[0].files for surface in SURFACES])
        checkpointed.append((root / "learner" / "checkpoint").stat().st_size)
    assert published[0] == published[1]
    assert checkpointed[0] == checkpointed[1]


def test_candidates_that_are_made_anew_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    whole = site.finish(site.learner(world.config(tmp_path / "whole")))
    monkeypatch.setattr("bandit.page_features._CANDIDATES_KEPT", 3)
    _assert_same(site.finish(site.learner(world.config(tmp_path / "few"))), whole)


@pytest.mark.parametrize("seed", [1, 2])
def test_crashes_change_nothing_of_which_zero_rewards_are_learned(
    tmp_path: Path, seed: int
) -> None:
    site = Site(tmp_path)
    all_learned = site.finish(site.learner(world.config(tmp_path / "all")))
    whole = site.finish(site.learner(_sampled(tmp_path / "whole", 0.3)))
    for surface in SURFACES:
        assert whole.counts.examples[surface] < all_learned.counts.examples[surface]
        assert whole.counts.shares[surface] == all_learned.counts.shares[surface]
    rng = random.Random(seed)
    config = _sampled(tmp_path / "crashing", 0.3, batch_records_max=17)
    learner, crashes = site.learner(config), 0
    for _ in range(2000):
        if learner.step(site.clock.now_us()).idle:
            break
        if rng.random() < 0.3:
            learner.checkpoint(site.clock.now_us())
        if rng.random() < 0.4:
            learner, crashes = site.learner(config), crashes + 1
    assert crashes > 3
    _assert_same(site.finish(learner), whole)
