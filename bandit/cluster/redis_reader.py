"""The cluster's log as a learner reads it: one partition, a spool for each origin, out of Redis.

A spool here is one file of one spool of one machine; its records keep the numbers and times that
they have there, so that what was sent twice, or again to a Redis that came back empty, is told
apart by its number alone. Numbers have gaps where records belong to other partitions.

How far each machine is known to be complete is read before the records are, so that no record can
be missed that a horizon promises not to come. A machine that told nothing new for ``silent_us`` is
taken to be complete: learning goes on without it, and what it tells later is taken as late.

**Acknowledging.** What no checkpoint needs any more is trimmed from the streams, and the consumer
group tells how far the learner has come, for ``XINFO GROUPS``. Why no ``XREADGROUP``: the lease
makes one reader a partition, and what it has taken lies in the checkpoint, with the model. A list
of pending entries would be a second, weaker book of the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from bandit.clock import Clock
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import GROUP, Origin, PartitionNames
from bandit.cluster.wire import RECORDS, HostTold, SentRecord, SpoolTold
from bandit.errors import LogDamagedError, LogUnavailableError
from bandit.eventlog.protocol import Learned, SpoolBatch, in_log_order
from bandit.events import DecisionRecord, LoggedRecord, decode_record

if TYPE_CHECKING:
    from redis import Redis

ENTRIES_AT_ONCE: Final = 4
"""Entries of one answer: some hundred decisions of 10 kB each make megabytes."""

RETURN_US: Final = 5_000_000
"""How long a machine at least has to tell something after a reader looks for the first time."""
LISTED_EVERY_US: Final = 1_000_000
"""Most time between two listings that counts as a machine's silence."""

_records_decoder = msgspec.msgpack.Decoder(list[SentRecord])
_told_decoder = msgspec.msgpack.Decoder(HostTold)


class _Entry(NamedTuple):
    """An entry that was read and is not released."""

    last: int
    """The sequence of its last record."""
    last_at_us: int

    def is_released(self, learned: Learned) -> bool:
        """Tell whether nobody needs it any more."""
        return self.last <= learned.through and self.last_at_us < learned.before_us


class _Heard(NamedTuple):
    """What a machine told last."""

    told: HostTold
    silent_us: int
    """For how long nothing newer was seen here, though it was looked for."""


