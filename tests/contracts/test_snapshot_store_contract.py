"""What every snapshot store must do, run against each of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from bandit.engine import ModelArrays
from bandit.errors import SnapshotError
from bandit.keys import KeyRing
from bandit.snapshots import (
    FileSnapshotStore,
    Manifest,
    MemorySnapshotStore,
    Pointer,
    SnapshotDetails,
    SnapshotStore,
)

BITS = 6


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SnapshotStore:
    if request.param == "memory":
        return MemorySnapshotStore()
    return FileSnapshotStore(tmp_path / "snapshots", KeyRing((b"0123456789abcdef",)))


def arrays(seed: int) -> ModelArrays:
    generator = np.random.default_rng(seed)
    return ModelArrays(
        generator.normal(size=1 << BITS).astype(np.float32),
        generator.random(1 << BITS).astype(np.float32),
    )


def details(examples: int = 5) -> SnapshotDetails:
    return SnapshotDetails(
        created_at_us=1_700_000_000_000_000,
        bits=BITS,
        interactions=[["context", "artwork"]],
        constant=True,
        engine_version="9.10",
        examples_learned=examples,
        log_clock_us=1_699_999_999_000_000,
        parent=None,
    )


def publish(store: SnapshotStore, seed: int) -> Manifest:
    return store.publish("artwork", arrays(seed), f"model {seed}".encode(), details(seed))


def test_what_was_published_is_loaded(store: SnapshotStore) -> None:
    manifest = publish(store, 3)

    snapshot = store.load("artwork", manifest.version)

    assert snapshot.manifest == manifest
    assert manifest.surface == "artwork"
    assert manifest.examples_learned == 3
    assert manifest.interactions == [["context", "artwork"]]
    assert np.array_equal(snapshot.arrays.weights, arrays(3).weights)
    assert np.array_equal(snapshot.arrays.variances, arrays(3).variances)
    assert snapshot.model == b"model 3"


def test_loaded_arrays_are_read_only_and_apart_from_the_publisher_s(store: SnapshotStore) -> None:
    mine = arrays(1)
    version = store.publish("artwork", mine, b"", details()).version

    mine.weights[:] = 7

    loaded = store.load("artwork", version).arrays
    assert np.array_equal(loaded.weights, arrays(1).weights)
    with pytest.raises(ValueError, match="read-only"):
        loaded.weights[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        loaded.variances[0] = 1


def test_arrays_are_loaded_without_the_engine_s_own_form(store: SnapshotStore) -> None:
    published = publish(store, 3)
    publish(store, 4)

    manifest, loaded = store.load_arrays("artwork", published.version)

    assert manifest == published
    assert np.array_equal(loaded.weights, arrays(3).weights)
    assert np.array_equal(loaded.variances, arrays(3).variances)
    assert not loaded.weights.flags.writeable
    assert not loaded.variances.flags.writeable


def test_versions_sort_in_the_order_of_publishing(store: SnapshotStore) -> None:
    published = [publish(store, seed).version for seed in range(12)]

    assert sorted(published) == published
    assert len(set(published)) == 12
    assert [m.version for m in store.versions("artwork")] == published[::-1]


def test_the_pointer_follows_publishing(store: SnapshotStore) -> None:
    assert store.pointer("artwork") is None

    for seed in range(3):
        version = publish(store, seed).version
        assert store.pointer("artwork") == Pointer(version, pinned=False)


def test_an_activated_version_stays_until_the_newest_is_activated(store: SnapshotStore) -> None:
    old = publish(store, 1).version
    publish(store, 2)

    assert store.activate("artwork", old) == Pointer(old, pinned=True)
    newest = publish(store, 3).version
    assert store.pointer("artwork") == Pointer(old, pinned=True)

    assert store.activate("artwork", newest) == Pointer(newest, pinned=False)
    following = publish(store, 4).version
    assert store.pointer("artwork") == Pointer(following, pinned=False)


def test_surfaces_are_apart(store: SnapshotStore) -> None:
    version = publish(store, 1).version

    assert store.pointer("rows") is None
    assert store.versions("rows") == []
    assert store.prune("rows", 1) == []
    with pytest.raises(SnapshotError, match="no such snapshot"):
        store.load("rows", version)


@pytest.mark.parametrize("version", ["000000099-00000000", "../artwork", "", "latest"])
def test_a_version_that_is_not_there_is_refused(store: SnapshotStore, version: str) -> None:
    kept = publish(store, 1).version

    for call in (store.load, store.load_arrays, store.activate):
        with pytest.raises(SnapshotError) as raised:
            call("artwork", version)
        assert raised.value.hint
    assert store.pointer("artwork") == Pointer(kept, pinned=False)


def test_pruning_keeps_the_newest_and_the_served(store: SnapshotStore) -> None:
    versions = [publish(store, seed).version for seed in range(6)]
    store.activate("artwork", versions[1])

    removed = store.prune("artwork", 2)

    assert set(removed) == {versions[0], versions[2], versions[3]}
    assert [m.version for m in store.versions("artwork")] == [
        versions[5],
        versions[4],
        versions[1],
    ]
    assert store.load("artwork", versions[1]).model == b"model 1"
    with pytest.raises(SnapshotError):
        store.load("artwork", versions[0])
    assert store.prune("artwork", 2) == []


@pytest.mark.parametrize("served", [None, 1])
def test_old_ones_go_but_the_two_newest_and_the_served(
    store: SnapshotStore, served: int | None
) -> None:
    made_at_us = [10, 20, 30, 40, 50]
    versions = [
        store.publish(
            "artwork", arrays(at_us), b"", replace(details(), created_at_us=at_us)
        ).version
        for at_us in made_at_us
    ]
    if served is not None:
        store.activate("artwork", versions[served])

    assert store.prune("artwork", 20) == []
    assert store.prune("artwork", 20, made_before_us=10) == []
    removed = store.prune("artwork", 20, made_before_us=40)
    assert set(removed) == {versions[place] for place in (0, 1, 2) if place != served}
    assert store.prune("artwork", 20, made_before_us=1000) == []


def test_numbers_go_on_after_pruning(store: SnapshotStore) -> None:
    versions = [publish(store, seed).version for seed in range(3)]
    store.prune("artwork", 1)

    assert publish(store, 9).version > versions[-1]


@pytest.mark.parametrize("name", ["weights", "variances"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_arrays_that_are_not_finite_are_not_published(
    store: SnapshotStore, name: str, bad: float
) -> None:
    wrong = arrays(1)
    wrong._asdict()[name][5] = bad

    with pytest.raises(SnapshotError, match=name):
        store.publish("artwork", wrong, b"", details())
    assert store.pointer("artwork") is None
    assert store.versions("artwork") == []


def test_arrays_of_another_shape_type_or_sign_are_not_published(store: SnapshotStore) -> None:
    good = arrays(1)
    wrong = [
        ModelArrays(good.weights[:-1], good.variances),
        ModelArrays(good.weights, good.variances.reshape(2, -1)),
        ModelArrays(good.weights.astype(np.float64), good.variances),
        ModelArrays(good.weights, -good.variances),
    ]
    for one in wrong:
        with pytest.raises(SnapshotError):
            store.publish("artwork", one, b"", details())
    assert store.versions("artwork") == []
