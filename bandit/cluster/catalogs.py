"""Keeping a machine's catalog in step with the others': it follows theirs, or leads.

A catalog may be changed on any machine. Each notes which version it was last in step with; one that
was changed here since is handed to Redis, one that was changed there is fetched and served here. Of
two that were changed at once, that which reached Redis first counts: an operator whose change lost
finds the other one current, as with two changes on one machine.

Documents are named after their content, so that none can be taken for another.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from bandit.catalog import CatalogStore, decode_document
from bandit.catalog.documents import version_of
from bandit.catalog.pruning import CatalogPruning
from bandit.cluster.names import Names
from bandit.config.schema import Config
from bandit.errors import CatalogError
from bandit.files import write_atomically
from bandit.status import read_status

if TYPE_CHECKING:
    from redis import Redis

KEPT_S: Final = 86_400
"""How long a version that was replaced stays in Redis, for a learner that needs it still."""
_IN_STEP: Final = "in-step"
_COMPRESSION: Final = 1

log = structlog.get_logger(__name__)


class SharedCatalog:
    """Keeps the current catalog in step with Redis: a duty."""

    name: Final = "catalog"

    def __init__(self, config: Config, store: CatalogStore, redis: Redis) -> None:
        self._names = Names.of(config.cluster)
        self._store = store
        self._redis: Any = redis
        self._path = store.directory / _IN_STEP
        self._in_step = self._read()
        self._learner_directory = Path(config.learner.directory)
        self._pruning = CatalogPruning(store, config.log.retention_s)

    def step(self, now_us: int) -> bool:
        """Take over, or hand over, a version that became current.

        Raises:
            RedisError: Redis does not answer, or refuses.
            CatalogError: a version is damaged, or larger than the limits allow here.
            OSError: it cannot be read or written now.
        """
        self._tidy(now_us)
        body = self._redis.get(self._names.catalog)
        there = None if body is None else body.decode()
        here = self._store.current()
        if there is not None and there != self._in_step:
            self._take_over(there, here)
        elif here is not None and (there is None or here != self._in_step):
            self._hand_over(here, there)
        return False

    def close(self) -> None:
        """Let go of Redis."""
        self._redis.close()

    def _tidy(self, now_us: int) -> None:
        """Let go of old versions, as the learner does of a machine that is alone."""
        status = read_status(self._learner_directory)
        if status is not None:
            self._pruning.tidy(now_us, status.log_holds_from_us)

    def _take_over(self, there: str, here: str | None) -> None:
        if there != here:
            fetch(self._store, self._redis, self._names, there)
            self._store.set_current(there)
            log.info("another machine's catalog is served", catalog=there)
        self._note(there)

    def _hand_over(self, here: str, there: str | None) -> None:
        from redis import WatchError

        key = self._names.catalog_version(here)
        content = zlib.compress(self._store.content(here), _COMPRESSION)
        pipeline = self._redis.pipeline(transaction=True)
        try:
            pipeline.watch(self._names.catalog)
            now = pipeline.get(self._names.catalog)
            if (None if now is None else now.decode()) != there:
                return
            pipeline.multi()
            pipeline.set(key, content)
            pipeline.set(self._names.catalog, here)
            if there is not None and there != here:
                pipeline.expire(self._names.catalog_version(there), KEPT_S)
            pipeline.execute()
        except WatchError:
            return
        finally:
            pipeline.reset()
        self._note(here)

    def _read(self) -> str | None:
        try:
            return self._path.read_text()
        except OSError:
            return None

    def _note(self, version: str) -> None:
        self._in_step = version
        write_atomically(self._path, version.encode())


def fetch(store: CatalogStore, redis: Redis, names: Names, version: str) -> None:
    """Store a version that lies in Redis; what is served stays as it is.

    Raises:
        CatalogError: it is not there, damaged, or larger than the limits allow here.
        RedisError: Redis does not answer.
    """
    body: Any = redis.get(names.catalog_version(version))
    if body is None:
        raise CatalogError(
            "", f"catalog {version} is not in Redis", hint="load the catalog again, on any machine"
        )
    machine = zlib.decompressobj()
    try:
        content = machine.decompress(body, store.limits.catalog_bytes_max + 1)
    except zlib.error as error:
        raise CatalogError("", f"catalog {version} in Redis is damaged: {error}") from error
    if version_of(content) != version:
        raise CatalogError(
            "",
            f"catalog {version} in Redis is damaged, or larger than is allowed here",
            hint="load it again, or raise limits.catalog_bytes_max alike on all machines",
        )
    store.save(decode_document(content, f"catalog {version} in Redis"), decoded=True)
