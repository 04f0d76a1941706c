"""Who calls: API keys and the two roles they stand for.

Keys are kept as SHA-256 digests only, and may be configured so: ``sha256:`` and 64 hexadecimal
digits stand for a key that the configuration need not know. The supervisor hands them to its
children in that form, so that no file of a run holds one. A given key is compared with every known
one in constant time, whatever the outcome, so that timing tells nothing about how close a guess
came.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from bandit.config.checks import check_files, is_loopback, needs_keys
from bandit.config.overlay import read_challenger
from bandit.config.schema import Config
from bandit.errors import ConfigError
from server.errors import ForbiddenError, UnauthenticatedError
from server.rate_limits import check_rate_limits

Role = Literal["client", "admin"]

_DIGEST_PREFIX: Final = "sha256:"
_DIGEST: Final = re.compile(rf"\A{_DIGEST_PREFIX}([0-9a-f]{{64}})\Z", re.IGNORECASE)

_HOW_TO_GIVE: Final = "send `Authorization: Bearer <key>` or `X-API-Key: <key>`"


class Caller(NamedTuple):
    """Who calls: the role, and a name that stands for the key and does not tell it."""

    role: Role
    name: str


_ANYBODY: Final = Caller("admin", "")


def check_named_files(config: Config) -> None:
    """Check everything that a configuration says of files, API keys and the edge's limits.

    Raises:
        ConfigError: a file cannot be read or holds nothing that can be used, a limit is none, or
            the challenger's file sets what it may not.
    """
    check_files(config)
    read_challenger(config)
    Authenticator.from_config(config)
    check_rate_limits(config)


class Authenticator:
    """Knows the digests of all keys and the role of each."""

    def __init__(
        self,
        client_keys: Iterable[str],
        admin_keys: Iterable[str],
        *,
        is_open: bool = False,
        origins: Iterable[str] = (),
    ) -> None:
        # Admin keys come last: a key that stands in both lists is an admin's.
        roles: list[tuple[bytes, Role]] = [
            *((_configured(key), "client") for key in client_keys),
            *((_configured(key), "admin") for key in admin_keys),
        ]
        self._callers = [(digest, Caller(role, digest.hex())) for digest, role in roles]
        self._is_open = is_open
        self._origins = frozenset(origins)

    @classmethod
    def from_config(cls, config: Config) -> Authenticator:
        """Read all keys; where none is configured, let everyone in on a loopback address.

        Raises:
            ConfigError: a key file cannot be read, a key is a digest that is none, or there is no
                key where one is needed: whoever names a file of keys wants the door shut, even if
                the file is still empty.
        """
        auth = config.auth
        client_keys = [*auth.client_keys, *_file_keys(auth.client_keys_file, "client_keys_file")]
        admin_keys = [*auth.admin_keys, *_file_keys(auth.admin_keys_file, "admin_keys_file")]
        _check_digests("auth.client_keys", client_keys)
        _check_digests("auth.admin_keys", admin_keys)
        if client_keys or admin_keys:
            return cls(client_keys, admin_keys)
        if needs_keys(config):
            raise ConfigError(
                "auth.client_keys_file" if auth.client_keys_file else "auth.admin_keys_file",
                "no file of keys that is configured holds a key",
                hint="write a key into it, one a line, or configure no keys at all",
            )
        if auth.open_on_loopback and is_loopback(config.server.host):
            return cls([], [], is_open=True, origins=config.server.cors_origins)
        reason = (
            f"no API key is set, and {config.server.host} is not a loopback address"
            if auth.open_on_loopback
            else "no API key is set"
        )
        raise ConfigError(
            "auth.admin_keys",
            reason,
            hint="set auth.admin_keys_file and auth.client_keys_file, or listen on 127.0.0.1 with "
            "auth.open_on_loopback",
        )

    def caller(
        self, authorization: str | None, api_key: str | None, origin: str | None = None
    ) -> Caller | None:
        """Return who calls by these headers, None if there is no key.

        Where no key is needed, pages of other sites must not call through a browser on this
        machine: some calls need neither a body nor a header for which a browser asks first.

        Raises:
            UnauthenticatedError: a key was given that is not known.
            ForbiddenError: no key is needed, and a page from elsewhere calls.
        """
        if self._is_open:
            if origin is not None and not self._may_call_without_key(origin):
                raise ForbiddenError(
                    f"a page of {origin!r} may not call a service that asks for no key",
                    hint="configure API keys, or name the origin in server.cors_origins",
                )
            return _ANYBODY
        given = _given_key(authorization, api_key)
        if given is None:
            return None
        found = self._caller_of(given)
        if found is None:
            raise UnauthenticatedError("the API key is not known", hint=_HOW_TO_GIVE)
        return found

    def require(self, needed: Role, found: Role | None) -> None:
        """Check that a role suffices; an admin may do all that a client may.

        Raises:
            UnauthenticatedError: there is no role at all.
            ForbiddenError: the role does not suffice.
        """
        if found is None:
            raise UnauthenticatedError("this call needs an API key", hint=_HOW_TO_GIVE)
        if needed == "admin" and found != "admin":
            raise ForbiddenError(
                "this call needs an admin's key", hint="call again with a key of auth.admin_keys"
            )

    def _caller_of(self, key: str) -> Caller | None:
        digest = _digest(key)
        found: Caller | None = None
        for known, caller in self._callers:
            if hmac.compare_digest(known, digest):
                found = caller
        return found

    def _may_call_without_key(self, origin: str) -> bool:
        if origin in self._origins:
            return True
        try:
            return is_loopback(urlsplit(origin).hostname or "")
        except ValueError:
            return False


def without_keys(config: Config) -> Config:
    """Return a configuration that lets the same callers in and tells no API key."""
    auth = config.auth
    digests = {
        name: [f"{_DIGEST_PREFIX}{_configured(key).hex()}" for key in keys]
        for name, keys in (("client_keys", auth.client_keys), ("admin_keys", auth.admin_keys))
    }
    return msgspec.structs.replace(config, auth=msgspec.structs.replace(auth, **digests))


def _check_digests(path: str, keys: Iterable[str]) -> None:
    """Refuse what looks like a digest and is none: it would be taken for a key, and open."""
    for number, key in enumerate(keys, 1):
        if key.strip().lower().startswith(_DIGEST_PREFIX) and not _DIGEST.match(key):
            raise ConfigError(
                path,
                f"key {number} begins with {_DIGEST_PREFIX} and is no digest",
                hint=f"write {_DIGEST_PREFIX} and 64 hexadecimal digits, and nothing after them",
            )


def _configured(key: str) -> bytes:
    """Return the digest that a configured key is, or has."""
    digest = _DIGEST.match(key)
    return _digest(key) if digest is None else bytes.fromhex(digest[1])


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _given_key(authorization: str | None, api_key: str | None) -> str | None:
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise UnauthenticatedError(
                "the Authorization header is not a bearer key", hint=_HOW_TO_GIVE
            )
        return key.strip()
    return api_key


def _file_keys(path: str | None, name: str) -> list[str]:
    if path is None:
        return []
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"auth.{name}", f"cannot be read: {error}", hint="name a readable file, one key a line"
        ) from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
