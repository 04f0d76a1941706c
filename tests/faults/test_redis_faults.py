"""Redis down, hung, refusing writes or restarted empty, under a service whose limits it counts.

Failure case 19. Redis is the real one; it counts for rate limits and nothing else. No request
waits for it, so that the faults begin and end while pages are asked for, and pages take no longer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from server.local import LocalServer, wait_until
from tests.faults.callers import metrics
from tests.faults.latencies import Compared, check, p99_ms
from tests.server.redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]

WAIT_S = 60.0
KEY = "a-client-key-of-a-test-0123456789"
ADMIN_KEY = "an-admin-key-of-a-test-0123456789"
SLOWER_BY_MS_MAX = 5.0


class Run(NamedTuple):
    """A service that counts by Redis."""

    url: str
    redis: RedisServer

    def failures(self) -> float:
        """Return how often Redis took no counts."""
        told = metrics(self.url, api_key=ADMIN_KEY)
        return told.get("marquee_rate_limit_store_failures_total", 0.0)

    def rank(self) -> float:
        """Have some pages ranked; return their p99 in milliseconds."""
        port = urlsplit(self.url).port
        assert port is not None
        return p99_ms(port, KEY)

    def counts_in_redis(self) -> int:
        """Return how many numbers Redis holds."""
        return int(self.redis.command("DBSIZE").strip().removeprefix(b":"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    directory: Path = tmp_path_factory.mktemp("service")
    with redis_server() as redis:
        keys = {"client": KEY, "admin": ADMIN_KEY}
        for role, key in keys.items():
            (directory / role).write_text(f"{key}\n")
        settings = {
            "MARQUEE__SERVER__WORKERS": "2",
            "MARQUEE__SERVER__DRAIN_S": "0",
            "MARQUEE__SERVER__LOG_LEVEL": "warning",
            "MARQUEE__AUTH__CLIENT_KEYS_FILE": str(directory / "client"),
            "MARQUEE__AUTH__ADMIN_KEYS_FILE": str(directory / "admin"),
            "MARQUEE__RATE_LIMITS__CLIENT": "1000000/minute",
            "MARQUEE__RATE_LIMITS__REDIS_URL": redis.url,
        }
        with LocalServer(directory, settings=settings) as server:
            yield Run(server.url, redis)


@contextmanager
def down(redis: RedisServer) -> Iterator[None]:
    redis.kill()
    yield
    # It comes back empty.
    redis.start()


@contextmanager
def hung(redis: RedisServer) -> Iterator[None]:
    redis.pause()
    yield
    redis.go_on()


@contextmanager
def without_memory(redis: RedisServer) -> Iterator[None]:
    redis.command("CONFIG", "SET", "maxmemory", "1")
    yield
    redis.command("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def read_only(redis: RedisServer) -> Iterator[None]:
    redis.command("REPLICAOF", "127.0.0.1", "1")
    yield
    redis.command("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize("fault", [down, hung, without_memory, read_only])
def test_no_page_waits_for_redis_and_counting_goes_on_once_it_is_back(
    run: Run, fault: Callable[[RedisServer], AbstractContextManager[None]]
) -> None:
    run.rank()
    wait_until(run.counts_in_redis, WAIT_S, "counts in Redis")
    before = run.failures()
    # Every answer is 201: else the turn itself fails.
    check(run.rank, functools.partial(fault, run.redis), is_no_slower)
    with fault(run.redis):
        wait_until(lambda: ranked(run) and run.failures() > before, WAIT_S, "a failure told")
    run.redis.command("FLUSHALL")
    assert run.counts_in_redis() == 0
    wait_until(lambda: ranked(run) and run.counts_in_redis() > 0, WAIT_S, "counts in Redis again")


def ranked(run: Run) -> bool:
    return run.rank() > 0


def is_no_slower(found: Compared) -> bool:
    return found.beset_ms < found.calm_ms + SLOWER_BY_MS_MAX
