"""The right to learn a partition, held in Redis for as long as it is renewed.

Whoever holds it writes what belongs to it only under it: each write asks, in one transaction with
it, whether the lease still holds this process's token. A process that stood still for too long, or
was cut off, can thus spoil nothing when it comes back. The ``fence`` counts holders: a lease that
passed while Redis was away is taken anew if nobody else had it meanwhile, and is lost otherwise.

A Redis without a fence is new, or came back empty. Nobody can tell from it whether a lease is held,
so whoever was at work comes first: others take it only once it was like that for a lease's time.
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog

from bandit.cluster.names import PartitionNames
from bandit.errors import LeaseHeldError, LogUnavailableError

if TYPE_CHECKING:
    from redis import Redis

TRIES: Final = 5
"""How often a write is tried that a renewal came in between of."""

_LOOK_S: Final = 0.1
"""How soon it is noticed that it is time to end, in seconds."""

log = structlog.get_logger(__name__)

_TAKE: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local fence = tonumber(redis.call('GET', KEYS[2]) or '0')
if ARGV[3] ~= '' and fence ~= tonumber(ARGV[3]) then return -1 end
if ARGV[3] == '' then fence = redis.call('INCR', KEYS[2]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return fence
"""
_MOVED: Final = -1
"""What taking it answers where it changed hands since."""
_RENEW: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
_GIVE_UP: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""


class RedisLease:
    """A lease on one partition."""

    def __init__(
        self, redis: Redis, partition: PartitionNames, holder: str, lease_s: float
    ) -> None:
        """``holder`` is who this is; the lease lasts for ``lease_s`` seconds unless renewed."""
        self._redis: Any = redis
        self._partition = partition
        self._token = f"{holder}/{secrets.token_hex(8)}".encode()
        self._lease_ms = int(lease_s * 1000)
        self._fence: int | None = None
        self._held_until_s = -math.inf
        self._empty_since_s: float | None = None
        self.lost = threading.Event()
        """Set once another process held the lease after this one."""

    def take(self) -> None:
        """Take the lease.

        Raises:
            LeaseHeldError: another process holds it, or may hold it.
            RedisError: Redis does not answer.
        """
        asked_s = time.monotonic()
        self._wait_for_who_was_before(asked_s)
        fence = self._take("")
        if fence is None:
            holder = self._redis.get(self._partition.lease)
            who = "another process" if holder is None else holder.decode().rpartition("/")[0]
            raise LeaseHeldError(
                f"{self._partition.lease} is held: {who} is learning",
                hint="nothing to do: this one stands by, and takes over when that one is lost",
            )
        self._fence = fence
        self._held_until_s = asked_s + self._lease_ms / 1000

    def _wait_for_who_was_before(self, now_s: float) -> None:
        if self._redis.exists(self._partition.fence):
            self._empty_since_s = None
            return
        if self._empty_since_s is None:
            self._empty_since_s = now_s
        if now_s - self._empty_since_s < self._lease_ms / 1000:
            raise LeaseHeldError(
                f"Redis knows nothing of {self._partition.lease}: it is new, or came back empty",
                hint="nothing to do: this one learns unless another comes back to it first",
            )

    def renew(self) -> None:
        """Hold it for longer; one that passed while nobody took it is taken anew.

        Raises:
            RedisError: Redis does not answer.
        """
        asked_s = time.monotonic()
        if not self._redis.eval(_RENEW, 1, self._partition.lease, self._token, self._lease_ms):
            self._take_anew()
        if not self.lost.is_set():
            self._held_until_s = asked_s + self._lease_ms / 1000

    def _take_anew(self) -> None:
        """Take the lease that passed; it is lost if anybody held it since."""
        fence = self._take(str(self._fence))
        if fence == _MOVED and not self._redis.exists(self._partition.fence):
            # Redis came back without anything: nobody can have been before us.
            fence = self._take("")
        if fence is None or fence == _MOVED:
            self.lost.set()
        else:
            self._fence = fence

    @property
    def is_held(self) -> bool:
        """Whether it was renewed so lately that nobody else can hold it."""
        return not self.lost.is_set() and time.monotonic() < self._held_until_s

    def write(self, put: Callable[[Any], None]) -> None:
        """Do what ``put`` puts into a pipeline, all or nothing, while the lease is held.

        Raises:
            LogUnavailableError: it is not held.
            RedisError: Redis does not answer, or refuses.
        """

        def act(pipeline: Any) -> None:
            pipeline.multi()
            put(pipeline)

        self.change((), act)

    def change(self, keys: Sequence[str], act: Callable[[Any], None]) -> None:
        """Read ``keys`` and write what follows from it, all or nothing, while the lease is held.

        ``act`` reads from a pipeline, calls its ``multi()``, and puts into it what is to be
        written; it is called anew where one of the keys, or the lease, changed meanwhile.

        Raises:
            LogUnavailableError: the lease is not held, or others change the keys all the time.
            RedisError: Redis does not answer, or refuses.
        """
        from redis import WatchError

        for _ in range(TRIES):
            pipeline = self._redis.pipeline(transaction=True)
            try:
                pipeline.watch(self._partition.lease, *keys)
                if pipeline.get(self._partition.lease) != self._token:
                    raise LogUnavailableError(
                        f"{self._partition.lease} is not held by this process now",
                        hint="nothing to do: it is taken again, or another process learns",
                    )
                act(pipeline)
                pipeline.execute()
            except WatchError:
                continue
            finally:
                pipeline.reset()
            return
        raise LogUnavailableError(
            f"{self._partition.lease} changes too often", hint="look at who else uses these keys"
        )

    def give_up(self) -> None:
        """Let others have it.

        Raises:
            RedisError: Redis does not answer; it passes by itself then.
        """
        self._redis.eval(_GIVE_UP, 1, self._partition.lease, self._token)

    def keep(self, stop: threading.Event, ending: threading.Event) -> None:
        """Renew it until ``stop`` or ``ending`` is set or it is lost; then set ``ending``."""
        from redis import RedisError

        renew_at_s = 0.0
        while not (stop.is_set() or self.lost.is_set() or ending.wait(_LOOK_S)):
            if time.monotonic() < renew_at_s:
                continue
            renew_at_s = time.monotonic() + self._lease_ms / 3000
            try:
                self.renew()
            except RedisError as error:
                log.warning("the right to learn cannot be renewed now", why=str(error))
        ending.set()

    def _take(self, only_after: str) -> int | None:
        """Return the fence; None where somebody holds the lease, -1 where somebody did since."""
        keys = (self._partition.lease, self._partition.fence)
        found = self._redis.eval(_TAKE, 2, *keys, self._token, self._lease_ms, only_after)
        return None if found is None else int(found)
