"""A real Redis for tests, on a free port and with nothing on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from server.local_cluster import LocalRedis

RedisServer = LocalRedis


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Have a Redis for the length of a block; skip where none is installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with LocalRedis() as server:
        yield server
