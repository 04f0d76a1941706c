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
from typing import TYPE_CHECKING, Any, Final

import structlog

from bandit.catalog import Catalog, CatalogStore
from bandit.catalog.pruning import CatalogPruning
from bandit.checkpoint import Checkpoint, Checkpoints, decode_checkpoint, put_checkpoint
from bandit.clock import Clock, to_us
from bandit.cluster.catalogs import fetch
from bandit.cluster.connection import redis_at
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import Names, PartitionNames, host_name
from bandit.cluster.redis_reader import RedisEventReader, told_of
from bandit.config.schema import Config
from bandit.engine import ModelArrays
from bandit.errors import CatalogError, LeaseHeldError, SnapshotUnavailableError
from bandit.learner import Learner
from bandit.metrics import Metrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, Manifest, SnapshotDetails
from bandit.types import Surface

if TYPE_CHECKING:
    from redis import Redis

STAND_BY_S: Final = 0.5
"""How often a machine that stands by asks for the lease."""

log = structlog.get_logger(__name__)


class SharedCheckpoints(Checkpoints):
    """Checkpoints on this machine's disk, each copied to Redis under the lease."""

    def __init__(
        self, directory: Path, redis: Redis, partition: PartitionNames, lease: RedisLease
    ) -> None:
        super().__init__(directory)
        self._redis: Any = redis
        self._partition = partition
        self._lease = lease

    def adopt(self) -> None:
        """Take over the checkpoint in Redis, if it reaches further than ours.

        Raises:
            LogUnavailableError: Redis does not answer.
            OSError: it cannot be stored here.
        """
        with told_of("the checkpoint"):
            data = self._redis.get(self._partition.checkpoint)
        if data is None:
            return
        try:
            theirs = decode_checkpoint(data)
        except ValueError as error:
            log.error("the checkpoint in Redis cannot be used", why=str(error))  # noqa: TRY400
            return
        own, _ = self.load()
        if own is None or own.position.clock_us < theirs.position.clock_us:
            put_checkpoint(self._directory, data)
            log.info("going on from another machine's checkpoint")

    def save(self, checkpoint: Checkpoint) -> None:
        """Save it here, then there.

        Raises:
            OSError: it cannot be stored here.
            LogUnavailableError: Redis does not answer, or the lease is lost; it is stored here.
        """
        super().save(checkpoint)
        data = self.current()
        with told_of("the checkpoint"):
            self._lease.write(lambda pipeline: pipeline.set(self._partition.checkpoint, data))


class LeasedSnapshots(FileSnapshotStore):
    """Snapshots of this machine, which only the holder of the lease publishes."""

    def __init__(self, config: Config, lease: RedisLease) -> None:
        super().__init__(config.snapshots.directory, snapshot_keys(config))
        self._lease = lease

    def publish(
        self, surface: Surface, arrays: ModelArrays, model: bytes, details: SnapshotDetails
    ) -> Manifest:
        """Publish as ever.

        Raises:
            SnapshotUnavailableError: the lease is not held for sure; it is tried again.
        """
        if not self._lease.is_held:
            raise SnapshotUnavailableError(
                "the right to learn is not held for sure at the moment",
                hint="nothing to do: Redis answers again, or another machine learns",
            )
        return super().publish(surface, arrays, model, details)


class FetchedCatalogs:
    """Catalog versions of any machine: those that are not here come from Redis."""

    def __init__(self, store: CatalogStore, redis: Redis, names: Names) -> None:
        self._store = store
        self._redis = redis
        self._names = names

    def load(self, version: str) -> Catalog:
        """Return a version.

        Raises:
            CatalogError: it is nowhere.
            OSError: it cannot be read now, or Redis does not answer.
        """
        from redis import RedisError

        with suppress(CatalogError):
            return self._store.load(version)
        try:
            fetch(self._store, self._redis, self._names, version)
        except RedisError as error:
            raise OSError(f"catalog {version} cannot be fetched now: {error}") from error
        return self._store.load(version)


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
                _learn(config, clock, metrics, ending, _Parts(redis, names, lease))
        if lease.lost.is_set():
            raise LeaseHeldError(
                "another process learns in this one's place", hint="this one stands by"
            )
    finally:
        redis.close()


class _Parts:
    """What learning in a cluster needs beside the configuration."""

    def __init__(self, redis: Redis, names: Names, lease: RedisLease) -> None:
        self.redis, self.names, self.lease = redis, names, lease
        self.partition = names.partition(0)


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
    config: Config, clock: Clock, metrics: Metrics, ending: threading.Event, parts: _Parts
) -> None:
    catalogs = CatalogStore(config.catalog.directory, config.limits)
    checkpoints = SharedCheckpoints(
        Path(config.learner.directory), parts.redis, parts.partition, parts.lease
    )
    checkpoints.adopt()
    silent_us = to_us(config.cluster.host_silent_s)
    reader = RedisEventReader(parts.redis, parts.partition, clock, silent_us, parts.lease)
    Learner(
        config,
        reader,
        LeasedSnapshots(config, parts.lease),
        FetchedCatalogs(catalogs, parts.redis, parts.names),
        clock,
        metrics,
        CatalogPruning(catalogs, config.log.retention_s).tidy,
        checkpoints=checkpoints,
    ).run(ending)
