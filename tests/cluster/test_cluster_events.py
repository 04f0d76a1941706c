"""Events on their way through a real Redis: each once, in order, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import ConnectionError as RedisConnectionError
from redis.client import Pipeline

from bandit.clock import ManualClock, to_us
from bandit.cluster.connection import redis_at
from bandit.cluster.forwarding import Forwarder
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import GROUP, Names, Origin, partition_of
from bandit.cluster.origin_releases import OriginReleases
from bandit.cluster.redis_reader import RedisEventReader
from bandit.config.cluster import ClusterConfig
from bandit.config.schema import Config, LogConfig
from bandit.errors import LogDamagedError, LogUnavailableError
from bandit.eventlog.protocol import Learned
from bandit.eventlog.sqlite_reader import RawBatch, SqliteEventReader
from bandit.eventlog.sqlite_schema import spool_path
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import FeedbackRecord
from bandit.metrics import NoMetrics
from tests.server.redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]

WAIT_S = 30.0
SILENT_S = 60.0
START_US = to_us(1_700_000_000)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def event(name: str) -> FeedbackRecord:
    return FeedbackRecord(event_id=name, decision_id=name, type="click", title="t")


class Host:
    """One machine's log, and the agent's part of it."""

    def __init__(self, redis: RedisServer, directory: Path, name: str, partitions: int = 1) -> None:
        self.clock = ManualClock(START_US)
        self.name = name
        log = LogConfig(directory=str(directory), heartbeat_s=1000.0)
        cluster = ClusterConfig(redis_url=redis.url, host=name, partitions=partitions)
        config = Config(log=log, cluster=cluster)
        self._writer = SqliteEventWriter.open(directory, self.clock, log, NoMetrics())
        self.reader = SqliteEventReader(directory, self.clock)
        self.client = redis_at("cluster.redis_url", redis.url)
        self.forwarder = Forwarder(config, self.reader, self.client, NoMetrics())
        self.releases = OriginReleases(config, self.reader, self.client)

    def feed(self, *names: str) -> None:
        self.clock.advance_s(0.001)
        self._writer.append([event(name) for name in names]).wait(WAIT_S)

    def forward(self) -> None:
        while self.forwarder.step(self.clock.now_us()):
            pass

    def release(self) -> None:
        self.clock.advance_s(2)
        self.releases.step(self.clock.now_us())

    def close(self) -> None:
        self.forwarder.close()
        self._writer.close()


class Site:
    """Machines and the learner of one partition."""

    def __init__(
        self, redis: RedisServer, directory: Path, *hosts: str, partitions: int = 1
    ) -> None:
        redis.command("FLUSHALL")
        self.redis = redis
        self.hosts = [Host(redis, directory / name, name, partitions) for name in hosts]
        self.names = Names("marquee", partitions)
        self.readers = [self.reader(number) for number in range(partitions)]

    def reader(self, number: int = 0) -> RedisEventReader:
        client = redis_at("cluster.redis_url", self.redis.url)
        partition = self.names.partition(number)
        # Not a Redis that came back empty, of which another one may hold the lease.
        client.set(partition.fence, 0)
        lease = RedisLease(client, partition, "test", 60.0)
        lease.take()
        clock = self.hosts[0].clock
        return RedisEventReader(client, partition, clock, to_us(SILENT_S), lease)

    def close(self) -> None:
        for host in self.hosts:
            host.close()
        for reader in self.readers:
            reader.close()


@contextmanager
def site_of(
    redis: RedisServer, directory: Path, *hosts: str, partitions: int = 1
) -> Iterator[Site]:
    site = Site(redis, directory, *hosts, partitions=partitions)
    try:
        yield site
    finally:
        site.close()


def events(reader: RedisEventReader, spool: str, after: int = 0, limit: int = 1000) -> list[str]:
    """Return the ids of a spool's events, read to the end."""
    found: list[str] = []
    while True:
        batch = reader.read(spool, after, limit)
        found += [
            one.record.event_id for one in batch.records if isinstance(one.record, FeedbackRecord)
        ]
        if batch.last_sequence == after:
            return found
        after = batch.last_sequence


