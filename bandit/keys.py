"""Secret keys that sign: rings of them for rotation, read from a file or made once.

The last key of a ring signs, all of them verify: to rotate, append a key; once nothing signed with
the old one is in use any more, remove it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from bandit.errors import ConfigError
from bandit.files import PRIVATE_DIRECTORY_MODE, PRIVATE_MODE, create_atomically

KEY_LENGTH_MIN: Final = 16
"""Fewest characters a key may have."""
_KEY_BYTES: Final = 32
_KEY_ID_LENGTH: Final = 8


class Signature(NamedTuple):
    """An HMAC-SHA256 (RFC 2104) and which key made it."""

    key_id: str
    digest: str
    """64 hexadecimal digits."""


@dataclass(frozen=True)
class KeyRing:
    """Keys from oldest to newest; at least one. Its representation shows ids only.

    Raises:
        ConfigError: there is no key, or one is shorter than 16 bytes.
    """

    keys: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.keys:
            raise ConfigError("", "a key ring needs a key", hint="give at least one secret key")
        if any(len(key) < KEY_LENGTH_MIN for key in self.keys):
            raise ConfigError(
                "",
                f"a secret key is shorter than {KEY_LENGTH_MIN} characters",
                hint="make keys with `python3 -c 'import secrets; print(secrets.token_urlsafe())'`",
            )

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.key_ids)})"

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The keys' public names, oldest first."""
        return tuple(key_id(key) for key in self.keys)

    def sign(self, data: bytes) -> Signature:
        """Sign with the newest key."""
        return Signature(key_id(self.keys[-1]), _digest(self.keys[-1], data))

    def verify(self, data: bytes, signature: Signature) -> bool:
        """Tell whether a key of this ring made the signature; compared in constant time."""
        given = signature.digest.encode()
        return any(
            hmac.compare_digest(_digest(key, data).encode(), given)
            for key in self.keys
            if key_id(key) == signature.key_id
        )


def key_id(key: bytes) -> str:
    """Return a key's public name: the first 8 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:_KEY_ID_LENGTH]


def load_or_create_keys(path: str | None, default_path: Path) -> KeyRing:
    """Read the keys in the file ``path``; without one, those at ``default_path``, made if missing.

    The file holds one key a line, oldest first; blank lines and lines that start with ``#`` are
    passed over. Processes that start together and find no default file end up with the same key.

    Raises:
        ConfigError: the file cannot be read or made, holds no key, or one that is too short.
    """
    if path is not None:
        return read_keys(Path(path))
    if not default_path.exists():
        _create(default_path)
    return read_keys(default_path)


def read_keys(path: Path) -> KeyRing:
    """Read the keys in a file as :func:`load_or_create_keys` does.

    Raises:
        ConfigError: the file cannot be read, holds no key, or one that is too short.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            str(path),
            f"the keys cannot be read: {error}",
            hint="name a readable UTF-8 file with one key a line",
        ) from error
    keys = tuple(line.encode() for line in lines if line and not line.startswith("#"))
    try:
        return KeyRing(keys)
    except ConfigError as error:
        raise ConfigError(str(path), error.message, hint=error.hint) from error


def _create(path: Path) -> None:
    try:
        if not path.parent.exists():
            path.parent.parent.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(PRIVATE_DIRECTORY_MODE, exist_ok=True)
        create_atomically(path, f"{secrets.token_urlsafe(_KEY_BYTES)}\n".encode(), PRIVATE_MODE)
    except OSError as error:
        raise ConfigError(
            str(path),
            f"no key could be made: {error.strerror}",
            hint="make the directory writable, or configure a file that holds keys",
        ) from error


def _digest(key: bytes, data: bytes) -> str:
    return hmac.new(key, data, hashlib.sha256).hexdigest()
