"""``marquee cluster status``: what Redis tells, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from bandit.clock import to_us
from bandit.cluster.connection import redis_at
from bandit.cluster.names import Names, Origin
from bandit.cluster.status import look
from bandit.cluster.wire import FIRST, RECORDS, HostTold, SpoolTold
from bandit.snapshots import Pointer
from server.cli.root import main
from tests.server.redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]

NAMES = Names("marquee", 2)
NOW_US = to_us(1_700_000_000)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(server: RedisServer) -> Iterator[Any]:
    client: Any = redis_at("cluster.redis_url", server.url)
    client.flushall()
    told = HostTold(NOW_US - to_us(1), {"spool-000/ff": SpoolTold(7, NOW_US - to_us(3))})
    for number in range(2):
        keys = NAMES.partition(number)
        client.hset(keys.hosts, "a", msgspec.msgpack.encode(told))
        client.set(keys.lease, "a/1f")
        client.set(keys.fence, 3)
        client.hset(keys.checkpoint, "clock", NOW_US - to_us(2))
    stream = NAMES.partition(1).stream(Origin("a", "spool-000", "ff"))
    client.xadd(stream, {FIRST: 1, RECORDS: b"x"}, id="7-0")
    client.set(NAMES.pointer("artwork"), msgspec.json.encode(Pointer("v1", pinned=False)))
    client.set(NAMES.catalog, "c1")
    yield client
    client.close()


def test_all_of_it_is_told(redis: Any) -> None:
    found = look(redis, NAMES, NOW_US)
    assert found.problems == []
    (machine,) = found.machines
    assert (machine.name, machine.told_s_ago, machine.behind_s) == ("a", 1.0, 2.0)
    first, second = found.partitions
    assert (first.learner, first.changes, first.checkpoint_s_ago) == ("a", 3, 2.0)
    assert (first.entries, second.entries) == (0, 1)
    assert second.bytes is not None
    assert second.bytes > 0
    assert found.pointers == {"artwork": "v1"}
    assert found.catalog == "c1"


def test_what_is_wrong_is_said_with_what_to_do(redis: Any) -> None:
    redis.delete(NAMES.partition(1).lease)
    redis.xadd(NAMES.partition(0).dead_letters, {"letter": b"{}"})
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        problems = look(redis, NAMES, NOW_US + to_us(60)).problems
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
    for said in ("noeviction", "nobody learns partition 1", "dead letters, 1", "nothing for 61 s"):
        assert any(said in problem for problem in problems), said
    assert len(problems) == 4
    redis.flushall()
    assert any("no machine" in problem for problem in look(redis, NAMES, NOW_US).problems)


def test_a_user_that_may_not_ask_for_memory_is_told_the_rest(
    redis: Any, server: RedisServer
) -> None:
    redis.execute_command("ACL", "SETUSER", "some", "on", ">word", "~*", "+@all", "-memory")
    url = server.url.replace("redis://", "redis://some:word@")
    some: Any = redis_at("cluster.redis_url", url)
    try:
        second = look(some, NAMES, NOW_US).partitions[1]
    finally:
        some.close()
        redis.execute_command("ACL", "DELUSER", "some")
    assert (second.entries, second.bytes) == (1, None)


def test_a_replica_is_wrong(redis: Any) -> None:
    redis.replicaof("127.0.0.1", "1")
    try:
        (problem,) = look(redis, NAMES, NOW_US).problems
    finally:
        redis.replicaof("NO", "ONE")
    assert "replica" in problem


def ask(monkeypatch: pytest.MonkeyPatch, url: str | None, *options: str) -> Result:
    monkeypatch.setenv("MARQUEE__CLUSTER__PARTITIONS", "2")
    if url is not None:
        monkeypatch.setenv("MARQUEE__CLUSTER__REDIS_URL", url)
    return CliRunner().invoke(main, ["cluster", "status", *options])


def test_the_command_prints_and_exits_by_it(
    redis: Any, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By the machine's clock it was long ago.
    found = ask(monkeypatch, server.url)
    assert found.exit_code == 1
    assert "wrong: a has told nothing" in found.output
    assert "v1" in found.output
    told = HostTold(2**62, {"spool-000/ff": SpoolTold(7, 2**62)})
    redis.hset(NAMES.partition(0).hosts, "a", msgspec.msgpack.encode(told))
    found = ask(monkeypatch, server.url)
    assert (found.exit_code, found.output.splitlines()[0][:8]) == (0, "in order")
    found = ask(monkeypatch, server.url, "--json")
    assert msgspec.json.decode(found.output)["catalog"] == "c1"


def test_a_machine_that_is_gone_is_forgotten(
    redis: Any, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.hset(NAMES.machines, "a", b"x")
    monkeypatch.setenv("MARQUEE__CLUSTER__PARTITIONS", "2")
    monkeypatch.setenv("MARQUEE__CLUSTER__REDIS_URL", server.url)
    for code, said in ((0, "a is forgotten"), (2, "there is no machine a")):
        found = CliRunner().invoke(main, ["cluster", "forget", "a"])
        assert (found.exit_code, said in found.output) == (code, True)
    assert look(redis, NAMES, NOW_US).machines == []
    stream = NAMES.partition(1).stream(Origin("a", "spool-000", "ff"))
    assert not redis.exists(stream)
    assert not redis.exists(NAMES.machines)


def test_without_a_cluster_or_without_redis_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(monkeypatch, None)
    assert found.exit_code == 2
    assert "is not set" in found.output
    found = ask(monkeypatch, "redis://127.0.0.1:1/0")
    assert found.exit_code == 2
    assert "Redis does not answer" in found.output
    assert "hint:" in found.output