class RedisEventReader:
    """Reads one partition of the cluster's log; releasing it takes the lease on it."""

    def __init__(
        self,
        redis: Redis,
        partition: PartitionNames,
        clock: Clock,
        silent_us: int,
        lease: RedisLease,
    ) -> None:
        self._redis: Any = redis
        self._partition = partition
        self._clock = clock
        self._silent_us = silent_us
        self._lease = lease
        self._heard: dict[str, _Heard] = {}
        """Machine → what it told last, be it that Redis has forgotten it."""
        self._listed_at_us = clock.now_us()
        self._told: dict[str, SpoolTold] = {}
        """Origin → how far it is told, as of the last listing."""
        self._kept: dict[str, deque[_Entry]] = {}
        self._released: dict[str, Learned] = {}

    def spools(self) -> list[str]:
        """Return the names of all origins, sorted; reading goes by what they told at this moment.

        Raises:
            LogUnavailableError: Redis does not answer.
        """
        now_us = self._clock.now_us()
        with told_of("the machines of the cluster"):
            hosts = self._redis.hgetall(self._partition.hosts)
        # While Redis was away nobody could tell anything.
        since_us = min(max(0, now_us - self._listed_at_us), LISTED_EVERY_US)
        self._listed_at_us = now_us
        there = {name.decode(): _host_told(name, body) for name, body in hosts.items()}
        told: dict[str, SpoolTold] = {}
        for host in there.keys() | self._heard.keys():
            heard = self._heard[host] = self._hear(host, there.get(host), since_us, now_us)
            is_silent = heard.silent_us > self._silent_us
            if is_silent and host not in there:
                del self._heard[host]
                continue
            for place, spool in heard.told.spools.items():
                horizon_us = max(spool.horizon_us, now_us) if is_silent else spool.horizon_us
                told[str(Origin(host, *place.split("/")))] = SpoolTold(spool.through, horizon_us)
        self._told = told
        return sorted(told)

    def _hear(self, host: str, told: HostTold | None, since_us: int, now_us: int) -> _Heard:
        """Return what a machine tells now, or told before where Redis knows it no more."""
        before = self._heard.get(host)
        if before is None:
            assert told is not None  # noqa: S101 - one of both knows it
            # Silent for long before this reader was there; it may be about to come back with Redis.
            return _Heard(told, max(0, min(now_us - told.at_us, self._silent_us - RETURN_US)))
        if told is not None and told.at_us != before.told.at_us:
            return _Heard(told, 0)
        return _Heard(told or before.told, before.silent_us + since_us)

    def expect(self, origins: Mapping[str, int], clock_us: int) -> None:
        """Wait for machines as for those that told something, whether or not Redis knows them.

        ``origins`` tells what was read of each of their spools, up to ``clock_us``. A Redis that
        came back empty is told of its machines one after the other.
        """
        spools: dict[str, dict[str, SpoolTold]] = {}
        for name, sequence in origins.items():
            origin = Origin.of(name)
            place = f"{origin.spool}/{origin.file}"
            spools.setdefault(origin.host, {})[place] = SpoolTold(sequence, clock_us)
        for host, of_host in spools.items():
            self._heard.setdefault(host, _Heard(HostTold(0, of_host), 0))

    def misses(self, origins: Mapping[str, int]) -> bool:
        """Tell whether Redis knows less than what was read of the origins, as after a loss.

        Raises:
            LogUnavailableError: Redis does not answer.
        """
        told = self._hosts()
        for name, sequence in origins.items():
            host, spool, file = Origin.of(name)
            known = told[host].get(f"{spool}/{file}") if host in told else SpoolTold(0, 0)
            if known is not None and known.through < sequence:
                return True
        return False

    def gone(self, origins: Mapping[str, int]) -> set[str]:
        """Return those origins of whose file its machine, which is there, tells nothing any more.

        Raises:
            LogUnavailableError: Redis does not answer.
        """
        told = self._hosts()
        return {
            name
            for name in origins
            for host, spool, file in [Origin.of(name)]
            if host in told and f"{spool}/{file}" not in told[host]
        }

    def _hosts(self) -> dict[str, dict[str, SpoolTold]]:
        with told_of("the machines of the cluster"):
            hosts = self._redis.hgetall(self._partition.hosts)
        return {name.decode(): _host_told(name, body).spools for name, body in hosts.items()}

    def read(self, spool: str, after: int, limit: int) -> SpoolBatch:
        """Read up to ``limit`` records; see :meth:`bandit.eventlog.protocol.EventReader.read`.

        Raises:
            LogUnavailableError: Redis does not answer.
        """
        records: list[LoggedRecord] = []
        damaged: list[tuple[int, str]] = []
        last, at_us = after, 0
        full = False
        for sent in self._sent(spool, after):
            if len(records) + len(damaged) == limit:
                full = True
                break
            last, at_us = sent.sequence, max(at_us, sent.at_us)
            try:
                record = decode_record(sent.payload)
            except LogDamagedError as error:
                damaged.append((sent.sequence, error.message))
            else:
                records.append(LoggedRecord(spool, sent.sequence, sent.at_us, record))
        told = self._told.get(spool)
        horizon_us = at_us if full or told is None else max(at_us, told.horizon_us)
        return SpoolBatch(records, horizon_us, damaged, last, Origin.of(spool).file)

    def sequence_before(self, spool: str, at_us: int) -> int:
        """Return the greatest sequence whose time is before ``at_us``, 0 if there is none."""
        before = 0
        for sent in self._sent(spool, 0):
            if sent.at_us >= at_us:
                return before or sent.sequence - 1
            before = sent.sequence
        return before

    def first_at_us(self, spool: str) -> int | None:
        """Return the time of the first record that Redis still holds, None if there is none."""
        return next((sent.at_us for sent in self._sent(spool, 0)), None)

    def release(self, learned: dict[str, Learned]) -> None:
        """Trim what is learned for good from the streams, under the lease.

        Raises:
            LogUnavailableError: Redis does not answer, or the lease is lost.
        """
        due: list[tuple[str, int]] = []
        for spool, one in learned.items():
            entries = self._kept.get(spool)
            through = 0
            while entries and entries[0].is_released(one):
                through = entries.popleft().last
            if through:
                due.append((spool, through))
        if due:
            with told_of("what is learned"):
                self._trim(due)
        self._released = dict(learned)

    def _trim(self, due: Sequence[tuple[str, int]]) -> None:
        streams = [(self._partition.stream(Origin.of(spool)), through) for spool, through in due]

        def write(pipeline: Any) -> None:
            for stream, through in streams:
                pipeline.xtrim(stream, minid=f"{through + 1}-0", approximate=False)
                pipeline.xgroup_setid(stream, GROUP, f"{through}-0")

        for stream, _ in streams:
            self._make_group(stream)
        self._lease.write(write)

    def _make_group(self, stream: str) -> None:
        from redis import ResponseError

        try:
            self._redis.xgroup_create(stream, GROUP, id="0-0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def released(self) -> dict[str, Learned]:
        """Return what was released last by this process."""
        return self._released

    def last_sequence(self, spool: str) -> int:
        """Return the last sequence that Redis was given of the origin, 0 if none is known."""
        told = self._told.get(spool)
        return 0 if told is None else told.through

    def find_decision(self, decision_id: str) -> DecisionRecord | None:
        """Return the decision with this id, the earliest where there are several; reads it all."""
        found = [
            one
            for one in self._everything()
            if isinstance(one.record, DecisionRecord) and one.record.decision_id == decision_id
        ]
        record = min(found, key=in_log_order).record if found else None
        return record if isinstance(record, DecisionRecord) else None

    def known_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of ``keys`` that the partition holds; reads it all."""
        sought = set(keys)
        return {one.record.key for one in self._everything() if one.record.key in sought}

    def close(self) -> None:
        """Let go of Redis."""
        self._redis.close()

    def _everything(self) -> Iterator[LoggedRecord]:
        for spool in self.spools():
            after = 0
            while True:
                batch = self.read(spool, after, 1000)
                yield from batch.records
                if batch.last_sequence == after:
                    break
                after = batch.last_sequence

    def _sent(self, spool: str, after: int) -> Iterator[SentRecord]:
        """Yield what a stream holds above ``after``, each once."""
        stream = self._partition.stream(Origin.of(spool))
        kept = self._kept.setdefault(spool, deque())
        last = after
        while True:
            with told_of(spool):
                found = self._redis.xrange(stream, min=f"{last + 1}-0", count=ENTRIES_AT_ONCE)
            for number, fields in found:
                records = _sent_records(number, fields)
                entry = _Entry(records[-1].sequence, records[-1].at_us)
                if not kept or kept[-1].last < entry.last:
                    kept.append(entry)
                for one in records:
                    # Two senders at once, one of them about to end, may have sent some twice.
                    if one.sequence > last:
                        last = one.sequence
                        yield one
            if len(found) < ENTRIES_AT_ONCE:
                return


def _sent_records(number: bytes, fields: dict[bytes, bytes]) -> list[SentRecord]:
    """Return an entry's records; one that is damaged as a whole stands for one such record."""
    try:
        records = _records_decoder.decode(fields[RECORDS])
    except (KeyError, msgspec.MsgspecError, UnicodeDecodeError):
        records = []
    return records or [SentRecord(int(number.partition(b"-")[0]), 0, b"")]


def _host_told(host: bytes, body: bytes) -> HostTold:
    try:
        return _told_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LogUnavailableError(
            f"what machine {host.decode()} told cannot be read: {error}",
            hint="run the same release on all machines; it tells it anew",
        ) from error


@contextmanager
def told_of(what: str) -> Iterator[None]:
    """Turn errors of Redis into the log's.

    Raises:
        LogUnavailableError: in their place.
    """
    from redis import RedisError

    try:
        yield
    except RedisError as error:
        raise LogUnavailableError(
            f"{what}: Redis does not answer: {error}",
            hint="look at cluster.redis_url and at Redis; nothing is lost meanwhile",
        ) from error
