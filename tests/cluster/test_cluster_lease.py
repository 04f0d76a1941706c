"""The right to learn: one holder at a time, whatever Redis forgets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bandit.cluster.connection import redis_at
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import Names
from bandit.errors import LeaseHeldError, LogUnavailableError
from server.local import wait_until
from tests.server.redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]

PARTITION = Names("marquee").partition(0)
WAIT_S = 30.0
LONG_S = 600.0


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(server: RedisServer) -> Iterator[Any]:
    """A Redis that somebody learned with before."""
    client = redis_at("cluster.redis_url", server.url)
    client.flushall()
    client.set(PARTITION.fence, 7)
    yield client
    client.close()


def lease(redis: Any, holder: str, lease_s: float = LONG_S) -> RedisLease:
    return RedisLease(redis, PARTITION, holder, lease_s)


def put(redis_lease: RedisLease) -> None:
    redis_lease.write(lambda pipeline: pipeline.incr("written"))


def test_one_holds_it_and_alone_may_write(redis: Any) -> None:
    one, other = lease(redis, "a"), lease(redis, "b")
    one.take()
    with pytest.raises(LeaseHeldError, match="a is learning"):
        other.take()
    put(one)
    with pytest.raises(LogUnavailableError, match="not held"):
        put(other)
    one.give_up()
    other.take()
    with pytest.raises(LogUnavailableError, match="not held"):
        put(one)
    put(other)
    assert redis.get("written") == b"2"
    assert redis.get(PARTITION.fence) == b"9"


def test_giving_up_what_another_holds_leaves_it_to_that_one(redis: Any) -> None:
    one, other = lease(redis, "a"), lease(redis, "b")
    one.take()
    redis.delete(PARTITION.lease)
    other.take()
    one.give_up()
    put(other)


def test_what_passed_is_taken_anew_unless_another_held_it_since(redis: Any) -> None:
    one, other = lease(redis, "a"), lease(redis, "b")
    one.take()
    redis.delete(PARTITION.lease)
    one.renew()
    put(one)
    assert one.is_held
    redis.delete(PARTITION.lease)
    other.take()
    other.give_up()
    one.renew()
    assert one.lost.is_set()
    assert not one.is_held
    with pytest.raises(LogUnavailableError):
        put(one)


def test_an_emptied_redis_is_first_for_who_held_it(redis: Any) -> None:
    one, other = lease(redis, "a"), lease(redis, "b")
    one.take()
    redis.flushall()
    with pytest.raises(LeaseHeldError, match="came back empty"):
        other.take()
    one.renew()
    put(one)
    assert not one.lost.is_set()
    with pytest.raises(LeaseHeldError, match="a is learning"):
        other.take()


def test_a_new_redis_is_taken_once_nobody_came_back(redis: Any) -> None:
    redis.flushall()
    first = lease(redis, "a", 0.2)
    refusals = 0

    def is_taken() -> bool:
        nonlocal refusals
        try:
            first.take()
        except LeaseHeldError:
            refusals += 1
            return False
        return True

    wait_until(is_taken, WAIT_S, "the lease")
    assert refusals
    put(first)


def test_it_passes_by_itself_once_nobody_renews_it(redis: Any) -> None:
    one, other = lease(redis, "a", 0.2), lease(redis, "b")
    one.take()

    def is_taken() -> bool:
        try:
            other.take()
        except LeaseHeldError:
            return False
        return True

    wait_until(is_taken, WAIT_S, "the lease to pass")
    assert not one.is_held
    one.renew()
    assert one.lost.is_set()
