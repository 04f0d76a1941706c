"""What all processes granted together, told to each other through Redis behind the requests' backs.

A thread of its own sends what was granted here and takes back what all granted, every
:data:`EXCHANGE_S` and sooner where much was granted since. No request ever waits for Redis: it is
judged by what this process knows at that moment. Where Redis does not answer within
:data:`TIMEOUT_S`, or refuses a write, nothing is asked for :data:`RETRY_S`; no command is repeated
by the client library. What was last told is believed for :data:`BELIEVED_S`, so that a Redis that
answers by drips does no harm either. What was granted meanwhile is sent once it is back. A batch
whose answer got lost may have been counted, and is sent again: some then stand in it twice.

A number in Redis lives for two windows and a minute. Its name holds a digest of who called, never
the key itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from bandit.cluster import connection
from bandit.metrics import Metrics

if TYPE_CHECKING:
    from redis import Redis

log = structlog.get_logger()

EXCHANGE_S: Final = 0.1
"""How often counts are exchanged, in seconds."""

SOONEST_S: Final = 0.005
"""Shortest time between two exchanges that were asked for, in seconds."""

TIMEOUT_S: Final = 0.05
"""How long Redis may take to accept a connection, or to answer, in seconds."""

RETRY_S: Final = 1.0
"""How long a Redis that failed is left alone, in seconds."""

CLOSE_S: Final = 1.0
"""How long an end waits for an exchange under way, in seconds."""

BELIEVED_S: Final = 0.5
"""How long what was told is believed, in seconds."""

NUMBERS_AT_ONCE: Final = 500
"""Most numbers of one round trip."""

_SPARE_S: Final = 60


class Sent(NamedTuple):
    """A number to be raised in Redis: one caller's count under one limit in one window."""

    name: str
    by: int
    length_s: int


class Outbox(NamedTuple):
    """Some numbers, and what takes their totals, in the same order."""

    numbers: Sequence[Sent]
    told: Callable[[Sequence[int]], None]


class Exchange:
    """Exchanges counts in a thread, as long as it is open.

    Args:
        url: of Redis, as its client library takes it.
        collect: returns what is to be sent now.
        metrics: counts failures.

    Raises:
        ConfigError: the URL is none of Redis, or its client library is not installed.
    """

    def __init__(self, url: str, collect: Callable[[], Sequence[Outbox]], metrics: Metrics) -> None:
        self._redis = redis_at(url)
        self._collect = collect
        self._metrics = metrics
        self._believed_until = 0.0
        self._works: bool | None = None
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rate-limits", daemon=True)

    def start(self) -> None:
        """Begin to exchange."""
        self._thread.start()

    @property
    def is_fresh(self) -> bool:
        """Whether what all granted was told a moment ago."""
        return time.monotonic() < self._believed_until

    def hurry(self) -> None:
        """Ask for an exchange before its time."""
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """End the thread and the connection, which a Redis that answers by drips may hold up."""
        self._closed.set()
        self._wake.set()
        self._thread.join(CLOSE_S)
        self._redis.close()

    def _run(self) -> None:
        while not self._closed.is_set():
            began = time.monotonic()
            works = self._exchange()
            self._believed_until = began + BELIEVED_S if works else 0.0
            self._closed.wait(SOONEST_S if works else RETRY_S)
            self._wake.wait(EXCHANGE_S)
            self._wake.clear()

    def _exchange(self) -> bool:
        """Send and take back; tell whether Redis took it."""
        from redis import RedisError

        try:
            outboxes = self._collect()
            for outbox in outboxes:
                outbox.told(self._raised(outbox.numbers))
            if not (outboxes or self._works):
                self._redis.ping()
        except (RedisError, OSError, ValueError) as error:
            self._metrics.count("marquee_rate_limit_store_failures_total")
            if self._works is not False:
                # Not its words: they may repeat the URL, which may hold a password.
                log.warning("rate limits: each process counts for itself, as Redis failed",
                            why=type(error).__name__)  # fmt: skip
            self._works = False
            return False
        if self._works is False:
            log.info("rate limits: counted in Redis again")
        self._works = True
        return True

    def _raised(self, numbers: Sequence[Sent]) -> list[int]:
        """Raise numbers in one round trip and return them as they are then."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in numbers:
            pipeline.incrby(number.name, number.by)
            pipeline.expire(number.name, 2 * number.length_s + _SPARE_S)
        return [int(total) for total in pipeline.execute()[::2]]


def redis_at(url: str) -> Redis:
    """Return a client of the Redis that counts are exchanged through.

    Raises:
        ConfigError: the URL is none of Redis, or its client library is not installed.
    """
    return connection.redis_at("rate_limits.redis_url", url, TIMEOUT_S)
