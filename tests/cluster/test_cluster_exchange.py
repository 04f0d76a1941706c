"""From what a partition's learner goes on at first, and when its turn is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bandit.cluster.connection import redis_at
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import Names
from bandit.cluster_learning.exchange import Exchange
from bandit.cluster_learning.merged import Merged, models_of
from bandit.config.cluster import ClusterConfig
from bandit.config.schema import AuthConfig, Config
from bandit.engine import Candidate, TrainingExample
from bandit.engines import Engines
from bandit.features import encode
from bandit.model_merging import Merging, Stand, Turn
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore
from bandit.types import Surface
from tests import learning_world as world
from tests.server.redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]

P = 4
SECOND_US = 1_000_000


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


class Place:
    """A machine with a partition's learner, and what it published before it was in a cluster."""

    def __init__(self, root: Path, redis: RedisServer) -> None:
        redis.command("FLUSHALL")
        base = world.config(root)
        self.config: Config = msgspec.structs.replace(
            base,
            auth=AuthConfig(secrets_directory=str(root / "secrets")),
            cluster=ClusterConfig(redis_url=redis.url, host="a", partitions=P),
        )
        self.snapshots = FileSnapshotStore(
            self.config.snapshots.directory, snapshot_keys(self.config)
        )
        self.client = redis_at("cluster.redis_url", redis.url)
        lease = RedisLease(self.client, Names.of(self.config.cluster).partition(0), "a", 10.0)
        self.exchange = Exchange(
            self.config,
            0,
            self.client,
            lease,
            snapshot_keys(self.config),
            self.snapshots,
            threading.Event(),
        )

    def engines(self) -> Engines:
        engines = Engines(self.config, self.snapshots)
        engines.restore({})
        return engines

    def begun(self) -> dict[Surface, Stand]:
        memo = msgspec.msgpack.decode(self.exchange.memo())
        merged = msgspec.convert(memo["begun"], Merged)
        return merged.stands


@pytest.fixture
def place(redis: RedisServer, tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, redis)
    yield made
    made.client.close()


def examples(count: int) -> list[TrainingExample]:
    shared = {"context": encode("context", {"kind": "a"})}
    candidates = [
        Candidate({"artwork": encode("artwork", {"mood": f"m{one}"})}) for one in range(3)
    ]
    return [
        TrainingExample(shared, candidates, one % 3, 1.0, float(one % 2)) for one in range(count)
    ]


def test_who_goes_on_from_what_is_served_is_handed_it_out_as_merged_models_are(
    place: Place,
) -> None:
    before = place.engines()
    before.learn("artwork", examples(200))
    before.publish("artwork", 1, 2, caught_up=True)
    engines = place.engines()
    place.exchange.restore(b"")
    place.exchange.go_on(engines)
    served = before.states()["artwork"]
    merging = Merging(models_of(place.config)["artwork"], P)
    begun = place.begun()["artwork"]
    assert begun.state == served
    assert engines.states()["artwork"] == merging.handed_out(served) != served
    # nothing was learned since, and so there is nothing to add
    now = Stand(engines.states()["artwork"])
    assert merging.merged(begun, [Turn(begun, now)] * P).state == served


def test_turns_of_all_learners_are_over_at_the_same_instants(place: Place) -> None:
    interval_us = 2 * SECOND_US
    exchange = place.exchange
    for begun_us in (10 * SECOND_US + 1, 11 * SECOND_US, 12 * SECOND_US - 1):
        exchange._merged_at_us = None
        assert not exchange.is_due(begun_us)
        assert not exchange.is_due(12 * SECOND_US - 1)
        assert exchange.is_due(12 * SECOND_US)
        # a clock that stepped back does not stretch it
        assert exchange.is_due(begun_us - interval_us)
