"""Several learners, each of its share of the events, whose models are merged: each event once."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bandit.clock import ManualClock, to_us
from bandit.cluster.connection import redis_at
from bandit.cluster.forwarding import Forwarder
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import Names
from bandit.cluster.places import config_of
from bandit.cluster.told import together
from bandit.cluster_learning import exchange as exchange_module
from bandit.cluster_learning import merger as merger_module
from bandit.cluster_learning.merged import Merged, examples_of, models_of, packed, unpacked
from bandit.cluster_learning.merger import Merger
from bandit.cluster_learning.partition_learner import PartitionLearner
from bandit.cluster_learning.running import Parts, successor
from bandit.config.cluster import ClusterConfig
from bandit.config.schema import AuthConfig, Config
from bandit.errors import LogUnavailableError
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.metrics import NoMetrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore
from bandit.status import LearnerStatus
from tests import learning_world as world
from tests.server.redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]

PARTITIONS = 3
START_US = to_us(1_700_000_000)
END_S = 1000.0
LEASE_S = 600.0


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


class CrashError(Exception):
    """The process is gone."""


class Scene:
    """A log that is in Redis already, and the learners of its partitions."""

    def __init__(self, root: Path, redis: RedisServer) -> None:
        redis.command("FLUSHALL")
        self._redis = redis
        self._clients: list[Any] = []
        self.clock = ManualClock(START_US)
        _, version = world.store_catalog(root)
        base = world.config(root, batch_records_max=40)
        self.config: Config = msgspec.structs.replace(
            base,
            auth=AuthConfig(secrets_directory=str(root / "secrets")),
            cluster=ClusterConfig(
                redis_url=redis.url, host="a", partitions=PARTITIONS, merge_interval_s=1e-6
            ),
        )
        directory = Path(base.log.directory)
        writer = SqliteEventWriter.open(directory, self.clock, base.log, NoMetrics())
        world.write([writer], self.clock, world.chunks(60, version))
        self.clock.advance_s(END_S)
        writer.close()
        reader = SqliteEventReader(directory, self.clock)
        forwarder = Forwarder(self.config, reader, self.client(), NoMetrics())
        while forwarder.step(self.clock.now_us()):
            pass
        forwarder.close()
        self.names = Names.of(self.config.cluster)
        self.keys = snapshot_keys(self.config)
        self.snapshots = FileSnapshotStore(self.config.snapshots.directory, self.keys)
        self._leases = [self._lease(number) for number in range(PARTITIONS)]
        self.learners = [self.learner(number) for number in range(PARTITIONS)]
        self.merger = Merger(
            self.config, self.client(), self._leases[0], self.keys, self.snapshots, self.clock
        )

    def client(self) -> Any:
        client = redis_at("cluster.redis_url", self._redis.url)
        self._clients.append(client)
        return client

    def _lease(self, number: int) -> RedisLease:
        client, partition = self.client(), self.names.partition(number)
        client.set(partition.fence, 1)
        lease = RedisLease(client, partition, "a", LEASE_S)
        lease.take()
        return lease

    def learner(self, number: int) -> PartitionLearner:
        """Make the learner of a partition, as a process that starts anew does."""
        parts = Parts(self.client(), self.names, number, self._leases[number])
        made = successor(
            config_of(self.config, number), self.clock, NoMetrics(), parts, threading.Event()
        )
        assert isinstance(made, PartitionLearner)
        return made

    def now(self) -> int:
        self.clock.advance_s(0.01)
        return self.clock.now_us()

    @contextmanager
    def merging(self) -> Iterator[None]:
        """Merge whatever is handed in, for a block."""
        ending = threading.Event()
        thread = threading.Thread(target=self.merger.run, args=(ending,))
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()

    def merged(self) -> Merged:
        return unpacked(self.keys, Merged, self.client().get(self.names.merged))

    def merged_examples(self) -> int:
        return examples_of(self.merged().stands, models_of(self.config))

    def learned_examples(self) -> int:
        return sum(sum(one.counts.examples.values()) for one in self.learners)

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def scene(redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    # Learners take turns here, in one thread: nobody else's turn is to be waited for.
    monkeypatch.setattr(merger_module, "GATHER_S", 0.0)
    scene = Scene(tmp_path, redis)
    yield scene
    scene.close()


def finish(scene: Scene) -> None:
    """Let everyone learn to the end and hand it in."""
    for learner in scene.learners:
        for _ in range(2000):
            if learner.step(scene.now()).idle:
                break
            learner.publish(scene.now())
        learner.publish(scene.now())


def test_shares_are_learned_and_merged_and_all_go_on_from_it(scene: Scene) -> None:
    with scene.merging():
        finish(scene)
        for learner in scene.learners:
            learner.publish(scene.now())
    outcomes = [sum(one.counts.outcomes.values()) for one in scene.learners]
    assert sum(outcomes) == 60
    assert min(outcomes) > 5
    assert scene.merged_examples() == scene.learned_examples() > 200
    assert set(scene.merged().included) == set(range(PARTITIONS))
    for learner in scene.learners:
        assert sum(learner.engines.examples_learned.values()) == scene.merged_examples()
    for surface in ("artwork", "rows"):
        newest = scene.snapshots.versions(surface)[0]
        published = scene.snapshots.load(surface, newest.version)
        assert published.model == scene.merged().stands[surface].state
    assert scene.merger.published["artwork"].examples > 200


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_crashes_at_any_point_of_a_turn_merge_each_example_once(
    scene: Scene, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "WAIT_S", 0.05)
    rng = random.Random(seed)
    acts = ["learn", "learn", "turn", "not taken", "before", "after", "taken", "no answer"]
    happened: set[str] = set()
    for _ in range(90):
        number = rng.randrange(PARTITIONS)
        learner, act = scene.learners[number], rng.choice(acts)
        if act == "learn":
            learner.step(scene.now())
            continue
        if act in ("turn", "taken"):
            monkeypatch.setattr(exchange_module, "WAIT_S", 10.0)
        happened.add(act)
        if act == "turn":
            with scene.merging():
                learner.publish(scene.now())
        elif act == "not taken":
            learner.publish(scene.now())
        else:
            with pytest.MonkeyPatch.context() as patched:
                break_at(act, scene, learner, patched)
            if act != "no answer":
                scene.learners[number] = scene.learner(number)
        monkeypatch.setattr(exchange_module, "WAIT_S", 0.05)
    assert happened == set(acts) - {"learn"}
    monkeypatch.setattr(exchange_module, "WAIT_S", 10.0)
    with scene.merging():
        finish(scene)
        for learner in scene.learners:
            learner.publish(scene.now())
    assert sum(sum(one.counts.outcomes.values()) for one in scene.learners) == 60
    assert scene.merged_examples() == scene.learned_examples()


def break_at(
    act: str, scene: Scene, learner: PartitionLearner, patched: pytest.MonkeyPatch
) -> None:
    """Have a turn break off, at one of its points."""
    exchange = learner._exchange
    find_out, hand_in = exchange._find_out, exchange.hand_in

    def crash(*_: object) -> None:
        raise CrashError

    def away(*_: object) -> None:
        raise LogUnavailableError("away", hint="")

    if act == "before":
        patched.setattr(exchange, "hand_in", crash)
    elif act == "after":
        patched.setattr(exchange, "_find_out", crash)
    elif act == "no answer":
        patched.setattr(exchange, "_find_out", away)
    else:
        patched.setattr(exchange, "_find_out", crash)
        with scene.merging():
            run(learner, scene)
        return
    run(learner, scene)
    if act == "no answer":
        patched.setattr(exchange, "_find_out", find_out)
        patched.setattr(exchange, "hand_in", hand_in)


def run(learner: PartitionLearner, scene: Scene) -> None:
    with suppress(CrashError, LogUnavailableError):
        learner.publish(scene.now())


def test_who_is_down_holds_nobody_up_and_tells_later(scene: Scene) -> None:
    first, second, _third = scene.learners
    with scene.merging():
        for learner in (first, second):
            while not learner.counts.examples:
                assert not learner.step(scene.now()).idle
            for _ in range(2):
                # Its first turn begins with the first call.
                learner.publish(scene.now())
        generation = scene.merged().generation
        finish(scene)
        for learner in scene.learners:
            learner.publish(scene.now())
    assert scene.merged().generation > generation == 2
    assert scene.merged_examples() == scene.learned_examples()


def test_what_is_not_ours_is_not_merged(scene: Scene) -> None:
    client = scene.client()
    client.hset(scene.names.turns, "2", b"HandedIn 0 0\njunk")
    with scene.merging():
        finish(scene)
    assert scene.merged_examples() == sum(
        sum(one.counts.examples.values()) for one in scene.learners
    )
    good = scene.merged()
    client.set(scene.names.merged, packed(scene.keys, good)[:-1] + b"?")
    # What was learned is kept, and merged again from where the learners began.
    with scene.merging():
        scene.learners[0]._exchange.begin_turn()
        scene.learners[0]._save(scene.now())
        scene.learners[0]._exchange.hand_in(scene.learners[0].engines, 1, scene.now())
    assert scene.merged().generation > 0


def test_counts_of_partitions_are_told_together(scene: Scene) -> None:
    with scene.merging():
        finish(scene)
    told = [msgspec.json.encode(one.status(scene.now())) for one in scene.learners]
    whole = msgspec.json.decode(together(told) or b"", type=LearnerStatus)
    assert sum(whole.learned.outcomes.values()) == 60
    assert sum(whole.learned.examples.values()) == scene.learned_examples()
    displays = sum(share.displays for share in whole.learned.shares["artwork"].values())
    assert displays == sum(
        share.displays
        for learner in scene.learners
        for share in learner.counts.shares["artwork"].values()
    )
    assert together([]) is None
    assert together(told[:1]) == told[0]
