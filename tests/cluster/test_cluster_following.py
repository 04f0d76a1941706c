"""Models, catalogs and words of several machines, kept in step through a real Redis."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandit.catalog import CatalogDocument, CatalogStore
from bandit.cluster.catalogs import SharedCatalog
from bandit.cluster.connection import redis_at
from bandit.cluster.following import Following
from bandit.cluster.names import Names
from bandit.cluster.told import SharedWords
from bandit.config.cluster import ClusterConfig
from bandit.config.schema import (
    CatalogConfig,
    Config,
    LearnerConfig,
    LimitsConfig,
    SnapshotsConfig,
)
from bandit.engine import ModelArrays
from bandit.errors import CatalogError, SnapshotError
from bandit.insights.told import RESET_NAME
from bandit.keys import KeyRing
from bandit.snapshots import FileSnapshotStore, SnapshotDetails
from bandit.status import STATUS_NAME
from bandit.types import Artwork, Title
from tests.server.redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]

NAMES = Names("marquee")
KEYS = KeyRing((b"k" * 32,))
KEEP = 3


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


class Machine:
    """One machine's stores, and the duties that keep them in step."""

    def __init__(self, redis: RedisServer, root: Path, name: str, keys: KeyRing = KEYS) -> None:
        config = Config(
            cluster=ClusterConfig(redis_url=redis.url, host=name),
            snapshots=SnapshotsConfig(directory=str(root / name / "snapshots"), keep=KEEP),
            catalog=CatalogConfig(directory=str(root / name / "catalog")),
            learner=LearnerConfig(directory=str(root / name / "learner")),
        )
        self.client: Any = redis_at("cluster.redis_url", redis.url)
        self.snapshots = FileSnapshotStore(config.snapshots.directory, keys)
        self.catalogs = CatalogStore(config.catalog.directory, LimitsConfig())
        self.learner = Path(config.learner.directory)
        self._following = Following(config, self.snapshots, self.client)
        self._catalog = SharedCatalog(config, self.catalogs, self.client)
        self.words = SharedWords(config, self.client)

    def publish(self, value: float) -> str:
        array = np.full(4, value, np.float32)
        details = SnapshotDetails(
            created_at_us=1,
            bits=2,
            interactions=[],
            constant=True,
            engine_version="1",
            examples_learned=1,
            log_clock_us=1,
        )
        arrays = ModelArrays(array, array)
        return self.snapshots.publish("artwork", arrays, b"model", details).version

    def follow(self) -> None:
        self._following.step(0)

    def share_catalog(self) -> None:
        self._catalog.step(0)

    @property
    def served(self) -> str | None:
        pointer = self.snapshots.pointer("artwork")
        return None if pointer is None else pointer.version

    def weight(self) -> float:
        assert self.served is not None
        return float(self.snapshots.load("artwork", self.served).arrays.weights[0])


@pytest.fixture
def machines(server: RedisServer, tmp_path: Path) -> Iterator[list[Machine]]:
    server.command("FLUSHALL")
    made = [Machine(server, tmp_path, name) for name in ("a", "b")]
    yield made
    for machine in made:
        machine.client.close()


def test_a_model_reaches_the_others_and_is_the_same(machines: list[Machine]) -> None:
    a, b = machines
    first = a.publish(0.25)
    a.follow()
    b.follow()
    assert a.served == b.served == first
    assert b.weight() == 0.25
    second = a.publish(0.5)
    a.follow()
    b.follow()
    assert (b.served, b.weight()) == (second, 0.5)
    b.snapshots.activate("artwork", first)
    b.follow()
    a.follow()
    assert a.served == first
    pointer = a.snapshots.pointer("artwork")
    assert pointer is not None
    assert pointer.pinned, "the learner's next does not undo it"


def test_of_two_that_moved_at_once_the_first_counts(machines: list[Machine]) -> None:
    a, b = machines
    older, newer = a.publish(0.25), a.publish(0.5)
    a.follow()
    b.follow()
    a.follow()
    only_a = a.publish(0.75)
    a.follow()
    b.snapshots.activate("artwork", newer)
    b.follow()
    assert b.served == only_a
    assert older != newer


def test_a_new_machine_takes_over_what_there_is_and_tells_nothing(
    machines: list[Machine], server: RedisServer, tmp_path: Path
) -> None:
    a, _ = machines
    a.publish(0.25)
    a.follow()
    c = Machine(server, tmp_path, "c")
    own = c.publish(0.9)
    c.follow()
    a.follow()
    assert c.weight() == 0.25
    assert a.weight() == 0.25
    assert own != c.served == a.served
    c.client.close()


