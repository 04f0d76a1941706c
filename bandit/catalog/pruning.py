"""Removing catalog versions that were replaced long ago and that no record of the log names.

The learner does this, one process: it knows from when the log holds records. A version that was
replaced before the oldest of them was written is named by none, and can go once it is old. When
each was replaced is kept in ``replaced.json`` beside the versions, by the clock the log goes by; it
is the time at which the learner first saw another one in its place, so that a lost file only keeps
versions longer. A version that is stored again begins anew.
"""

from __future__ import annotations

from typing import Final

import msgspec
import structlog

from bandit.catalog.documents import VERSION_PATTERN
from bandit.catalog.store import CatalogStore
from bandit.clock import to_us
from bandit.errors import CatalogError
from bandit.files import write_atomically

INTERVAL_US: Final = to_us(10.0)
SWAP_US: Final = to_us(600.0)
"""For how long after it was replaced a worker may still decide pages with a version."""
_STORED_S: Final = 60.0
"""A version stored so lately may be about to become current."""
_NAME: Final = "replaced.json"

_log = structlog.get_logger(__name__)


class CatalogPruning:
    """Removes versions that were replaced longer ago than ``retention_s``."""

    def __init__(self, store: CatalogStore, retention_s: float | None) -> None:
        self._store = store
        self._path = store.directory / _NAME
        self._retention_us = None if retention_s is None else to_us(retention_s)
        self._looked_at_us = -INTERVAL_US

    def tidy(self, now_us: int, log_holds_from_us: int | None) -> None:
        """Remove what is due, where it is time to look; failures are told, and tried again."""
        if self._retention_us is None or abs(now_us - self._looked_at_us) < INTERVAL_US:
            return
        self._looked_at_us = now_us
        before_us = now_us - self._retention_us
        if log_holds_from_us is not None:
            before_us = min(before_us, log_holds_from_us - SWAP_US)
        try:
            with self._store.unchanging():
                self._remove(now_us, before_us)
        except (OSError, CatalogError) as error:
            _log.warning("old catalog versions stay for now", why=str(error))

    def _remove(self, now_us: int, before_us: int) -> None:
        current = self._store.current()
        others = {
            path.stem: path
            for path in self._store.directory.glob("*.msgpack")
            if path.stem != current and VERSION_PATTERN.match(path.stem)
        }
        before = self._replaced()
        replaced = {name: before.get(name, now_us) for name in others}
        now_s = self._now_s()
        for name, path in others.items():
            if replaced[name] < before_us and path.stat().st_mtime < now_s - _STORED_S:
                path.unlink()
                path.with_suffix(".arrays").unlink(missing_ok=True)
                del replaced[name]
                _log.info("old catalog version removed", catalog=name)
        if replaced != before:
            write_atomically(self._path, msgspec.json.encode(replaced))

    def _now_s(self) -> float:
        """Return the file system's own time, by which versions are stored."""
        lock = self._store.directory / ".lock"
        lock.touch()
        return lock.stat().st_mtime

    def _replaced(self) -> dict[str, int]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, int])
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
