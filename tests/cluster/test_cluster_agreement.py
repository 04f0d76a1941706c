"""Machines that do not fit together say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bandit.clock import to_us
from bandit.cluster.agreement import Agreement
from bandit.cluster.connection import redis_at
from bandit.config.cluster import ClusterConfig
from bandit.config.schema import Config
from bandit.errors import MachineConflictError
from tests.server.redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]

START_US = to_us(1_700_000_000)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def agreement(server: RedisServer, host: str, partitions: int = 1) -> Agreement:
    cluster = ClusterConfig(redis_url=server.url, host=host, partitions=partitions)
    return Agreement(Config(cluster=cluster), redis_at("cluster.redis_url", server.url))


def at(seconds: float) -> int:
    return START_US + to_us(seconds)


def test_machines_that_fit_find_nothing(server: RedisServer) -> None:
    server.command("FLUSHALL")
    a, b = agreement(server, "a"), agreement(server, "b")
    for second in range(4):
        a.step(at(second))
        b.step(at(second))
    # Started anew, it is no namesake of its run before.
    again = agreement(server, "a")
    for second in range(4, 8):
        again.step(at(second))
    for one in (a, b, again):
        one.close()


def test_two_of_one_name_find_each_other_until_one_is_gone(server: RedisServer) -> None:
    server.command("FLUSHALL")
    one, other = agreement(server, "a"), agreement(server, "a")
    one.step(at(0))
    other.step(at(0))
    with pytest.raises(MachineConflictError, match="calls itself a"):
        one.step(at(1))
    # Nothing is looked up so soon, and it is still so.
    with pytest.raises(MachineConflictError):
        one.step(at(1.5))
    with pytest.raises(MachineConflictError):
        other.step(at(2))
    with pytest.raises(MachineConflictError):
        other.step(at(2.5))
    other.step(at(4))
    for agent in (one, other):
        agent.close()


def test_events_that_are_divided_otherwise_are_told_while_both_are_there(
    server: RedisServer,
) -> None:
    server.command("FLUSHALL")
    a, b = agreement(server, "a"), agreement(server, "b", partitions=4)
    a.step(at(0))
    with pytest.raises(MachineConflictError, match="a divides events into 1, this machine into 4"):
        b.step(at(1))
    with pytest.raises(MachineConflictError, match="give all machines the same"):
        a.step(at(2))
    b.step(at(60))
    for agent in (a, b):
        agent.close()
