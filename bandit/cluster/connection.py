"""Connections to Redis.

Nothing that a viewer waits for uses one. The client library repeats nothing by itself: whoever
calls knows what may be repeated, and when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bandit.errors import ConfigError

if TYPE_CHECKING:
    from redis import Redis

TIMEOUT_S: Final = 2.0
"""How long Redis may take to accept a connection, or to answer, in seconds: models are large."""


def redis_at(key: str, url: str, timeout_s: float = TIMEOUT_S) -> Redis:
    """Return a client of a Redis, which connects once it is used.

    Args:
        key: the configuration's key that holds the URL, for errors to name.
        url: as in ``redis://host:6379/0``.
        timeout_s: how long connecting, and each answer, may take, in seconds.

    Raises:
        ConfigError: the URL is none of Redis, or its client library is not installed.
    """
    try:
        from redis import ConnectionPool, Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise ConfigError(
            key,
            "the client library of Redis is not installed",
            hint="install it (`pip install 'marquee[redis]'`), or leave the key out",
        ) from error
    bounds = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "health_check_interval": 0,
    }
    try:
        # The newer protocol asks more when it connects, and older servers do not know it.
        pool = ConnectionPool.from_url(url, protocol=2, **bounds)
    except ValueError as error:
        # The URL is not told: it may hold a password.
        raise ConfigError(
            key,
            "is no address of a Redis",
            hint="write it as in redis://host:6379/0, rediss://… for TLS, or unix:///path",
        ) from error
    # Whatever the URL says of the same.
    pool.connection_kwargs |= bounds
    return Redis(connection_pool=pool)
