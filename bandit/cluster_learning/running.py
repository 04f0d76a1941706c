"""The learner of a cluster: it holds the lease, reads events from Redis, and can be taken over.

Machines that may learn compete for the lease; those that do not get it stand by. A checkpoint is
saved on this machine's disk as ever, and copied to Redis before anything is released, so that
whoever takes over goes on from there: nothing is learned twice or left out. It goes on from what
reaches further, its own or that in Redis, which may have come back without any.

A process that lost the lease, as it stood still or was cut off, learns no more: what it would write
to Redis is refused, it publishes nothing, and it ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from bandit.catalog import CatalogStore
from bandit.clock import Clock, to_us
from bandit.cluster.connection import redis_at
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import Names, PartitionNames, host_name
from bandit.cluster.redis_reader import RedisEventReader
from bandit.cluster_learning.catalogs import FetchedCatalogs
from bandit.cluster_learning.checkpoints import SharedCheckpoints
from bandit.cluster_learning.dead_letters import SharedDeadLetters
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
    at_work: Callable[[Config, Clock], Any],
) -> None:
    """Stand by until the lease is ours, then learn until ``stop`` is set.

    ``at_work`` holds this machine's own lease while it is in use.

    Raises:
        LeaseHeldError: the lease was lost to another process, here or elsewhere.
        ConfigError: a model cannot be made as configured, or keys cannot be read.
    """
    names, url = Names(config.cluster.namespace), config.cluster.redis_url or ""
    partition = names.partition(0)
    redis = redis_at("cluster.redis_url", url)
    lease = RedisLease(redis, partition, host_name(config.cluster), config.cluster.lease_s)
    try:
        with at_work(config, clock), _held(lease, stop) as ending:
            if not stop.is_set():
                _learn(config, clock, metrics, ending, Parts(redis, names, partition, lease))
        if lease.lost.is_set():
            raise LeaseHeldError(
                "another process learns in this one's place", hint="this one stands by"
            )
    finally:
        redis.close()


class Parts(NamedTuple):
    """What learning in a cluster needs beside the configuration."""

    redis: Redis
    names: Names
    partition: PartitionNames
    lease: RedisLease


@contextmanager
def _held(lease: RedisLease, stop: threading.Event) -> Iterator[threading.Event]:
    """Hold the lease for a block, once it can be had; yield what tells that it is to end."""
    from redis import RedisError

    told = ""
    while not stop.is_set():
        try:
            lease.take()
            break
        except (LeaseHeldError, RedisError) as error:
            if str(error) != told:
                log.info("standing by", why=str(error))
            told = str(error)
            stop.wait(STAND_BY_S)
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
    while not ending.is_set():
        try:
            learner = successor(config, clock, metrics, parts)
        except LogUnavailableError as error:
            log.warning("learning cannot begin now; it is tried again", why=str(error))
            ending.wait(STAND_BY_S)
        else:
            learner.run(ending)


def successor(config: Config, clock: Clock, metrics: Metrics, parts: Parts) -> Learner:
    """Return a learner that goes on from where whoever was before it stood.

    Raises:
        LogUnavailableError: Redis does not answer.
        ConfigError: a model cannot be made as configured, or keys cannot be read.
    """
    directory, host = Path(config.learner.directory), host_name(config.cluster)
    directory.mkdir(parents=True, exist_ok=True)
    redis, partition, lease = parts.redis, parts.partition, parts.lease
    dead = SharedDeadLetters(directory, redis, partition)
    dead.adopt()
    checkpoints = SharedCheckpoints(
        directory, host, redis, partition, lease, snapshot_keys(config), dead
    )
    checkpoints.adopt()
    catalogs = CatalogStore(config.catalog.directory, config.limits)
    silent_us = to_us(config.cluster.host_silent_s)
    reader = RedisEventReader(redis, partition, clock, silent_us, lease)
    stands, _ = checkpoints.load()
    if stands is not None:
        reader.expect(stands.position.sequences, stands.position.clock_us)
    return Learner(
        config,
        reader,
        LeasedSnapshots(config, lease),
        FetchedCatalogs(catalogs, redis, parts.names),
        clock,
        metrics,
        checkpoints=checkpoints,
    )
