"""Learning from several machines' events: the same, whoever learns and whatever breaks."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bandit.checkpoint import CURRENT_NAME
from bandit.clock import ManualClock, to_us
from bandit.cluster.connection import redis_at
from bandit.cluster.forwarding import Forwarder
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import Names
from bandit.cluster.origin_releases import OriginReleases
from bandit.cluster.status import forget
from bandit.cluster_learning import OwnCheckpoints
from bandit.cluster_learning.checkpoints import CheckpointOffer
from bandit.cluster_learning.running import Parts, successor
from bandit.config.cluster import ClusterConfig
from bandit.config.schema import AuthConfig, Config
from bandit.dead_letters import DeadLetters
from bandit.errors import LogUnavailableError
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore
from tests import learning_world as world
from tests.server.redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]

START_US = to_us(1_700_000_000)
END_S = 1000.0
LEASE_S = 600.0
HOSTS = ("a", "b")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


class Machine:
    """One machine's state and what its agent does for it."""

    def __init__(self, scene: Scene, name: str, namespace: str) -> None:
        self._scene, self._name = scene, name
        root = scene.root / name
        shared = ClusterConfig(redis_url=scene.redis.url, host=name, namespace=namespace)
        base = world.config(root, batch_records_max=17)
        self.config: Config = msgspec.structs.replace(
            base,
            cluster=shared,
            auth=AuthConfig(secrets_directory=str(scene.root / "secrets")),
            learner=msgspec.structs.replace(
                base.learner, directory=str(root / f"learner-{namespace}")
            ),
        )
        self._clients: list[Any] = []
        reader = SqliteEventReader(Path(self.config.log.directory), scene.clock)
        self.forwarder = Forwarder(self.config, reader, self.client(), NoMetrics())
        self.releases = OriginReleases(self.config, reader, self.client())
        self.offer = CheckpointOffer(self.config, snapshot_keys(self.config), self.client())

    def client(self) -> Any:
        client = redis_at("cluster.redis_url", self._scene.redis.url)
        self._clients.append(client)
        return client

    def forward(self) -> None:
        while self.forwarder.step(self._scene.clock.now_us()):
            pass

    def learner(self, ending: threading.Event | None = None) -> Learner:
        """Take the lease, whoever has it, and go on learning."""
        names, client = Names.of(self.config.cluster), self.client()
        partition = names.partition(0)
        client.set(partition.fence, 1, nx=True)
        client.delete(partition.lease)
        lease = RedisLease(client, partition, self._name, LEASE_S)
        lease.take()
        parts = Parts(client, names, 0, lease)
        ending = ending or threading.Event()
        return successor(self.config, self._scene.clock, NoMetrics(), parts, ending)

    def close(self) -> None:
        self.forwarder.close()
        for client in self._clients:
            client.close()


class Scene:
    """Machines with a log each, all of it written, and a cluster that has it to learn yet."""

    def __init__(self, root: Path, redis: RedisServer) -> None:
        redis.command("FLUSHALL")
        self.root, self.redis = root, redis
        self.clock = ManualClock(START_US)
        versions = {world.store_catalog(root / name)[1] for name in HOSTS}
        (version,) = versions
        writers = [self._writer(name) for name in HOSTS]
        # All are known before one is ahead of another.
        world.write(writers, self.clock, world.chunks(60, version, spools=len(HOSTS)))
        self.clock.advance_s(END_S)
        for writer in writers:
            writer.close()
        self._machines: list[Machine] = []

    def _writer(self, name: str) -> SqliteEventWriter:
        log = world.config(self.root / name).log
        return SqliteEventWriter.open(Path(log.directory), self.clock, log, NoMetrics())

    def machines(self, namespace: str = "marquee") -> list[Machine]:
        made = [Machine(self, name, namespace) for name in HOSTS]
        self._machines += made
        return made

    def finish(self, learner: Learner) -> Learner:
        for _ in range(2000):
            if learner.step(self.clock.now_us()).idle:
                return learner
        raise AssertionError("the learner found no end")

    def close(self) -> None:
        for machine in self._machines:
            machine.close()


@pytest.fixture
def scene(redis: RedisServer, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path, redis)
    yield scene
    scene.close()


