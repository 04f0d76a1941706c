"""Catalogs for a learner of a cluster: whichever machine's pages it learns of."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from bandit.catalog import Catalog, CatalogStore
from bandit.cluster.catalogs import fetch
from bandit.cluster.names import Names
from bandit.errors import CatalogError

if TYPE_CHECKING:
    from redis import Redis


class FetchedCatalogs:
    """Catalog versions of any machine: those that are not here come from Redis."""

    def __init__(self, store: CatalogStore, redis: Redis, names: Names) -> None:
        self._store = store
        self._redis = redis
        self._names = names

    def load(self, version: str) -> Catalog:
        """Return a version.

        Raises:
            CatalogError: it is nowhere.
            OSError: it cannot be read now, or Redis does not answer.
        """
        from redis import RedisError

        with suppress(CatalogError):
            return self._store.load(version)
        try:
            fetch(self._store, self._redis, self._names, version)
        except RedisError as error:
            raise OSError(f"catalog {version} cannot be fetched now: {error}") from error
        return self._store.load(version)
