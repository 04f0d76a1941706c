"""What this machine's spools may let go of, as the streams tell.

A learner trims from a stream what no checkpoint of its needs. So a spool may let go of what stands
before the first record of its stream in every partition, or of all that the partition is told of
where its stream is empty. Only what Redis is told of counts: one that came back empty is told
nothing yet, and is sent everything again that was not released.

Redis must not evict keys by itself (``maxmemory-policy noeviction``): a stream that it threw away
looks like one that was learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from bandit.cluster.names import Names, Origin, PartitionNames, host_name
from bandit.cluster.wire import FIRST, HostTold, SpoolTold
from bandit.config.schema import Config
from bandit.eventlog.protocol import Learned
from bandit.eventlog.sqlite_reader import SqliteEventReader

if TYPE_CHECKING:
    from redis import Redis

INTERVAL_US: Final = 1_000_000
"""How often it is looked what was learned."""
AT_ANY_TIME_US: Final = 2**62
"""Before it is whatever was learned."""

_told_decoder = msgspec.msgpack.Decoder(HostTold)


class OriginReleases:
    """Tells the writers of this machine's spools what is learned for good: a duty."""

    name: Final = "releases"

    def __init__(self, config: Config, reader: SqliteEventReader, redis: Redis) -> None:
        self._host = host_name(config.cluster)
        self._partitions = Names.of(config.cluster).all_partitions()
        self._reader = reader
        self._redis: Any = redis
        self._looked_at_us: int | None = None

    def step(self, now_us: int) -> bool:
        """Look what is learned, where it is time to.

        Raises:
            RedisError: Redis does not answer.
            OSError: it cannot be written down.
        """
        before_us = self._looked_at_us
        if before_us is not None and 0 <= now_us - before_us < INTERVAL_US:
            return False
        self._looked_at_us = now_us
        learned = [self._learned(partition) for partition in self._partitions]
        before = self._reader.released()
        released = dict(before)
        for place in set[str].intersection(*map(set, learned)):
            spool, file = place.split("/")
            through = min(of[place] for of in learned)
            known = before.get(spool)
            if known is not None and known.file == file:
                through = max(through, known.through)
            released[spool] = Learned(file, through, AT_ANY_TIME_US)
        if released != before:
            self._reader.release(released)
        return False

    def close(self) -> None:
        """Let go of Redis and of the spools."""
        self._redis.close()
        self._reader.close()

    def _learned(self, partition: PartitionNames) -> dict[str, int]:
        """Return up to which sequence a partition needs each file no more."""
        places = list(_spools(self._redis.hget(partition.hosts, self._host)))
        # At one instant: a Redis that comes back empty in between has empty streams as well.
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hget(partition.hosts, self._host)
        for place in places:
            stream = partition.stream(Origin(self._host, *place.split("/")))
            pipeline.xrange(stream, count=1)
        body, *firsts = pipeline.execute()
        told = _spools(body)
        return {
            place: _through(told[place], first)
            for place, first in zip(places, firsts, strict=True)
            if place in told
        }


def _spools(body: bytes | None) -> dict[str, SpoolTold]:
    return {} if body is None else _told_decoder.decode(body).spools


def _through(told: SpoolTold, first: list[tuple[bytes, dict[bytes, bytes]]]) -> int:
    return min(told.through, int(first[0][1][FIRST]) - 1) if first else told.through