def test_an_emptied_redis_is_given_the_model_again(
    machines: list[Machine], server: RedisServer, tmp_path: Path
) -> None:
    a, b = machines
    version = a.publish(0.25)
    a.follow()
    b.follow()
    server.command("FLUSHALL")
    b.follow()
    a.follow()
    c = Machine(server, tmp_path, "c")
    c.follow()
    assert c.served == a.served == b.served == version
    c.client.close()


def test_redis_keeps_as_many_models_as_a_disk(machines: list[Machine]) -> None:
    a, b = machines
    first = a.publish(0.0)
    a.follow()
    for number in range(1, 6):
        a.publish(number / 10)
        a.follow()
    held = a.client.smembers(NAMES.snapshots("artwork"))
    assert len(held) == KEEP
    assert not a.client.exists(NAMES.snapshot("artwork", first))
    b.follow()
    assert b.weight() == pytest.approx(0.5)


def test_what_is_damaged_or_foreign_is_refused_and_what_was_served_stays(
    machines: list[Machine], server: RedisServer, tmp_path: Path
) -> None:
    a, b = machines
    first = a.publish(0.25)
    a.follow()
    b.follow()
    second = a.publish(0.5)
    a.follow()
    key = NAMES.snapshot("artwork", second)
    good = a.client.hgetall(key)
    for field in good:
        a.client.hset(key, field, good[field][:-3] + b"xyz")
        with pytest.raises(SnapshotError):
            b.follow()
        assert b.served == first
        a.client.hset(key, field, good[field])
    stranger = Machine(server, tmp_path, "s", KeyRing((b"s" * 32,)))
    with pytest.raises(SnapshotError):
        stranger.follow()
    assert stranger.served is None
    a.client.delete(key)
    with pytest.raises(SnapshotError, match="not in Redis"):
        b.follow()
    a.client.hset(key, mapping=good)
    b.follow()
    assert b.served == second
    stranger.client.close()


def document(*ids: str) -> CatalogDocument:
    return CatalogDocument([Title(one, [Artwork("x", {"n": 1.0})]) for one in ids])


def put(machine: Machine, *ids: str) -> str:
    version = machine.catalogs.save(document(*ids))
    machine.catalogs.set_current(version)
    return version


def test_a_catalog_reaches_the_others_from_wherever_it_was_changed(
    machines: list[Machine], server: RedisServer, tmp_path: Path
) -> None:
    a, b = machines
    put(a, "t1")
    for machine in (a, b):
        machine.share_catalog()
    changed = put(b, "t1", "t2")
    for machine in (b, a):
        machine.share_catalog()
    assert a.catalogs.current() == b.catalogs.current() == changed
    assert [one.id for one in a.catalogs.document(changed).titles] == ["t1", "t2"]
    put(a, "t3")
    theirs = put(b, "t4")
    b.share_catalog()
    a.share_catalog()
    assert a.catalogs.current() == theirs, "the first to reach Redis counts"
    server.command("FLUSHALL")
    a.share_catalog()
    c = Machine(server, tmp_path, "c")
    c.share_catalog()
    assert c.catalogs.current() == theirs
    c.client.close()


def test_a_damaged_catalog_is_refused(machines: list[Machine]) -> None:
    a, b = machines
    version = put(a, "t1")
    a.share_catalog()
    key = NAMES.catalog_version(version)
    content = a.client.get(key)
    for damaged in (content[: len(content) // 2], b"junk", zlib.compress(b"another")):
        a.client.set(key, damaged)
        with pytest.raises(CatalogError):
            b.share_catalog()
        assert b.catalogs.current() is None
    a.client.delete(key)
    with pytest.raises(CatalogError, match="not in Redis"):
        b.share_catalog()


def test_the_learner_s_words_are_told_everywhere_and_orders_reach_it(
    machines: list[Machine],
) -> None:
    a, b = machines
    a.client.set(NAMES.partition(0).lease, "a/1f")
    a.learner.mkdir(parents=True)
    (a.learner / STATUS_NAME).write_bytes(b"first")
    for _ in range(2):
        for machine in (a, b):
            machine.words.step(0)
    assert (b.learner / STATUS_NAME).read_bytes() == b"first"
    (b.learner / RESET_NAME).touch()
    for machine in (b, a):
        machine.words.step(0)
    assert (a.learner / RESET_NAME).exists()
    assert not (b.learner / RESET_NAME).exists()
    # b takes over, and tells from now on.
    a.client.set(NAMES.partition(0).lease, "b/2f")
    (b.learner / STATUS_NAME).write_bytes(b"second")
    for machine in (b, a):
        machine.words.step(0)
    assert (a.learner / STATUS_NAME).read_bytes() == b"second"