def test_records_keep_numbers_and_times_and_the_horizon_follows(
    redis: RedisServer, tmp_path: Path
) -> None:
    with site_of(redis, tmp_path, "a", "b") as site:
        a, b = site.hosts
        a.feed("1", "2")
        b.feed("3")
        a.forward()
        b.forward()
        (reader,) = site.readers
        first, second = reader.spools()
        assert [Origin.of(first).host, Origin.of(second).host] == ["a", "b"]
        batch, own = reader.read(first, 0, 10), a.reader.read("spool-000", 0, 10)
        assert [(one.sequence, one.at_us, one.record) for one in batch.records] == [
            (one.sequence, one.at_us, one.record) for one in own.records
        ]
        assert batch.horizon_us == own.horizon_us
        assert batch.file_id == own.file_id
        assert (reader.last_sequence(first), reader.last_sequence(second)) == (2, 1)
        assert reader.read(first, 0, 1).last_sequence == 1
        assert reader.read(first, 0, 1).horizon_us == own.records[0].at_us
        assert events(reader, first, after=1) == ["2"]
        assert events(reader, first, limit=1) == ["1", "2"]
        assert reader.known_keys(["f:1", "f:3", "f:4"]) == {"f:1", "f:3"}
        assert reader.sequence_before(first, own.records[1].at_us) == 1
        assert reader.first_at_us(first) == own.records[0].at_us


@settings(max_examples=40)
@given(
    acts=st.lists(
        st.sampled_from(["feed", "feed many", "forward", "lose an answer", "empty", "stale"]),
        max_size=14,
    ),
    partitions=st.sampled_from([1, 3]),
)
def test_each_record_is_there_once_and_in_order_whatever_happens(
    redis: RedisServer, tmp_path_factory: pytest.TempPathFactory, acts: list[str], partitions: int
) -> None:
    """Nothing is released here, so that a Redis that was emptied is given everything again."""
    directory = tmp_path_factory.mktemp("site")
    with site_of(redis, directory, "a", partitions=partitions) as site:
        (host,) = site.hosts
        fed: list[str] = []
        for number, act in enumerate(acts):
            if act.startswith("feed"):
                names = [f"{number}-{each}" for each in range(300 if "many" in act else 1)]
                host.feed(*names)
                fed += names
            elif act == "forward":
                host.forward()
            elif act == "lose an answer":
                lose_the_answer(host)
            elif act == "empty":
                redis.command("FLUSHALL")
            else:
                send_what_another_sent(host)
        host.forward()
        found = []
        for partition, reader in enumerate(site.readers):
            part = [name for spool in reader.spools() for name in events(reader, spool, limit=70)]
            assert part == [name for name in fed if partition_of(name, partitions) == partition]
            found += part
        assert sorted(found) == sorted(fed)


def lose_the_answer(host: Host) -> None:
    """Have Redis do what it is asked for, and its answer get lost."""

    class Losing(Pipeline):
        def execute(self, raise_on_error: bool = True) -> list[Any]:
            super().execute(raise_on_error)
            raise RedisConnectionError("lost")

    def losing(transaction: bool = True) -> Pipeline:
        pool = host.client.connection_pool
        return Losing(pool, host.client.response_callbacks, transaction, None)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(host.client, "pipeline", losing)
        with pytest.raises(RedisConnectionError):
            host.forward()


def send_what_another_sent(host: Host) -> None:
    """Send beside another sender of this machine, who was first with all of it."""
    with before_sending(host, host.forward):
        host.forwarder.step(host.clock.now_us())


@contextmanager
def before_sending(host: Host, act: Callable[[], object]) -> Iterator[None]:
    """Have something happen once, between what Redis tells a sender and what it sends."""
    read = host.reader.read_raw

    def reading(spool: str, after: int, limit: int) -> RawBatch:
        patched.undo()
        act()
        return read(spool, after, limit)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(host.reader, "read_raw", reading)
        yield


def test_a_redis_that_comes_back_empty_amid_sending_is_not_taken_to_know_the_rest(
    redis: RedisServer, tmp_path: Path
) -> None:
    with site_of(redis, tmp_path, "a") as site:
        (host,) = site.hosts
        (reader,) = site.readers
        host.feed("1", "2")
        host.forward()
        host.feed("3")
        with before_sending(host, lambda: redis.command("FLUSHALL")):
            host.forwarder.step(host.clock.now_us())
        host.forward()
        (spool,) = reader.spools()
        assert events(reader, spool) == ["1", "2", "3"]


def test_a_redis_that_comes_back_empty_amid_a_look_at_it_releases_nothing(
    redis: RedisServer, tmp_path: Path
) -> None:
    with site_of(redis, tmp_path, "a") as site:
        (host,) = site.hosts
        host.feed("1", "2")
        host.forward()
        ask = host.client.hget

        def asking(name: str, key: str) -> Any:
            found = ask(name, key)
            redis.command("FLUSHALL")
            return found

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(host.client, "hget", asking)
            host.release()
        assert "spool-000" not in host.reader.released()