def whole(scene: Scene) -> Learner:
    """Learn everything without any disturbance."""
    machines = scene.machines("whole")
    for machine in machines:
        machine.forward()
    return scene.finish(machines[0].learner())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_crashes_takeovers_and_an_emptied_redis_change_nothing(scene: Scene, seed: int) -> None:
    reference = whole(scene)
    assert reference.counts.examples["artwork"] > 200
    rng = random.Random(seed)
    machines = scene.machines()
    for machine in machines:
        machine.forward()
    learner = rng.choice(machines).learner()
    happened: dict[str, int] = {}
    for _ in range(400):
        act = rng.choices(
            ["step", "checkpoint", "release", "crash", "take over", "empty"],
            [12, 4, 4, 2, 2, 1],
        )[0]
        happened[act] = happened.get(act, 0) + 1
        if act == "step":
            if learner.step(scene.clock.now_us()).idle:
                break
        elif act == "checkpoint":
            learner.checkpoint(scene.clock.now_us())
        elif act == "release":
            scene.clock.advance_s(1)
            for machine in machines:
                machine.releases.step(scene.clock.now_us())
        elif act == "crash":
            learner = machine_of(learner, machines).learner()
        else:
            if act == "empty":
                scene.redis.command("FLUSHDB")
            redis_key = Names("marquee").partition(0).lease
            machines[0].client().delete(redis_key)
            order = rng.sample(machines, len(machines))
            for machine in order:
                machine.offer.step(scene.clock.now_us())
                machine.forward()
            learner = rng.choice(machines).learner()
    assert set(happened) >= {"step", "checkpoint", "crash", "take over", "empty"}
    world.assert_same_learned(scene.finish(learner), reference)


def test_a_successor_waits_until_an_emptied_redis_has_what_was_open(scene: Scene) -> None:
    reference = whole(scene)
    machines = scene.machines()
    for machine in machines:
        machine.forward()
    learner = machines[0].learner()
    for _ in range(3):
        assert not learner.step(scene.clock.now_us()).idle
    learner.checkpoint(scene.clock.now_us())
    assert learner.status(scene.clock.now_us()).open_decisions
    scene.redis.command("FLUSHDB")

    class ToldMeanwhile(threading.Event):
        """Machines tell Redis again, one with each wait."""

        def wait(self, timeout: float | None = None) -> bool:
            machines[waits.pop()].forward()
            return False

    waits = [0, 1]
    learner = machines[0].learner(ToldMeanwhile())
    for machine in machines:
        machine.forward()
    world.assert_same_learned(scene.finish(learner), reference)


def test_whoever_lost_the_lease_leaves_no_checkpoint_that_misses_what_was_trimmed(
    scene: Scene,
) -> None:
    a, b = scene.machines()
    for machine in (a, b):
        machine.forward()
    names = Names.of(a.config.cluster)
    lease = RedisLease(a.client(), names.partition(0), "a", LEASE_S)
    a.client().set(names.partition(0).fence, 1)
    lease.take()
    parts = Parts(a.client(), names, 0, lease)
    stale = successor(a.config, scene.clock, NoMetrics(), parts, threading.Event())
    stale.step(scene.clock.now_us())
    stale.checkpoint(scene.clock.now_us())
    path = Path(a.config.learner.directory) / CURRENT_NAME
    before = path.read_bytes()
    ahead = scene.finish(b.learner())
    ahead.checkpoint(scene.clock.now_us())
    lease.renew()
    assert lease.lost.is_set()
    stale.step(scene.clock.now_us())
    with pytest.raises(LogUnavailableError):
        stale.checkpoint(scene.clock.now_us())
    assert path.read_bytes() == before


def machine_of(learner: Learner, machines: list[Machine]) -> Machine:
    directory = learner._config.learner.directory
    return next(one for one in machines if one.config.learner.directory == directory)


