"""The learner of a cluster: it holds a lease, reads events from Redis, and can be taken over.

Processes that may learn compete for the leases on partitions; those that get none stand by. A
checkpoint is saved on this machine's disk as ever, and copied to Redis before anything is released,
so that whoever takes over goes on from there: nothing is learned twice or left out. It goes on from
what reaches further, its own or that in Redis, which may have come back without any.

A process that lost the lease, as it stood still or was cut off, learns no more: what it would write
to Redis is refused, it publishes nothing, and it ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from bandit.catalog import CatalogStore
from bandit.clock import Clock, to_us
from bandit.cluster.connection import redis_at
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import Names, PartitionNames, host_name
from bandit.cluster.places import config_of
from bandit.cluster.redis_reader import RedisEventReader
from bandit.cluster_learning.catalogs import FetchedCatalogs
from bandit.cluster_learning.checkpoints import SharedCheckpoints
from bandit.cluster_learning.dead_letters import SharedDeadLetters
from bandit.cluster_learning.exchange import Exchange
from bandit.cluster_learning.merger import Merger
from bandit.cluster_learning.partition_learner import PartitionLearner
from bandit.cluster_learning.snapshots import LeasedSnapshots
from bandit.config.schema import Config
from bandit.errors import LeaseHeldError, LogUnavailableError
from bandit.learner import Learner
from bandit.metrics import Metrics
from bandit.secret_keys import snapshot_keys

if TYPE_CHECKING:
    from redis import Redis

STAND_BY_S: Final = 0.5
"""How often a machine that stands by asks for the lease."""

log = structlog.get_logger(__name__)


def run_in_cluster(
    config: Config,
    clock: Clock,
    metrics: Metrics,
    stop: threading.Event,
    at_work: Callable[[Config, Clock], AbstractContextManager[None]],
) -> None:
    """Stand by until the lease on a partition is ours, then learn it until ``stop`` is set.

    ``at_work`` holds a partition's directory on this machine while it is in use.

    Raises:
        LeaseHeldError: the lease was lost to another process, here or elsewhere.
        ConfigError: a model cannot be made as configured, or keys cannot be read.
    """
    names, host = Names.of(config.cluster), host_name(config.cluster)
    redis = redis_at("cluster.redis_url", config.cluster.redis_url or "")
    leases = [
        RedisLease(redis, partition, host, config.cluster.lease_s)
        for partition in names.all_partitions()
    ]
    try:
        number = _taken(leases, stop)
        if number is None:
            return
        own = config_of(config, number)
        with _kept(leases[number], stop) as ending, at_work(own, clock):
            _learn(own, clock, metrics, ending, Parts(redis, names, number, leases[number]))
        if leases[number].lost.is_set():
            raise LeaseHeldError(
                "another process learns in this one's place", hint="this one stands by"
            )
    finally:
        redis.close()


class Parts(NamedTuple):
    """What learning in a cluster needs beside the configuration."""

    redis: Redis
    names: Names
    number: int
    """The partition's."""
    lease: RedisLease

    @property
    def partition(self) -> PartitionNames:
        """The partition's keys."""
        return self.names.partition(self.number)


def _taken(leases: Sequence[RedisLease], stop: threading.Event) -> int | None:
    """Take the first lease that can be had; return the partition, None if told to stop before."""
    from redis import RedisError

    told: dict[int, str] = {}
    while not stop.is_set():
        for number, lease in enumerate(leases):
            try:
                lease.take()
            except (LeaseHeldError, RedisError) as error:
                if str(error) != told.get(number):
                    log.info("standing by", partition=number, why=str(error))
                told[number] = str(error)
            else:
                return number
        stop.wait(STAND_BY_S)
    return None


@contextmanager
def _kept(lease: RedisLease, stop: threading.Event) -> Iterator[threading.Event]:
    """Keep the lease for a block; yield what tells that it is to end."""
    from redis import RedisError

    ending = threading.Event()
    keeper = threading.Thread(target=lease.keep, args=(stop, ending), name="lease", daemon=True)
    keeper.start()
    try:
        yield ending
    finally:
        ending.set()
        keeper.join()
        with suppress(RedisError):
            lease.give_up()


def _learn(
    config: Config, clock: Clock, metrics: Metrics, ending: threading.Event, parts: Parts
) -> None:
    merger = None
    if parts.names.partitions > 1 and parts.number == 0:
        keys, snapshots = snapshot_keys(config), LeasedSnapshots(config, parts.lease)
        merger = Merger(config, parts.redis, parts.lease, keys, snapshots, clock)
    with _beside(merger, ending):
        while not ending.is_set():
            try:
                learner = successor(config, clock, metrics, parts, ending, merger)
            except (LogUnavailableError, OSError) as error:
                log.warning("learning cannot begin now; it is tried again", why=str(error))
                ending.wait(STAND_BY_S)
            else:
                learner.run(ending)


@contextmanager
def _beside(merger: Merger | None, ending: threading.Event) -> Iterator[None]:
    """Have the merger work in a thread for a block."""
    if merger is None:
        yield
        return
    thread = threading.Thread(target=merger.run, args=(ending,), name="merger", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def successor(
    config: Config,
    clock: Clock,
    metrics: Metrics,
    parts: Parts,
    ending: threading.Event,
    merger: Merger | None = None,
) -> Learner:
    """Return a learner of a partition that goes on from where whoever was before it stood.

    Raises:
        LogUnavailableError: Redis does not answer.
        ConfigError: a model cannot be made as configured, or keys cannot be read.
    """
    directory, host = Path(config.learner.directory), host_name(config.cluster)
    directory.mkdir(parents=True, exist_ok=True)
    redis, partition, lease, keys = parts.redis, parts.partition, parts.lease, snapshot_keys(config)
    dead = SharedDeadLetters(directory, redis, partition)
    dead.adopt()
    longest_s = config.cluster.host_silent_s
    reader = RedisEventReader(redis, partition, clock, to_us(longest_s), lease)
    checkpoints = SharedCheckpoints(
        directory, host, redis, partition, lease, keys, dead, reader, longest_s
    )
    checkpoints.adopt()
    checkpoints.wait(ending)
    catalogs = CatalogStore(config.catalog.directory, config.limits)
    snapshots = LeasedSnapshots(config, lease)
    fetched = FetchedCatalogs(catalogs, redis, parts.names)
    if parts.names.partitions == 1:
        return Learner(config, reader, snapshots, fetched, clock, metrics, checkpoints=checkpoints)
    exchange = Exchange(config, parts.number, redis, lease, keys, snapshots, ending)
    return PartitionLearner(
        exchange, merger, config, reader, snapshots, fetched, clock, metrics,
        checkpoints=checkpoints,
    )  # fmt: skip
