"""What a worker takes over, what it refuses, and how it comes to serve what was mended since."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from bandit.catalog import Catalog, CatalogDocument, CatalogStore
from bandit.clock import ManualClock
from bandit.config.schema import CatalogConfig, Config
from bandit.engine import ModelArrays
from bandit.keys import KeyRing
from bandit.snapshots import FileSnapshotStore, Manifest
from bandit.snapshots.manifest import SnapshotDetails
from bandit.types import Artwork, Surface, Title
from server.local import wait_until
from server.prometheus import PrometheusMetrics
from server.serving import RETRY_AFTER_US, ServingState, first_catalog

DETAILS = SnapshotDetails(
    created_at_us=1, bits=4, interactions=[], constant=True, engine_version="none",
    examples_learned=1, log_clock_us=1,
)  # fmt: skip
DOCUMENT = CatalogDocument([Title("t", [Artwork("a")])])


class Flaky(FileSnapshotStore):
    """A store whose disk can be made to fail for a while."""

    fails = False

    def load_arrays(self, surface: Surface, version: str) -> tuple[Manifest, ModelArrays]:
        if self.fails:
            raise OSError(5, "Input/output error")
        return super().load_arrays(surface, version)


class World:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock(1_700_000_000_000_000)
        self.metrics = PrometheusMetrics()
        self.config = Config()
        self.catalogs = CatalogStore(root / "catalog", self.config.limits)
        self.snapshots = Flaky(root / "snapshots", KeyRing((b"0123456789abcdef",)))
        self.state = ServingState(
            self.config, self.catalogs, self.snapshots, self.clock, self.metrics
        )

    def publish(self) -> str:
        table = np.ones(16, np.float32)
        return self.snapshots.publish("rows", ModelArrays(table, table), b"", DETAILS).version

    def served(self) -> str | None:
        model = self.state.current.models.get("rows")
        return None if model is None else model.version


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_restored_snapshot_is_served_after_a_while_or_at_once_when_asked(world: World) -> None:
    version = world.publish()
    model = world.root / "snapshots" / "rows" / version / "model.bin"
    weights = world.root / "snapshots" / "rows" / version / "weights.npy"
    weights.chmod(0o644)
    whole = weights.read_bytes()
    assert model.exists()
    weights.write_bytes(whole[:-4] + b"\0\0\0\1")
    world.state.refresh()
    assert world.served() is None
    assert world.state.last_rejection is not None
    weights.write_bytes(whole)
    # It is left alone at first: trying it again at each turn would cost too much.
    world.state.refresh()
    assert world.served() is None
    world.clock.advance_s(RETRY_AFTER_US / 1e6)
    world.state.refresh()
    assert world.served() == version
    counted = b'marquee_snapshot_rejected_total{surface="rows"} 1.0'
    assert counted in world.metrics.exposition()

    newer = world.publish()
    weights = world.root / "snapshots" / "rows" / newer / "weights.npy"
    weights.chmod(0o644)
    weights.write_bytes(whole[:-4] + b"\0\0\0\1")
    world.state.refresh()
    weights.write_bytes(whole)
    world.state.refresh(anew=True)
    assert world.served() == newer


def test_what_stays_damaged_is_told_once(world: World) -> None:
    version = world.publish()
    (world.root / "snapshots" / "rows" / version / "weights.npy").unlink()
    for _ in range(3):
        world.state.refresh()
        world.clock.advance_s(RETRY_AFTER_US / 1e6)
    counted = b'marquee_snapshot_rejected_total{surface="rows"} 1.0'
    assert counted in world.metrics.exposition()


def test_a_failing_disk_is_tried_again_at_the_next_turn_and_costs_the_catalog_nothing(
    world: World,
) -> None:
    version = world.publish()
    world.catalogs.replace(None, DOCUMENT)
    world.snapshots.fails = True
    world.state.refresh()
    assert world.served() is None
    assert world.state.current.catalog.title_ids == ["t"]
    assert world.state.last_rejection is not None
    assert "Input/output error" in world.state.last_rejection.why
    assert b'marquee_snapshot_rejected_total{surface="rows"} 0.0' in world.metrics.exposition()
    world.snapshots.fails = False
    world.state.refresh()
    assert world.served() == version


def test_a_damaged_pointer_does_not_keep_a_worker_with_a_source_from_starting(
    world: World, tmp_path: Path
) -> None:
    source = tmp_path / "missing.jsonl"
    config = Config(catalog=CatalogConfig(source=str(source)))
    (world.root / "catalog" / "current").write_text("nonsense")
    first_catalog(config, world.catalogs)
    world.state.refresh()
    assert world.state.last_rejection is not None
    assert world.state.last_rejection.what == "the catalog's pointer"


def test_closing_does_not_wait_for_a_catalog_that_is_long_in_coming(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.serving._CLOSE_WAIT_S", 0.05)
    asked, end = threading.Event(), threading.Event()

    def long_in_coming() -> str | None:
        asked.set()
        end.wait(60)
        return None

    world.state.start()
    monkeypatch.setattr(world.catalogs, "current", long_in_coming)
    assert asked.wait(60)
    world.state.close()
    assert not end.is_set()
    end.set()


def test_the_engines_own_form_of_a_model_is_not_read(world: World) -> None:
    version = world.publish()
    (world.root / "snapshots" / "rows" / version / "model.bin").unlink()
    world.state.refresh()
    assert world.served() == version


def test_a_snapshot_becomes_live_while_a_catalog_is_long_in_coming(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.state.start()
    load = world.catalogs.load
    asked, end = threading.Event(), threading.Event()

    def long_in_coming(version: str) -> Catalog:
        asked.set()
        end.wait(60)
        return load(version)

    monkeypatch.setattr(world.catalogs, "load", long_in_coming)
    catalog = world.catalogs.replace(None, DOCUMENT)
    try:
        assert asked.wait(60)
        version = world.publish()
        wait_until(lambda: world.served() == version, 30, "the snapshot")
        assert not world.state.current.catalog.title_ids
        end.set()
        wait_until(lambda: world.state.current.catalog.version == catalog, 30, "the catalog")
        # Neither undid what the other had put in.
        assert world.served() == version
    finally:
        end.set()
        world.state.close()
