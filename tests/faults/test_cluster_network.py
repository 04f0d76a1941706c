"""A cluster of hosts with a network between them, which is cut and mended.

Failure case 19, for events, models and catalogs: no page and no feedback waits for Redis, and what
was heard meanwhile is learned, each event once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from server.local import LocalServer, wait_until
from server.local_cluster import LocalCluster, LocalRedis
from tests.cluster.visits import (
    SETTINGS,
    WAIT_S,
    catalog,
    outcomes,
    put_catalog,
    served,
    status,
    visit,
)
from tests.faults.network_hosts import Network, NetworkHost, why_no_namespaces

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]


class Scene:
    """A Redis, a host that learns and one that does not, each on its own cable."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        network = stack.enter_context(Network())
        self.redis_host, self.a_host, self.b_host = (network.host() for _ in range(3))
        redis = self.redis_host.run(lambda: LocalRedis(address=self.redis_host.address))
        self.redis_host.run(redis.start)
        stack.callback(redis.kill)
        self._cluster = LocalCluster(directory, redis, settings=SETTINGS)
        stack.callback(self._cluster.stop)
        self.a = self.a_host.run(lambda: self._cluster.add("a", learns=True))
        self.b = self.b_host.run(lambda: self._cluster.add("b"))

    def host_of(self, server: LocalServer) -> NetworkHost:
        return self.a_host if server is self.a else self.b_host

    def visit(self, server: LocalServer, name: str, pages: int) -> None:
        self.host_of(server).run(lambda: visit(server, name, pages))

    def has_learned(self, count: int, *servers: LocalServer) -> None:
        for server in servers:
            what = f"{count} to be learned"
            learned = partial(wait_until, partial(_has_learned, server, count), WAIT_S, what)
            self.host_of(server).run(learned)


def _has_learned(server: LocalServer, count: int) -> bool:
    return outcomes(server) == count


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    why = why_no_namespaces()
    if why is not None:
        pytest.skip(why)
    with ExitStack() as stack:
        yield Scene(stack, tmp_path)


def test_hosts_cut_off_and_healed_lose_nothing(scene: Scene) -> None:
    a, b = scene.a, scene.b
    scene.a_host.run(lambda: put_catalog(a))
    scene.b_host.run(
        lambda: wait_until(lambda: catalog(b) != "empty", WAIT_S, "the catalog on the other host")
    )
    scene.visit(b, "first", 10)
    scene.has_learned(10, a, b)

    scene.b_host.cut_off()
    scene.visit(b, "cut off", 10)
    scene.visit(a, "alone", 10)
    scene.has_learned(20, a)  # without waiting for the other for ever
    assert not scene.b_host.run(lambda: status(b)["cluster"]["in_step"])
    scene.b_host.heal()
    scene.has_learned(30, a, b)

    scene.redis_host.cut_off()
    scene.visit(a, "without redis", 10)
    scene.visit(b, "without redis", 10)
    scene.redis_host.heal()
    scene.has_learned(50, a, b)

    model = scene.a_host.run(lambda: served(a))
    assert model is not None
    scene.b_host.run(
        lambda: wait_until(lambda: served(b) is not None, WAIT_S, "a model on the other host")
    )
