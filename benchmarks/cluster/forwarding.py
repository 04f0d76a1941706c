"""Records a second from a machine's spools into Redis: feedback events, and whole pages."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from bandit.clock import WallClock
from bandit.cluster.connection import redis_at
from bandit.cluster.forwarding import Forwarder
from bandit.config.cluster import ClusterConfig
from bandit.config.schema import Config, LogConfig
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import FeedbackRecord, Record
from bandit.metrics import NoMetrics
from benchmarks.figures import Board, Target
from server.local_cluster import LocalRedis

WANTED: Final = Target("≥", 50_000.0)
SPOOLS: Final = 3
PARTITIONS: Final = 4
_AT_ONCE: Final = 500
_WAIT_S: Final = 60.0


def measure_forwarding(board: Board, *, quick: bool) -> None:
    """Fill spools, then hand all of it over in one go."""
    count = 20_000 if quick else 600_000
    how = (
        f"{count:,} feedback events of {SPOOLS} spools, one process, real Redis on the same "
        f"{os.cpu_count()} cores"
    )
    took_s, entries_bytes = _forward(_event, count, 1)
    board.add("cluster_forwarding_events_per_s", count / took_s, "/s", how, WANTED)
    board.add("cluster_redis_bytes_per_event", entries_bytes / count, "B", how)
    took_s, _ = _forward(_event, count, PARTITIONS)
    divided = f"divided among {PARTITIONS} partitions; {how}"
    board.add("cluster_forwarding_divided_events_per_s", count / took_s, "/s", divided, WANTED)


def _event(number: int) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=f"{number:032x}",
        decision_id=f"{number // 20:032x}",
        type="impression",
        title=f"t{number % 2500}",
        row=f"r{number % 40}",
    )


def _forward(make: Callable[[int], Record], count: int, partitions: int) -> tuple[float, int]:
    """Return how long handing over took, in seconds, and what it takes in Redis, in bytes."""
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as name, LocalRedis() as redis:
        log = LogConfig(directory=name, queue_max=_AT_ONCE * 4)
        cluster = ClusterConfig(redis_url=redis.url, host="a", partitions=partitions)
        config = Config(log=log, cluster=cluster)
        directory, clock = Path(name), WallClock()
        writers = [
            SqliteEventWriter.open(directory, clock, log, NoMetrics()) for _ in range(SPOOLS)
        ]
        for start in range(0, count, _AT_ONCE):
            records = [make(number) for number in range(start, min(count, start + _AT_ONCE))]
            writers[start // _AT_ONCE % SPOOLS].append(records).wait(_WAIT_S)
        client = redis_at("cluster.redis_url", redis.url)
        before = _used(client)
        with closing(SqliteEventReader(directory, clock)) as reader:
            forwarder = Forwarder(config, reader, client, NoMetrics())
            began = time.perf_counter()
            while forwarder.step(clock.now_us()):
                pass
            took_s = time.perf_counter() - began
            used = _used(client) - before
            forwarder.close()
        _close(writers)
    return took_s, used


def _used(client: object) -> int:
    from redis import Redis

    assert isinstance(client, Redis)
    return int(client.info("memory")["used_memory"])


def _close(writers: Sequence[SqliteEventWriter]) -> None:
    for writer in writers:
        writer.close()
