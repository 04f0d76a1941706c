"""Bytes of what travels and is kept, and what handing it over takes: ``--measure``.

All of it is real: a cluster of one machine with a real Redis is trained on standard pages, and what
it answered, logged and published is weighed. The outcome is written into
:mod:`benchmarks.capacity.inputs` by hand, so that the paper does not change by the hour.
"""

from __future__ import annotations

import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import msgspec

from bandit.clock import WallClock
from bandit.cluster.connection import redis_at
from bandit.cluster.forwarding import Forwarder
from bandit.config.cluster import ClusterConfig
from bandit.config.schema import Config, LogConfig
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import DecisionRecord, FeedbackRecord, Record
from bandit.metrics import NoMetrics
from bandit.policy import Policy
from bandit.types import SURFACES, Page
from benchmarks.cluster.machines import machines
from benchmarks.in_process import learned_pages, serving_of
from benchmarks.pages import standard_catalog
from benchmarks.servers import SEEN_TITLES, encoded, rank_request, train
from server.client import Client
from server.local_cluster import LocalRedis
from server.wire import FeedbackEvent

TITLES: Final = 2500
PARTITIONS: Final = 8
_ID: Final = "0" * 32
_READ_AT_ONCE: Final = 4
_APPENDED_AT_ONCE: Final = 500
_WAIT_S: Final = 60.0


def measure_all(*, quick: bool) -> Iterator[tuple[str, float]]:
    """Measure one thing after the other; give each figure's name and value as it is found."""
    document = standard_catalog(TITLES)
    pages = learned_pages(document, 20 if quick else 100)
    serving, policy = serving_of(document, Config()), Policy(Config())
    now_us = WallClock().now_us()
    records = [
        policy.decide(page, decision_id=f"{number:032x}", now_us=now_us, serving=serving).record
        for number, page in enumerate(pages)
    ]
    yield "record_bytes", _mean(records)
    yield "record_packed_bytes", fmean(len(zlib.compress(_encoded(one), 1)) for one in records)
    yield "event_record_bytes", _mean([_event(number) for number in range(100)])
    yield from _over_http(pages, 3 if quick else 30)
    yield from _forwarding("page", records, 500 if quick else 6_000)
    yield from _forwarding("event", [], 10_000 if quick else 300_000)


def _over_http(pages: Sequence[Page], rounds: int) -> Iterator[tuple[str, float]]:
    """Weigh what a trained service is asked, answers and publishes."""
    yield (
        "request_bytes",
        fmean(len(encoded(rank_request(page, _ID), "msgpack")) for page in pages),
    )
    with machines(standard_catalog(TITLES)) as cluster:
        train(cluster.learner, list(pages) * rounds)
        with Client(cluster.learner.url, deadline_s=10.0) as client:
            answers = [client.rank(rank_request(page)).answer for page in pages]
        yield "answer_bytes", _mean(answers)
        event = FeedbackEvent(
            event_id=_ID,
            decision_id=answers[0].decision_id,
            type="impression",
            title=answers[0].rows[0].titles[0].id,
            row=answers[0].rows[0].id,
            token=answers[0].token,
        )
        yield "event_bytes", float(len(_encoded(event)))
        client_of: Any = redis_at("cluster.redis_url", cluster.redis.url)
        with closing(client_of) as redis:
            served = [_snapshot(redis, surface) for surface in SURFACES]
            yield "catalog_packed_bytes", _catalog_bytes(redis)
        yield "snapshot_packed_bytes", sum(packed for packed, _ in served)
        yield "snapshot_bytes", sum(expanded for _, expanded in served)


def _snapshot(redis: Any, surface: str) -> tuple[float, float]:
    """Return the bytes of a surface's served snapshot, as it lies in Redis and expanded."""
    version = msgspec.json.decode(redis.get(f"{{marquee}}:pointer:{surface}"))["version"]
    files = redis.hgetall(f"{{marquee}}:snapshot:{surface}:{version}").values()
    return sum(map(len, files)), sum(len(zlib.decompress(body)) for body in files)


def _catalog_bytes(redis: Any) -> float:
    version = redis.get("{marquee}:catalog").decode().strip('"')
    return float(redis.strlen(f"{{marquee}}:catalog:{version}"))


def _forwarding(
    name: str, made: Sequence[DecisionRecord], count: int
) -> Iterator[tuple[str, float]]:
    """Hand records over, and read them again: how fast, and what Redis pays."""
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder, LocalRedis() as server:
        log = LogConfig(directory=folder, queue_max=_APPENDED_AT_ONCE * 4)
        config = Config(log=log, cluster=_cluster(server.url))
        clock = WallClock()
        with closing(SqliteEventWriter.open(Path(folder), clock, log, NoMetrics())) as writer:
            for start in range(0, count, _APPENDED_AT_ONCE):
                numbers = range(start, min(count, start + _APPENDED_AT_ONCE))
                writer.append([_record(made, number) for number in numbers]).wait(_WAIT_S)
        redis: Any = redis_at("cluster.redis_url", server.url)
        memory, busy_s = _used(redis)
        with closing(SqliteEventReader(Path(folder), clock)) as reader:
            forwarder = Forwarder(config, reader, redis, NoMetrics())
            began = time.perf_counter()
            while forwarder.step(clock.now_us()):
                pass
            took_s = time.perf_counter() - began
        filled, written_s = _used(redis)
        _read_all(redis)
        read_s = _used(redis)[1]
        forwarder.close()
    yield f"forwarded_{name}s_per_s", count / took_s
    yield f"redis_{name}_bytes", (filled - memory) / count
    yield f"redis_{name}_write_us", (written_s - busy_s) / count * 1e6
    yield f"redis_{name}_read_us", (read_s - written_s) / count * 1e6


def _cluster(url: str) -> ClusterConfig:
    """Events are divided, so that each record is looked into."""
    return ClusterConfig(redis_url=url, host="a", partitions=PARTITIONS)


def _read_all(redis: Any) -> None:
    for stream in redis.scan_iter(_type="stream"):
        after = b"-"
        while entries := redis.xrange(stream, min=after, count=_READ_AT_ONCE):
            after = b"(" + entries[-1][0]


def _used(redis: Any) -> tuple[int, float]:
    """Return Redis' memory in bytes, and the processor time it took so far in seconds."""
    cpu = redis.info("cpu")
    return (
        int(redis.info("memory")["used_memory"]),
        cpu["used_cpu_user"] + cpu["used_cpu_sys"],
    )


def _record(made: Sequence[DecisionRecord], number: int) -> Record:
    if not made:
        return _event(number)
    return msgspec.structs.replace(made[number % len(made)], decision_id=f"{number:032x}")


def _event(number: int) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=f"{number:032x}",
        decision_id=f"{number // SEEN_TITLES:032x}",
        type="impression",
        title=f"title-{number % TITLES}",
        row=f"row-{number % 40}",
    )


def _encoded(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


def _mean(values: Sequence[object]) -> float:
    return fmean(len(_encoded(value)) for value in values)
