"""Viewers' ids as keyed hashes: what is stored leads to nobody without this installation's key.

The hash is BLAKE2b in its keyed mode (RFC 7693), 16 bytes, written as hexadecimal digits, so that
it is a valid id itself. It stands in place of the id before anything is decided: shares, draws and
the digest that tells repeated requests are made from it. So a change from plain to hashed ids, or
of the key, draws every viewer's shares once anew; nothing that was learned is lost.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from bandit.config.schema import Config
from bandit.secret_keys import known_viewer_keys, viewer_keys

HASH_BYTES: Final = 16


class ViewerIds:
    """How viewers' ids are stored."""

    def __init__(self, key: bytes | None) -> None:
        """Hash with ``key``, of any length; None leaves ids as they are."""
        self._hash = None
        if key is not None:
            self._hash = blake2b(key=blake2b(key).digest(), digest_size=HASH_BYTES)

    @classmethod
    def from_config(cls, config: Config) -> ViewerIds:
        """Return what the configuration asks for; a key is made where none is yet.

        Raises:
            ConfigError: the keys cannot be read or made.
        """
        if config.privacy.viewer_ids == "plain":
            return cls(None)
        return cls(viewer_keys(config).keys[-1])

    @property
    def are_plain(self) -> bool:
        """Whether ids are stored as they come."""
        return self._hash is None

    def stored(self, viewer_id: str) -> str:
        """Return what is stored for a viewer's id."""
        if self._hash is None:
            return viewer_id
        keyed = self._hash.copy()
        keyed.update(viewer_id.encode())
        return keyed.hexdigest()


def all_stored(config: Config, viewer_id: str) -> list[str]:
    """Return every form in which a viewer's id may be stored: plain, and hashed with each key.

    Raises:
        ConfigError: the keys cannot be read.
    """
    ring = known_viewer_keys(config)
    keys = () if ring is None else ring.keys
    return [viewer_id, *(ViewerIds(key).stored(viewer_id) for key in keys)]
