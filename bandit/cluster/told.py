"""What the learner tells of itself, told on every machine.

The learner's machine hands its status and figures to Redis; the others take them over into their
own learner's directory, where their scorers look. An order to begin the alarms anew goes the other
way. Whose machine it is, the lease tells: its holder begins with the machine's name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bandit.cluster.names import Names, host_name
from bandit.config.schema import Config
from bandit.files import write_atomically
from bandit.insights.told import FILE_NAME, RESET_NAME
from bandit.status import STATUS_NAME

if TYPE_CHECKING:
    from redis import Redis

FILES: Final = (STATUS_NAME, FILE_NAME)


class SharedWords:
    """Hands over, or takes over, what a learner tells: a duty."""

    name: Final = "words"

    def __init__(self, config: Config, redis: Redis) -> None:
        self._host = host_name(config.cluster)
        self._partition = Names(config.cluster.namespace).partition(0)
        self._directory = Path(config.learner.directory)
        self._redis: Any = redis
        self._known: dict[str, bytes] = {}
        """File → what it held when it was handed or taken over last."""

    def step(self, now_us: int) -> bool:
        """Hand over, or take over, what is new.

        Raises:
            RedisError: Redis does not answer, or refuses.
            OSError: a file cannot be read or written.
        """
        del now_us
        holder = self._redis.get(self._partition.lease)
        if holder is None:
            return False
        if holder.startswith(f"{self._host}/".encode()):
            self._hand_over()
        else:
            self._take_over()
        return False

    def close(self) -> None:
        """Let go of Redis."""
        self._redis.close()

    def _hand_over(self) -> None:
        for name in FILES:
            try:
                content = (self._directory / name).read_bytes()
            except FileNotFoundError:
                continue
            if self._known.get(name) != content:
                self._redis.hset(self._partition.told, name, content)
                self._known[name] = content
        if self._redis.hdel(self._partition.told, RESET_NAME):
            write_atomically(self._directory / RESET_NAME, b"")

    def _take_over(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        order = self._directory / RESET_NAME
        if order.exists():
            self._redis.hset(self._partition.told, RESET_NAME, b"")
            order.unlink(missing_ok=True)
        for name, content in zip(
            FILES, self._redis.hmget(self._partition.told, FILES), strict=True
        ):
            if content is not None and self._known.get(name) != content:
                write_atomically(self._directory / name, content)
                self._known[name] = content
