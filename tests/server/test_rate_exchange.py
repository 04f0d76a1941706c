"""Limits that several processes hold together through a real Redis, and what its faults cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from bandit.clock import MICROSECONDS, ManualClock
from bandit.metrics import MetricName, NoMetrics
from server.errors import RateLimitedError
from server.local import wait_until
from server.rate_exchange import redis_at
from server.rate_limits import RateLimiter
from server.rate_windows import Limit
from tests.server.redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]

WAIT_S = 30.0
HOUR = Limit(60, 3600 * MICROSECONDS)
"""A window that does not end within a test."""


class CountingMetrics(NoMetrics):
    """Keeps the counts."""

    def __init__(self) -> None:
        self.counts: Counter[MetricName] = Counter()

    def count(self, name: MetricName, *_labels: str, by: float = 1) -> None:
        self.counts[name] += int(by)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def process(redis: RedisServer) -> Iterator[Callable[[], RateLimiter]]:
    """Return what makes one more process's limits, three of which share them."""
    opened: list[RateLimiter] = []
    clock = ManualClock(1_700_000_000 * MICROSECONDS)

    def open_one() -> RateLimiter:
        limiter = RateLimiter(
            {"client": HOUR},
            parts=3,
            clock=clock,
            metrics=CountingMetrics(),
            redis_url=redis.url,
        )
        opened.append(limiter)
        return limiter

    yield open_one
    for limiter in opened:
        limiter.close()


def asked(limiter: RateLimiter, times: int, who: str = "k") -> int:
    """Ask so often at once; return how often it was granted."""
    count = 0
    for _ in range(times):
        try:
            limiter.admit("client", who)
        except RateLimitedError:
            continue
        count += 1
    return count


def shares(limiter: RateLimiter) -> None:
    wait_until(lambda: limiter.is_shared, WAIT_S, "the first exchange")


def in_redis(redis: RedisServer) -> int:
    """Return the sum of all numbers."""
    client = redis_at(redis.url)
    try:
        return sum(int(client.get(name) or 0) for name in client.keys("marquee:*"))
    finally:
        client.close()


def test_what_one_granted_the_others_know(
    redis: RedisServer, process: Callable[[], RateLimiter]
) -> None:
    first, second = process(), process()
    shares(first)
    shares(second)
    # The whole limit is anybody's, not a part of it.
    assert asked(first, 50) == 50
    wait_until(lambda: in_redis(redis) == 50, WAIT_S, "the first one's telling")
    granted = 0

    def is_full() -> bool:
        nonlocal granted
        taken = asked(second, 1)
        granted += taken
        return taken == 0

    wait_until(is_full, WAIT_S, "the second one's being told")
    # It grants what is left, and a little more before it is told; alone it would grant all.
    assert HOUR.most - 50 <= granted < HOUR.most
    assert asked(second, 30) == 0
    assert asked(second, 30, "another key") == 30


def test_keys_are_not_told_to_redis(redis: RedisServer, process: Callable[[], RateLimiter]) -> None:
    limiter = process()
    shares(limiter)
    asked(limiter, 5, "s3cret")
    wait_until(lambda: in_redis(redis) == 5, WAIT_S, "the telling")
    names = redis.command("KEYS", "*")
    assert b"marquee:default:client:60:3600:" in names
    assert b"s3cret" not in names


def test_numbers_in_redis_do_not_stay(
    redis: RedisServer, process: Callable[[], RateLimiter]
) -> None:
    limiter = process()
    shares(limiter)
    asked(limiter, 5)
    wait_until(lambda: in_redis(redis) == 5, WAIT_S, "the telling")
    client = redis_at(redis.url)
    assert {3600 < client.ttl(name) <= 2 * 3600 + 60 for name in client.keys("*")} == {True}
    client.close()


def fall_alone(limiter: RateLimiter) -> None:
    def is_alone() -> bool:
        asked(limiter, 1, "a probe")
        return not limiter.is_shared

    wait_until(is_alone, WAIT_S, "counting alone")


@pytest.mark.parametrize("fault", ["killed", "hung", "read-only"])
def test_where_redis_fails_each_counts_its_part_and_is_back_with_it(
    redis: RedisServer, process: Callable[[], RateLimiter], fault: str
) -> None:
    limiter = process()
    shares(limiter)
    if fault == "killed":
        redis.kill()
    elif fault == "hung":
        redis.pause()
    else:
        redis.command("CONFIG", "SET", "maxmemory", "1")
    fall_alone(limiter)
    assert asked(limiter, 50) == HOUR.part(3)
    if fault == "killed":
        redis.start()
    elif fault == "hung":
        redis.go_on()
    else:
        redis.command("CONFIG", "SET", "maxmemory", "0")
    wait_until(lambda: limiter.is_shared, WAIT_S, "Redis again")
    # What was granted alone counts, also where Redis has forgotten all.
    total = asked(limiter, 50)
    assert total == HOUR.most - HOUR.part(3)


def test_a_redis_that_never_was_is_no_hindrance() -> None:
    metrics = CountingMetrics()
    limiter = RateLimiter(
        {"client": HOUR},
        parts=3,
        clock=ManualClock(1_700_000_000 * MICROSECONDS),
        metrics=metrics,
        redis_url="redis://127.0.0.1:1/0",
    )
    assert asked(limiter, 50) == HOUR.part(3)
    wait_until(
        lambda: metrics.counts["marquee_rate_limit_store_failures_total"], WAIT_S, "a failure"
    )
    assert not limiter.is_shared
    limiter.close()


def test_no_address_can_make_redis_slow_to_give_up() -> None:
    client = redis_at("redis://127.0.0.1:1/0?socket_timeout=60&retry_on_timeout=yes")
    settings = client.connection_pool.connection_kwargs
    assert settings["socket_timeout"] == settings["socket_connect_timeout"] == 0.05
    assert settings["retry_on_timeout"] is False
    assert settings["retry"].get_retries() == 0
    client.close()