def test_a_damaged_spool_is_told_and_holds_up_none_of_the_others(
    redis: RedisServer, tmp_path: Path
) -> None:
    with site_of(redis, tmp_path, "a") as site:
        (host,) = site.hosts
        (reader,) = site.readers
        spool_path(tmp_path / "a", "spool-001").write_bytes(b"no spool" * 1000)
        host.feed("1")
        with pytest.raises(LogDamagedError):
            host.forward()
        (spool,) = reader.spools()
        assert events(reader, spool) == ["1"]


def test_what_is_released_is_trimmed_and_the_origin_may_let_it_go(
    redis: RedisServer, tmp_path: Path
) -> None:
    with site_of(redis, tmp_path, "a", partitions=2) as site:
        (host,) = site.hosts
        names = [str(number) for number in range(40)]
        for name in names:
            host.feed(name)
            host.forward()
        for reader in site.readers:
            (spool,) = reader.spools()
            events(reader, spool)
        host.release()
        assert host.reader.released()["spool-000"].through == 0
        first, second = site.readers
        (spool,) = first.spools()
        file = Origin.of(spool).file
        first.release({spool: Learned(file, 40, 2**62)})
        host.release()
        kept = host.reader.released()["spool-000"].through
        needed = [n for n in names if partition_of(n, 2) == 1]
        assert kept == int(needed[0]), "the other partition still needs its first"
        assert events(first, spool) == []
        second.release({spool: Learned(file, int(needed[3]) + 1, 2**62)})
        assert events(second, spool) == needed[4:]
        host.release()
        assert host.reader.released()["spool-000"].through == int(needed[4])
        groups = host.client.xinfo_groups(site.names.partition(1).stream(Origin.of(spool)))
        assert [one["name"].decode() for one in groups] == [GROUP]
        assert groups[0]["last-delivered-id"].decode() == f"{int(needed[3]) + 1}-0"


def test_an_emptied_redis_gets_what_was_not_learned_and_releases_nothing(
    redis: RedisServer, tmp_path: Path
) -> None:
    with site_of(redis, tmp_path, "a") as site:
        (host,) = site.hosts
        (reader,) = site.readers
        for name in "abcde":
            host.feed(name)
            host.forward()
        (spool,) = reader.spools()
        events(reader, spool)
        reader.release({spool: Learned(Origin.of(spool).file, 3, 2**62)})
        host.release()
        redis.command("FLUSHALL")
        host.release()
        assert host.reader.released()["spool-000"].through == 3
        host.forward()
        host.release()
        assert host.reader.released()["spool-000"].through == 3
        assert events(reader, spool) == ["d", "e"]


def test_what_is_still_needed_by_its_time_stays(redis: RedisServer, tmp_path: Path) -> None:
    with site_of(redis, tmp_path, "a") as site:
        (host,) = site.hosts
        (reader,) = site.readers
        for name in "abc":
            host.feed(name)
            host.forward()
        (spool,) = reader.spools()
        times = [one.at_us for one in reader.read(spool, 0, 10).records]
        reader.release({spool: Learned(Origin.of(spool).file, 3, times[1])})
        assert events(reader, spool) == ["b", "c"]


def test_a_silent_machine_is_waited_for_only_so_long(redis: RedisServer, tmp_path: Path) -> None:
    with site_of(redis, tmp_path, "a") as site:
        (host,) = site.hosts
        (reader,) = site.readers
        host.feed("1")
        host.forward()
        (spool,) = reader.spools()
        told_us = reader.read(spool, 1, 10).horizon_us

        def look_for(seconds: int) -> int:
            for _ in range(seconds):
                host.clock.advance_s(1)
                reader.spools()
            return reader.read(spool, 1, 10).horizon_us

        # Nobody looked for it, as while Redis is away.
        host.clock.advance_s(2 * SILENT_S)
        reader.spools()
        assert look_for(int(SILENT_S) - 2) == told_us
        assert look_for(3) == host.clock.now_us()
        host.forward()
        reader.spools()
        assert look_for(int(SILENT_S) - 2) < host.clock.now_us()


def test_a_redis_that_is_away_is_told_as_the_log_being_away(
    redis: RedisServer, tmp_path: Path
) -> None:
    with site_of(redis, tmp_path, "a") as site:
        (reader,) = site.readers
        host = site.hosts[0]
        host.feed("1")
        host.forward()
        (spool,) = reader.spools()
        redis.kill()
        try:
            with pytest.raises(LogUnavailableError, match="Redis"):
                reader.spools()
            with pytest.raises(LogUnavailableError, match="Redis"):
                reader.read(spool, 0, 10)
        finally:
            redis.start()
