"""Lawful features whose cross no model can be taught: the examples are left out, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from bandit.catalog import CatalogDocument, CatalogStore
from bandit.clock import ManualClock
from bandit.config.schema import LimitsConfig
from bandit.eventlog.memory import MemoryEventLog
from bandit.events import DecisionRecord
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.snapshots import MemorySnapshotStore
from tests import learning_world as world

LARGEST = 1e9
"""The largest number that a page or a catalog may hold."""


def _document() -> CatalogDocument:
    """Make the world's catalog, with one title whose artworks have the largest feature."""
    document = world.document()
    first, *others = document.titles
    artworks = [
        msgspec.structs.replace(one, features={**one.features, "bright": LARGEST})
        for one in first.artworks
    ]
    return CatalogDocument(
        [msgspec.structs.replace(first, artworks=artworks), *others], document.rows
    )


def _chunks(catalog: str) -> Iterator[world.Chunk]:
    """Yield pages whose viewers have a feature of the largest size."""
    for chunk in world.chunks(60, catalog):
        records = [
            msgspec.structs.replace(record, context={**record.context, "age": LARGEST})
            if isinstance(record, DecisionRecord)
            else record
            for record in chunk.records
        ]
        yield chunk._replace(records=records)


def test_examples_that_cannot_be_learned_are_counted_and_the_rest_is_learned(
    tmp_path: Path,
) -> None:
    clock = ManualClock(1_000_000_000)
    log = MemoryEventLog(clock)
    catalogs = CatalogStore(tmp_path / "catalog", LimitsConfig())
    world.write([log.writer()], clock, _chunks(catalogs.save(_document())))
    clock.advance_s(1000)
    snapshots = MemorySnapshotStore()
    learner = Learner(world.config(tmp_path), log.reader(), snapshots, catalogs, clock, NoMetrics())
    for _ in range(100):
        if learner.step(clock.now_us()).idle:
            break
    status = learner.status(clock.now_us())
    left_out = status.learned.unlearnable["artwork"]
    shares = status.learned.shares["artwork"]
    assert 5 < left_out < 60
    assert status.dead_letters == 0
    assert status.rejections == 1
    assert status.last_rejection is not None
    assert "too large" in status.last_rejection.why
    displays = shares["learned"].displays + shares["explore"].displays
    assert status.learned.examples["artwork"] == displays - left_out > 100
    learner.publish(clock.now_us())
    assert snapshots.versions("artwork")[0].examples_learned == displays - left_out
