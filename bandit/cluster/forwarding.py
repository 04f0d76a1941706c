"""Handing spools to Redis: every record once, in order, by partition.

A step reads what each spool holds beyond what Redis has of it, and hands that over: per partition
one transaction adds the records to the spool's stream and tells how far the spool is told of. What
Redis has, Redis tells: nothing is remembered here over a failure, so that a lost answer, a Redis
that was put back to an earlier state, one that came back empty and another one in its place are one
case. Redis itself refuses a record that its stream holds already, by the entry's id.

What a Redis that came back empty needs is all that no checkpoint has learned: it is sent from where
the spool was released, which the spool still holds (:mod:`bandit.cluster.origin_releases`).

Measured by ``python -m benchmarks.cluster --only forwarding``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bandit.clock import MICROSECONDS
from bandit.cluster.dividing import share_of_record
from bandit.cluster.names import Names, Origin, PartitionNames, host_name
from bandit.cluster.wire import FIRST, RECORDS, HostTold, SentRecord, SpoolTold
from bandit.config.schema import Config
from bandit.errors import LogDamagedError
from bandit.eventlog.sqlite_reader import RawBatch, SqliteEventReader
from bandit.events import is_erased
from bandit.metrics import Metrics

if TYPE_CHECKING:
    from redis import Redis

RECORDS_AT_ONCE: Final = 2_000
"""Most records of a spool that one step reads."""
ENTRY_RECORDS: Final = 250
"""Most records of one entry of a stream."""

_encoder = msgspec.msgpack.Encoder()
_told_decoder = msgspec.msgpack.Decoder(HostTold)


class Forwarder:
    """Hands the spools of this machine to Redis: a duty."""

    name: Final = "forwarding"

    def __init__(
        self,
        config: Config,
        reader: SqliteEventReader,
        redis: Redis,
        metrics: Metrics,
    ) -> None:
        self._host = host_name(config.cluster)
        self._partitions = Names.of(config.cluster).all_partitions()
        self._reader = reader
        self._redis = redis
        self._metrics = metrics
        self._files: dict[str, str] = {}
        """Spool → the id of its file, as read last."""

    def step(self, now_us: int) -> bool:
        """Hand over what is new; return whether there is more.

        Raises:
            RedisError: Redis does not answer, or refuses.
            LogDamagedError: a spool is damaged; that is told once the others are handed over.
            LogError: a spool cannot be read now.
        """
        told = [self._told(self._redis, partition) for partition in self._partitions]
        read: dict[str, RawBatch] = {}
        more, damage = False, None
        for spool in self._reader.spools():
            try:
                batch, is_full = self._read(spool, told)
            except LogDamagedError as error:
                damage = error
                continue
            read[_place(spool, batch)] = batch
            more |= is_full
        divided = divide(read, len(self._partitions))
        sent = 0
        for partition, before, records in zip(self._partitions, told, divided, strict=True):
            sent += self._send(partition, before, read, records, now_us)
        self._tell(read, sent, now_us)
        if damage is not None and not more:
            raise damage
        return more

    def close(self) -> None:
        """Let go of Redis and of the spools."""
        self._redis.close()
        self._reader.close()

    def _told(self, redis: Redis, partition: PartitionNames) -> dict[str, SpoolTold]:
        """Return how far Redis is told of each file of this machine's."""
        body: Any = redis.hget(partition.hosts, self._host)
        return {} if body is None else _told_decoder.decode(body).spools

    def _read(self, spool: str, told: Sequence[Mapping[str, SpoolTold]]) -> tuple[RawBatch, bool]:
        """Read on where the partition stands that is told least of; return whether it was all."""
        file_id = self._files.get(spool) or self._reader.read_raw(spool, 0, 1).file_id
        after = self._after(spool, file_id, told)
        batch = self._reader.read_raw(spool, after, RECORDS_AT_ONCE)
        if batch.file_id != file_id:
            # Another file stands in its place by now.
            after = self._after(spool, batch.file_id, told)
            batch = self._reader.read_raw(spool, after, RECORDS_AT_ONCE)
        self._files[spool] = batch.file_id
        return batch, batch.last_sequence - after >= RECORDS_AT_ONCE

    def _after(self, spool: str, file_id: str, told: Sequence[Mapping[str, SpoolTold]]) -> int:
        known = [one.get(f"{spool}/{file_id}") for one in told]
        if all(known):
            return min(one.through for one in known if one is not None)
        # Redis knows nothing of it, or no more: it needs what was not learned, and what is learned
        # and still open, as a machine tells by its time that was alone before.
        learned = self._reader.released().get(spool)
        if learned is None or learned.file != file_id:
            return 0
        return min(learned.through, self._reader.sequence_before(spool, learned.before_us))

    def _send(
        self,
        partition: PartitionNames,
        before: Mapping[str, SpoolTold],
        read: Mapping[str, RawBatch],
        records: Mapping[str, list[SentRecord]],
        now_us: int,
    ) -> int:
        """Hand a partition its records and tell it how far it is told, in one transaction.

        Only a Redis that is still told of what ``before`` says is told more. Another one, as one
        that came back empty meanwhile, would take what it lacks for learned.
        """
        from redis import WatchError

        streams = {
            place: partition.stream(Origin(self._host, *place.split("/")))
            for place in before.keys() | read.keys()
        }
        pipeline: Any = self._redis.pipeline(transaction=True)
        try:
            # From here on one connection is used, which a Redis that goes away takes with it. The
            # fence stands for a partition without streams; the hosts change all the time.
            pipeline.watch(partition.fence, *streams.values())
            if self._told(pipeline, partition) != before:
                return 0
            spools = {
                # A file that another one stands in for, or none: nothing will be added to it.
                place: SpoolTold(before[place].through, now_us)
                for place in before.keys() - read.keys()
                if pipeline.xlen(streams[place])
            }
            pipeline.multi()
            sent = 0
            for place, batch in read.items():
                known = before[place].through if place in before else 0
                new = [one for one in records[place] if one.sequence > known]
                _add(pipeline, streams[place], new)
                sent += len(new)
                spools[place] = SpoolTold(max(known, batch.last_sequence), batch.horizon_us)
            told = _encoder.encode(HostTold(now_us, spools))
            pipeline.hset(partition.hosts, self._host, told)
            pipeline.execute()
        except WatchError:
            return 0
        finally:
            pipeline.reset()
        return sent

    def _tell(self, read: Mapping[str, RawBatch], sent: int, now_us: int) -> None:
        if sent:
            self._metrics.count("marquee_cluster_forwarded_records_total", by=sent)
        oldest_us = min((batch.horizon_us for batch in read.values()), default=now_us)
        lag_s = max(0, now_us - oldest_us) / MICROSECONDS
        self._metrics.set("marquee_cluster_forward_lag_seconds", to=lag_s)


def divide(read: Mapping[str, RawBatch], partitions: int) -> list[dict[str, list[SentRecord]]]:
    """Return each partition's records by place, those that were erased left out."""
    divided: list[dict[str, list[SentRecord]]] = [
        {place: [] for place in read} for _ in range(partitions)
    ]
    for place, batch in read.items():
        parts = [one[place] for one in divided]
        for sequence, at_us, payload in batch.rows:
            if not is_erased(payload):
                part = parts[share_of_record(payload, partitions)]
                part.append(SentRecord(sequence, at_us, payload))
    return divided


def _add(pipeline: Any, stream: str, records: Sequence[SentRecord]) -> None:
    for start in range(0, len(records), ENTRY_RECORDS):
        some = records[start : start + ENTRY_RECORDS]
        pipeline.xadd(stream, _entry(some), id=f"{some[-1].sequence}-0")


def _place(spool: str, batch: RawBatch) -> str:
    return f"{spool}/{batch.file_id}"


def _entry(records: Sequence[SentRecord]) -> dict[bytes, bytes | int]:
    return {
        FIRST: records[0].sequence,
        RECORDS: _encoder.encode(records),
    }
