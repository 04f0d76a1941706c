"""Telling machines that do not fit together: of one name, or with events divided otherwise.

Each machine tells what it is, with a number that it drew when its agent started. Whoever finds
another number under its own name shares it with another machine; whoever finds a machine that
divides events into other parts learns nothing of that one's, nor it of this one's.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bandit.clock import to_us
from bandit.cluster.names import Names, host_name
from bandit.config.schema import Config
from bandit.errors import MachineConflictError

if TYPE_CHECKING:
    from redis import Redis

INTERVAL_US: Final = to_us(1.0)
PRESENT_US: Final = to_us(10.0)
"""A machine that has told nothing for so long is none that could disagree."""


class MachineTold(msgspec.Struct, frozen=True):
    """What a machine tells of itself."""

    run: str
    """Drawn anew at each start of its agent."""
    at_us: int
    partitions: int


class Agreement:
    """Tells what this machine is, and whether the others fit: a duty."""

    name: Final = "agreement"

    def __init__(self, config: Config, redis: Redis) -> None:
        self._host = host_name(config.cluster)
        self._key = Names.of(config.cluster).machines
        self._partitions = config.cluster.partitions
        self._redis: Any = redis
        self._run = secrets.token_hex(8)
        self._told_at_us: int | None = None
        self._conflict: MachineConflictError | None = None
        """What was found last."""

    def step(self, now_us: int) -> bool:
        """Tell, and look, where it is time to.

        Raises:
            MachineConflictError: another machine has this one's name, or divides events otherwise.
            RedisError: Redis does not answer.
        """
        before_us = self._told_at_us
        if before_us is None or not 0 <= now_us - before_us < INTERVAL_US:
            self._look(now_us, is_first=before_us is None)
        if self._conflict is not None:
            raise self._conflict
        return False

    def _look(self, now_us: int, *, is_first: bool) -> None:
        others = {
            name.decode(): msgspec.msgpack.decode(body, type=MachineTold)
            for name, body in self._redis.hgetall(self._key).items()
        }
        told = MachineTold(self._run, now_us, self._partitions)
        self._redis.hset(self._key, self._host, msgspec.msgpack.encode(told))
        self._told_at_us = now_us
        self._conflict = self._conflict_with(others, now_us, is_first=is_first)

    def _conflict_with(
        self, others: dict[str, MachineTold], now_us: int, *, is_first: bool
    ) -> MachineConflictError | None:
        namesake = others.pop(self._host, None)
        # At first it may be this machine's run before.
        if namesake is not None and namesake.run != self._run and not is_first:
            return MachineConflictError(
                f"another machine calls itself {self._host}",
                hint="give each machine a cluster.host of its own",
            )
        for name, other in others.items():
            if other.partitions != self._partitions and abs(now_us - other.at_us) < PRESENT_US:
                return MachineConflictError(
                    f"{name} divides events into {other.partitions}, this machine into "
                    f"{self._partitions}: what one hears the other's learners do not learn",
                    hint="give all machines the same cluster.partitions",
                )
        return None

    def close(self) -> None:
        """Let go of Redis."""
        self._redis.close()