def test_what_was_set_aside_is_passed_over_by_whoever_takes_over(scene: Scene) -> None:
    a, b = scene.machines()
    for machine in (a, b):
        machine.forward()
    learner = a.learner()
    dead = DeadLetters(Path(a.config.learner.directory), 1)
    dead.blame("join", "d7", "test", 1)
    learner.step(scene.clock.now_us())
    learner.checkpoint(scene.clock.now_us())
    stream = Names("marquee").partition(0).dead_letters
    assert a.client().xlen(stream) == 1
    scene.finish(b.learner())
    there = DeadLetters(Path(b.config.learner.directory), 1)
    assert there.holds("join", "d7")
    # Erased here, it goes there as well.
    later = a.learner()
    DeadLetters(Path(a.config.learner.directory), 1).forget(["d7"])
    later.step(scene.clock.now_us())
    later.checkpoint(scene.clock.now_us())
    assert a.client().xlen(stream) == 0


def test_a_machine_takes_what_it_learned_into_a_cluster_and_out_again(scene: Scene) -> None:
    """Its own log only: what another machine heard is not there where it is alone."""
    machine, _ = scene.machines()
    alone = msgspec.structs.replace(machine.config, cluster=ClusterConfig(host="a"))

    def learner_alone(config: Config) -> Learner:
        reader = SqliteEventReader(Path(config.log.directory), scene.clock)
        return Learner(
            config,
            reader,
            FileSnapshotStore(config.snapshots.directory, snapshot_keys(config)),
            world.store_catalog(scene.root / "a")[0],
            scene.clock,
            NoMetrics(),
            checkpoints=OwnCheckpoints(config, reader),
        )

    elsewhere = msgspec.structs.replace(
        alone,
        learner=msgspec.structs.replace(alone.learner, directory=str(scene.root / "elsewhere")),
    )
    reference = scene.finish(learner_alone(elsewhere))
    before = learner_alone(alone)
    for _ in range(3):
        before.step(scene.clock.now_us())
    before.checkpoint(scene.clock.now_us())
    machine.forward()
    within = machine.learner()
    for _ in range(3):
        assert not within.step(scene.clock.now_us()).idle
    within.checkpoint(scene.clock.now_us())
    after = learner_alone(alone)
    assert after.counts == within.counts != before.counts
    world.assert_same_learned(scene.finish(after), reference)


def test_a_checkpoint_that_is_not_ours_is_not_gone_on_from(scene: Scene) -> None:
    a, b = scene.machines()
    a.forward()
    learner = a.learner()
    scene.finish(learner)
    learner.checkpoint(scene.clock.now_us())
    key = Names("marquee").partition(0).checkpoint
    content = a.client().hget(key, "content")
    for broken in (b"", b"checkpoint 0 0\n", content[:-1] + b"?", content.split(b"\n", 1)[1]):
        a.client().hset(key, "content", broken)
        assert b.learner().counts.outcomes == {}
    a.client().hset(key, "content", content)
    assert b.learner().counts == learner.counts


def test_a_redis_emptied_under_a_learner_is_waited_for_before_it_goes_back(scene: Scene) -> None:
    """Its open decisions are read again: from a Redis that was not told of them they were lost."""
    a, b = scene.machines()
    for machine in (a, b):
        machine.forward()
    learner = a.learner()
    for _ in range(8):
        learner.step(scene.clock.now_us())
    learner.checkpoint(scene.clock.now_us())
    before = learner.status(0).open_decisions
    assert before > 0
    scene.redis.command("FLUSHALL")
    learner._stale = True
    with pytest.raises(LogUnavailableError, match="what was open"):
        learner.step(scene.clock.now_us())
    a.forward()
    with pytest.raises(LogUnavailableError, match="what was open"):
        learner.step(scene.clock.now_us())
    b.forward()
    learner._restore(scene.clock.now_us())
    assert learner.status(0).open_decisions == before


def test_a_machine_that_was_forgotten_is_not_waited_for(scene: Scene) -> None:
    a, b = scene.machines()
    for machine in (a, b):
        machine.forward()
    learner = a.learner()
    scene.finish(learner)
    learner.checkpoint(scene.clock.now_us())
    assert any(spool.startswith("b/") for spool in learner._merge.position(None).sequences)
    names = Names.of(a.config.cluster)
    assert forget(a.client(), names, "b", scene.clock.now_us())
    again = a.learner()
    assert all(spool.startswith("a/") for spool in again._merge.position(None).sequences)
    assert again.counts == learner.counts
    assert again.status(0).unreadable_spools == {}
