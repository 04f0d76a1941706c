"""Checkpoints of a learner of a cluster: on its machine's disk, and in Redis for its successor.

A Redis that is new, or came back empty, holds none. Each machine that may learn offers what it has
then, and that which reaches furthest stays: whoever gets the lease goes on from there. A learner's
own copies reach Redis with the lease alone, so that none of a machine that was cut off replaces a
newer one. They are signed as snapshots are.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import structlog

from bandit.checkpoint import (
    CURRENT_NAME,
    Checkpoint,
    Checkpoints,
    decode_checkpoint,
    encode_checkpoint,
    load_checkpoint,
    put_checkpoint,
)
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import Names, PartitionNames, host_name
from bandit.cluster.places import directory_of
from bandit.cluster.redis_reader import RedisEventReader, told_of
from bandit.cluster.sealing import opened, sealed
from bandit.cluster_learning.dead_letters import SharedDeadLetters
from bandit.cluster_learning.positions import alone, in_cluster, without
from bandit.config.schema import Config
from bandit.errors import LogUnavailableError
from bandit.eventlog.protocol import EventReader
from bandit.keys import KeyRing
from bandit.merge import MergePosition

if TYPE_CHECKING:
    from redis import Redis

_KIND: Final = "checkpoint"
_OFFER: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local best = tonumber(redis.call('HGET', KEYS[2], 'clock') or '-1')
if tonumber(ARGV[1]) <= best then return 0 end
redis.call('HSET', KEYS[2], 'clock', ARGV[1], 'content', ARGV[2])
return 1
"""
"""Leave a checkpoint for whoever learns next, unless somebody learns or one reaches further."""

LOOK_S: Final = 0.1
"""How often it is looked whether Redis was told again."""

log = structlog.get_logger(__name__)


class SharedCheckpoints(Checkpoints):
    """Checkpoints on this machine's disk, each copied to Redis under the lease.

    So is what was set aside meanwhile, in the same transaction. What stood open at a checkpoint is
    read from Redis once more where it is gone back to: a Redis that came back empty must have been
    told of it again before, for which machines are waited for as for silent ones.
    """

    def __init__(
        self,
        directory: Path,
        host: str,
        redis: Redis,
        partition: PartitionNames,
        lease: RedisLease,
        keys: KeyRing,
        dead: SharedDeadLetters,
        reader: RedisEventReader,
        longest_s: float,
    ) -> None:
        """``reader`` is the learner's, and waits no longer than ``longest_s`` for machines."""
        super().__init__(directory)
        self._keys = keys
        self._host = host
        self._redis: Any = redis
        self._partition = partition
        self._lease = lease
        self._dead = dead
        self._reader = reader
        self._longest_s = longest_s
        self._missing_since_s: float | None = None

    def load(self) -> tuple[Checkpoint | None, list[str]]:
        """Return the newest, once what it took is in Redis; see :meth:`wait`.

        Files that are gone, since all of theirs is learned, or with their machine, are let go of.

        Raises:
            LogUnavailableError: Redis does not answer, or was not told of all that again yet.
        """
        found, problems = self._own()
        if found is not None and self._is_missing(found.position):
            raise LogUnavailableError(
                "machines have not told Redis again what was open", hint="nothing to do"
            )
        if found is not None:
            gone = self._reader.gone(found.position.sequences)
            found = msgspec.structs.replace(found, position=without(found.position, gone))
        return found, problems

    def wait(self, ending: threading.Event) -> None:
        """Wait until the newest can be loaded.

        Raises:
            LogUnavailableError: Redis does not answer, or it is time to end.
        """
        found, _ = self._own()
        while found is not None and self._is_missing(found.position):
            if ending.wait(LOOK_S):
                raise LogUnavailableError("it is time to end", hint="nothing to do")

    def _is_missing(self, position: MergePosition) -> bool:
        self._reader.expect(position.sequences, position.clock_us)
        if not self._reader.misses(position.sequences):
            self._missing_since_s = None
            return False
        now_s = time.monotonic()
        if self._missing_since_s is None:
            self._missing_since_s = now_s
        if now_s - self._missing_since_s < self._longest_s:
            return True
        log.warning("learning goes on without open decisions that Redis was not told again")
        return False

    def _own(self) -> tuple[Checkpoint | None, list[str]]:
        """Return the newest; one that was written before there was a cluster is of its log."""
        found, problems = super().load()
        if found is not None:
            position = in_cluster(found.position, self._host)
            found = msgspec.structs.replace(found, position=position)
        return found, problems

    def adopt(self) -> None:
        """Take over the checkpoint in Redis, if it reaches further than ours.

        Raises:
            LogUnavailableError: Redis does not answer.
            OSError: it cannot be stored here.
        """
        with told_of("the checkpoint"):
            data = self._redis.hget(self._partition.checkpoint, b"content")
        if data is None:
            return
        try:
            content = opened(self._keys, _KIND, data)
            theirs = decode_checkpoint(content)
        except ValueError as error:
            log.error("the checkpoint in Redis cannot be used", why=str(error))  # noqa: TRY400
            return
        own, _ = self._own()
        if own is None or own.position.clock_us < theirs.position.clock_us:
            put_checkpoint(self._directory, content)
            log.info("going on from another machine's checkpoint")

    def save(self, checkpoint: Checkpoint) -> None:
        """Save it here, then there.

        Raises:
            OSError: it cannot be stored here.
            LogUnavailableError: the lease is not held for sure, and nothing is stored; or Redis
                does not answer, and it is stored here.
        """
        if not self._lease.is_held:
            # Another may have learned, and trimmed, what this one missed. Stored here it would
            # look like one that reaches further, to be gone on from and offered to others.
            raise LogUnavailableError(
                "the right to learn is not held for sure at the moment: no checkpoint is saved",
                hint="nothing to do: Redis answers again, or another process learns",
            )
        super().save(checkpoint)
        content = sealed(self._keys, _KIND, self.current())
        there = {"clock": checkpoint.position.clock_us, "content": content}

        def put(pipeline: Any) -> None:
            pipeline.hset(self._partition.checkpoint, mapping=there)
            self._dead.put(pipeline)

        with told_of("the checkpoint"):
            self._lease.write(put)
        self._dead.told()


