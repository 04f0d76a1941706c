"""Merging the partitions' turns, and publishing what comes of them.

Whoever learns the first partition merges, beside learning. It waits for a moment until all have
handed in their turns, and then merges what there is: a learner that is down, or busy, holds nobody
up for longer, and tells of everything when it is back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from bandit.clock import Clock
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import Names
from bandit.cluster_learning.merged import (
    HandedIn,
    Merged,
    are_alike,
    models_of,
    packed,
    unpacked,
)
from bandit.config.schema import Config
from bandit.disk_room import DiskRoom
from bandit.engines import Engines
from bandit.errors import MarqueeError, ModelError
from bandit.keys import KeyRing
from bandit.model_merging import Merging, Stand, Turn
from bandit.snapshots import SnapshotStore
from bandit.status import PublishedModel
from bandit.types import SURFACES, Surface

if TYPE_CHECKING:
    from redis import Redis

GATHER_S: Final = 0.25
"""How long the first turn waits for the others, beyond ``learner.publish_interval_s``: all turns
end at one instant, and each learner looks at the clock so often."""
_LOOK_S: Final = 0.01
_RETRY_S: Final = 1.0

log = structlog.get_logger(__name__)


class Merger:
    """Merges the turns of all partitions, under the first one's lease."""

    def __init__(
        self,
        config: Config,
        redis: Redis,
        lease: RedisLease,
        keys: KeyRing,
        snapshots: SnapshotStore,
        clock: Clock,
    ) -> None:
        """Begin; ``snapshots`` is where merged models are published.

        Raises:
            ConfigError: a surface's model cannot be made as configured.
        """
        self._partitions = config.cluster.partitions
        self._models = models_of(config)
        self._merging = {
            surface: Merging(model, self._partitions) for surface, model in self._models.items()
        }
        self._names = Names.of(config.cluster)
        self._redis: Any = redis
        self._lease = lease
        self._keys = keys
        self._clock = clock
        self._engines = Engines(config, snapshots)
        self._engines.restore({})
        self._fresh = self._engines.states()
        self._room = DiskRoom(Path(config.snapshots.directory), config.log.disk_free_bytes_min)
        self._gather_s = config.learner.publish_interval_s + GATHER_S
        self._first_at_s: float | None = None

    @property
    def published(self) -> dict[Surface, PublishedModel]:
        """The last snapshot of each surface."""
        return self._engines.published

    def run(self, ending: threading.Event) -> None:
        """Merge whatever is handed in until ``ending`` is set."""
        from redis import RedisError

        wait_s = _LOOK_S
        while not ending.wait(wait_s):
            wait_s = _LOOK_S
            try:
                self.step(time.monotonic())
            except (MarqueeError, OSError, RedisError) as error:
                log.warning("models cannot be merged now; it is tried again", why=str(error))
                wait_s = _RETRY_S

    def step(self, now_s: float) -> bool:
        """Merge the turns if all are there, or the first waited for long enough; tell if it did.

        ``now_s`` is any clock's that does not step.

        Raises:
            LogUnavailableError: the lease is not held.
            ModelError: turns cannot be merged.
            SnapshotError, OSError: what was merged cannot be published now.
            RedisError: Redis does not answer.
        """
        count = self._redis.hlen(self._names.turns)
        if not count:
            self._first_at_s = None
            return False
        self._first_at_s = now_s if self._first_at_s is None else self._first_at_s
        if count < self._partitions and now_s - self._first_at_s < self._gather_s:
            return False
        self._first_at_s = None
        done: list[tuple[Merged, int]] = []
        self._lease.change(
            (self._names.turns, self._names.merged), lambda pipe: self._merge(pipe, done)
        )
        self._publish(*done[-1])
        return True

    def _merge(self, pipeline: Any, done: list[tuple[Merged, int]]) -> None:
        bodies: dict[bytes, bytes] = pipeline.hgetall(self._names.turns)
        before = pipeline.get(self._names.merged)
        turns = self._readable(bodies)
        bases = [turn.begun for turn in turns.values()]
        if before is not None:
            bases += self._if_usable(before)
        newest = max(bases, key=lambda one: one.generation, default=None)
        if newest is None:
            pipeline.multi()
            pipeline.hdel(self._names.turns, *bodies)
            raise ModelError(
                "no turn that was handed in can be merged",
                hint="run all learners with one configuration, one release and the same keys",
            )
        merged = Merged(
            newest.generation + 1,
            {surface: self._merged(surface, newest, turns) for surface in SURFACES},
            newest.included | {number: turn.number for number, turn in turns.items()},
        )
        pipeline.multi()
        pipeline.set(self._names.merged, packed(self._keys, merged))
        pipeline.hdel(self._names.turns, *bodies)
        done.append((merged, min(turn.clock_us for turn in turns.values())))

    def _merged(self, surface: Surface, newest: Merged, turns: Mapping[int, HandedIn]) -> Stand:
        moves = [
            Turn(turn.begun.stands[surface], turn.now[surface]) for _, turn in sorted(turns.items())
        ]
        return self._merging[surface].merged(newest.stands[surface], moves)

    def _readable(self, bodies: Mapping[bytes, bytes]) -> dict[int, HandedIn]:
        """Return the turns that can be merged, by partition; others are told and passed over."""
        fresh = {surface: Stand(state) for surface, state in self._fresh.items()}
        found: dict[int, HandedIn] = {}
        for number, body in bodies.items():
            try:
                turn = unpacked(self._keys, HandedIn, body)
                is_ours = are_alike(turn.now, fresh, self._models) and are_alike(
                    turn.begun.stands, fresh, self._models
                )
            except (ValueError, ModelError) as error:
                log.error("a turn cannot be merged", partition=int(number), why=str(error))  # noqa: TRY400
                continue
            if is_ours:
                found[int(number)] = turn
            else:
                log.warning("a turn was learned by other settings", partition=int(number))
        return found

    def _if_usable(self, body: bytes) -> list[Merged]:
        fresh = {surface: Stand(state) for surface, state in self._fresh.items()}
        try:
            merged = unpacked(self._keys, Merged, body)
            return [merged] if are_alike(merged.stands, fresh, self._models) else []
        except (ValueError, ModelError) as error:
            log.error("the merged models in Redis cannot be used", why=str(error))  # noqa: TRY400
            return []

    def _publish(self, merged: Merged, clock_us: int) -> None:
        for surface, stand in merged.stands.items():
            self._engines.take_up(surface, stand.state, stand.faded_until_us)
        if self._room.look():
            return
        for surface in SURFACES:
            self._engines.publish(surface, clock_us, self._clock.now_us(), caught_up=True)
