"""What learners tell of themselves, told on every machine.

Each learner's machine hands its status to Redis, and the first partition's its figures as well; all
others take them over into their own learner's directory, where their scorers look. Of several
partitions the counts are added up; figures, alarms and intervals are those of the first, which is a
sample by decision. An order to begin the alarms anew goes the other way. Whose machine it is, the
leases tell: a holder begins with the machine's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bandit.cluster.names import Names, PartitionNames, host_name
from bandit.cluster.places import directory_of
from bandit.config.schema import Config
from bandit.files import write_atomically
from bandit.insights.told import FILE_NAME, RESET_NAME
from bandit.status import STATUS_NAME, LearnerStatus

if TYPE_CHECKING:
    from redis import Redis

_Known = dict[tuple[int, str], bytes]


class SharedWords:
    """Hands over, or takes over, what learners tell: a duty."""

    name: Final = "words"

    def __init__(self, config: Config, redis: Redis) -> None:
        self._host = host_name(config.cluster)
        self._partitions = Names.of(config.cluster).all_partitions()
        self._places = [directory_of(config, number) for number in range(len(self._partitions))]
        self._directory = Path(config.learner.directory)
        self._redis: Any = redis
        self._handed: _Known = {}
        """Partition and file → what it held when it was handed over last."""
        self._taken: dict[str, bytes] = {}
        """File → what was written here last."""

    def step(self, now_us: int) -> bool:
        """Hand over, or take over, what is new.

        Raises:
            RedisError: Redis does not answer, or refuses.
            OSError: a file cannot be read or written.
        """
        del now_us
        ours = [self._is_ours(partition) for partition in self._partitions]
        for number, is_ours in enumerate(ours):
            if is_ours:
                self._hand_over(number)
        if ours != [True]:
            self._take_over(is_ordered_here=not ours[0])
        return False

    def close(self) -> None:
        """Let go of Redis."""
        self._redis.close()

    def _is_ours(self, partition: PartitionNames) -> bool:
        holder = self._redis.get(partition.lease)
        return holder is not None and holder.startswith(f"{self._host}/".encode())

    def _hand_over(self, number: int) -> None:
        told, place = self._partitions[number].told, self._places[number]
        for name in (STATUS_NAME, FILE_NAME) if number == 0 else (STATUS_NAME,):
            try:
                content = (place / name).read_bytes()
            except FileNotFoundError:
                continue
            if self._handed.get((number, name)) != content:
                self._redis.hset(told, name, content)
                self._handed[number, name] = content
        if number == 0 and self._redis.hdel(told, RESET_NAME):
            write_atomically(place / RESET_NAME, b"")

    def _take_over(self, *, is_ordered_here: bool) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        first = self._partitions[0].told
        order = self._directory / RESET_NAME
        if (is_ordered_here or self._places[0] != self._directory) and order.exists():
            self._redis.hset(first, RESET_NAME, b"")
            order.unlink(missing_ok=True)
        statuses = [self._redis.hget(one.told, STATUS_NAME) for one in self._partitions]
        self._write(STATUS_NAME, together([one for one in statuses if one is not None]))
        self._write(FILE_NAME, self._redis.hget(first, FILE_NAME))

    def _write(self, name: str, content: bytes | None) -> None:
        if content is not None and self._taken.get(name) != content:
            write_atomically(self._directory / name, content)
            self._taken[name] = content


def together(statuses: Sequence[bytes]) -> bytes | None:
    """Return what learners of several partitions tell together; None where nobody told anything.

    Raises:
        msgspec.DecodeError: one cannot be read.
    """
    if len(statuses) <= 1:
        return next(iter(statuses), None)
    found = [msgspec.json.decode(one, type=LearnerStatus) for one in statuses]
    first, *_ = found
    states = {key for one in found for key in one.joined}
    holds_from_us = [one.log_holds_from_us for one in found if one.log_holds_from_us is not None]
    return msgspec.json.encode(
        msgspec.structs.replace(
            first,
            # The one that is silent, or behind, is what there is to tell.
            updated_at_us=min(one.updated_at_us for one in found),
            log_clock_us=min(one.log_clock_us for one in found),
            lag_s=max(one.lag_s for one in found),
            joined={key: sum(one.joined.get(key, 0) for one in found) for key in sorted(states)},
            open_decisions=sum(one.open_decisions for one in found),
            learned=reduce(lambda one, other: one.plus(other), (one.learned for one in found)),
            dead_letters=sum(one.dead_letters for one in found),
            rejections=sum(one.rejections for one in found),
            last_rejection=max(
                (one.last_rejection for one in found if one.last_rejection is not None),
                key=lambda one: one.at_us,
                default=None,
            ),
            log_holds_from_us=min(holds_from_us, default=None),
        )
    )