class OwnCheckpoints(Checkpoints):
    """Checkpoints of a machine that is alone; one that it brings from a cluster is of its own log.

    What the cluster had learned of that and not told this machine is learned again.
    """

    def __init__(self, config: Config, reader: EventReader) -> None:
        super().__init__(Path(config.learner.directory))
        self._host = host_name(config.cluster)
        self._reader = reader

    def load(self) -> tuple[Checkpoint | None, list[str]]:
        """Return the newest, as a position in this machine's log.

        Raises:
            LogError: the log cannot be read.
        """
        found, problems = super().load()
        if found is not None and any("/" in spool for spool in found.position.sequences):
            files = {name: self._reader.read(name, 0, 1).file_id for name in self._reader.spools()}
            position = alone(found.position, self._host, files)
            found = msgspec.structs.replace(found, position=position)
        return found, problems


class _Own(NamedTuple):
    """The newest checkpoint of this machine."""

    written_at: int
    clock_us: int
    content: bytes


class CheckpointOffer:
    """Offers this machine's checkpoints while nobody learns: a duty of whoever may."""

    name: Final = "checkpoint"

    def __init__(self, config: Config, keys: KeyRing, redis: Redis) -> None:
        self._host = host_name(config.cluster)
        self._keys = keys
        self._partitions = Names.of(config.cluster).all_partitions()
        self._places = [directory_of(config, number) for number in range(len(self._partitions))]
        self._redis: Any = redis
        self._own: dict[Path, _Own] = {}
        """Each partition's newest here, by its directory."""

    def step(self, now_us: int) -> bool:
        """Offer it, where it is wanted.

        Raises:
            RedisError: Redis does not answer, or refuses.
            OSError: it cannot be read.
        """
        del now_us
        for partition, directory in zip(self._partitions, self._places, strict=True):
            if not self._redis.exists(partition.lease):
                self._offer(partition, directory)
        return False

    def _offer(self, partition: PartitionNames, directory: Path) -> None:
        own = self._newest(directory)
        if own is None:
            return
        self._own[directory] = own
        theirs = self._redis.hget(partition.checkpoint, "clock")
        if theirs is None or int(theirs) < own.clock_us:
            keys = (partition.lease, partition.checkpoint)
            self._redis.eval(_OFFER, len(keys), *keys, own.clock_us, own.content)

    def _newest(self, directory: Path) -> _Own | None:
        """Read a partition's newest, where it is another than before."""
        path = directory / CURRENT_NAME
        if not path.exists():
            return None
        written_at, before = path.stat().st_mtime_ns, self._own.get(directory)
        if before is not None and before.written_at == written_at:
            return before
        found, _ = load_checkpoint(directory)
        if found is None:
            return None
        position = in_cluster(found.position, self._host)
        content = encode_checkpoint(msgspec.structs.replace(found, position=position))
        return _Own(written_at, position.clock_us, sealed(self._keys, _KIND, content))

    def close(self) -> None:
        """Let go of Redis."""
        self._redis.close()
