"""Machines under measurement: services with one Redis and one catalog, each with one worker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bandit.catalog import CatalogDocument, write_catalog_file
from benchmarks.servers import settings_of
from server.client import Client
from server.local import LocalServer, wait_until
from server.local_cluster import LocalCluster, LocalRedis

WAIT_S: Final = 120.0
LEASE_S: Final = "2"
"""Of a learner, so that nobody waits for long before the first one learns."""


class Machines:
    """Scorers of one worker each, and one machine beside them that learns."""

    def __init__(self, cluster: LocalCluster, redis: LocalRedis, catalog: Path) -> None:
        self._cluster = cluster
        self.redis = redis
        self.learner = cluster.add(
            "learner", learns=True, settings={"MARQUEE__CATALOG__SOURCE": str(catalog)}
        )
        self._version = self._status(self.learner)["catalog"]

    def add_scorer(self, name: str) -> LocalServer:
        """Start a scorer, which takes its catalog and models from the cluster."""
        scorer = self.start_scorer(name)
        wait_until(
            lambda: self._status(scorer)["catalog"] == self._version, WAIT_S, "the catalog there"
        )
        return scorer

    def start_scorer(self, name: str) -> LocalServer:
        """Start a scorer, and return once it is ready."""
        return self._cluster.add(name)

    def _status(self, server: LocalServer) -> dict[str, object]:
        with Client(server.url, deadline_s=10.0) as client:
            return dict(client.status())

    @property
    def pids(self) -> list[int]:
        """The supervisors' process ids."""
        return [server.pid for server in self._cluster.hosts.values()]


@contextmanager
def machines(
    document: CatalogDocument, settings: Mapping[str, str] | None = None
) -> Iterator[Machines]:
    """Have a cluster over a catalog for the length of a block; scorers are added to it.

    Raises:
        RedisMissingError: ``redis-server`` is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="marquee-bench-cluster-") as name:
        catalog = Path(name) / "catalog.msgpack"
        write_catalog_file(catalog, document)
        all_settings = {
            **settings_of(workers=1),
            "MARQUEE__CLUSTER__LEASE_S": LEASE_S,
            **(settings or {}),
        }
        with (
            LocalRedis() as redis,
            LocalCluster(Path(name), redis, settings=all_settings) as cluster,
        ):
            yield Machines(cluster, redis, catalog)
