"""One partition's part in merging: what its learner learned is handed in, and it goes on from all.

Learners go on from one merged state (:mod:`bandit.model_merging`), each with its share of events.
After ``cluster.merge_interval_s`` a learner hands in its turn, and waits a moment for the merger to
make the next merged state of it. What the merger takes leaves the hash of turns in the same
transaction in which the merged state says up to which turn of each partition it goes; what nobody
took in time is withdrawn, and the next turn tells of all since the same beginning.

Each turn is in the checkpoint before it is handed in. So a learner that crashed, or another that
took over, finds out from the merged state whether the turn was taken: then it goes on from there,
else from what the checkpoint holds. Nothing is merged twice and nothing is left out, but where
settings change or Redis comes back empty, which may cost what was learned since the last merge.

Between two merges the checkpoint holds two states of each model: that and the beginning.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from bandit.clock import to_us
from bandit.cluster.lease import RedisLease
from bandit.cluster.names import Names
from bandit.cluster.redis_reader import told_of
from bandit.cluster_learning.merged import (
    HandedIn,
    Merged,
    are_alike,
    examples_of,
    models_of,
    packed,
    unpacked,
)
from bandit.config.schema import Config
from bandit.engines import Engines
from bandit.errors import ModelError, SnapshotError
from bandit.joiner import Outcome
from bandit.keys import KeyRing
from bandit.model_merging import Merging, Stand
from bandit.snapshots import SnapshotStore
from bandit.types import SURFACES

if TYPE_CHECKING:
    from redis import Redis

WAIT_S: Final = 1.0
"""How long a learner waits for its turn to be taken, beyond ``learner.publish_interval_s``: so long
the merger waits for the others' turns."""
_LOOK_S: Final = 0.01

log = structlog.get_logger(__name__)


class _Memo(msgspec.Struct):
    """What a checkpoint holds of the exchange."""

    begun: Merged
    turn: int
    is_pending: bool


class Exchange:
    """Hands in the turns of one partition's learner; it looks on while that learns."""

    def __init__(
        self,
        config: Config,
        number: int,
        redis: Redis,
        lease: RedisLease,
        keys: KeyRing,
        snapshots: SnapshotStore,
        ending: threading.Event,
    ) -> None:
        self._number = number
        self._models = models_of(config)
        self._merging = {
            surface: Merging(model, config.cluster.partitions)
            for surface, model in self._models.items()
        }
        self._names = Names.of(config.cluster)
        self._interval_us = max(1, to_us(config.cluster.merge_interval_s))
        self._publish_interval_s = config.learner.publish_interval_s
        self._redis: Any = redis
        self._lease = lease
        self._keys = keys
        self._snapshots = snapshots
        self._ending = ending
        self._memo: _Memo | None = None
        self._examples = 0
        """How many examples the models had learned where the turn began."""
        self._merged_at_us: int | None = None

    def restore(self, memo: bytes) -> None:
        """Go on from what a checkpoint holds; see :meth:`go_on`.

        What is not understood, of another release's, begins anew from the models as they stand.
        """
        self._memo = None
        with suppress(msgspec.MsgspecError):
            self._memo = msgspec.msgpack.decode(memo, type=_Memo) if memo else None

    def memo(self) -> bytes:
        """Return what :meth:`restore` goes on from."""
        return b"" if self._memo is None else msgspec.msgpack.encode(self._memo)

    def look(self, outcome: Outcome) -> None:
        """Need nothing of it."""

    def settle(self, log_clock_us: int, now_us: int) -> None:
        """Need nothing of it."""

    def go_on(self, engines: Engines) -> None:
        """Bring the models in line with what was merged, after a checkpoint was restored.

        Raises:
            LogUnavailableError: Redis does not answer.
            ModelError: the configuration's models cannot be merged.
        """
        own = _stands(engines)
        memo = self._memo
        if memo is not None and are_alike(memo.begun.stands, own, self._models):
            self._examples = examples_of(memo.begun.stands, self._models)
            if memo.is_pending:
                self._find_out(engines)
            return
        newest = self._newest(own)
        if newest is not None and not any(engines.examples_learned.values()):
            self._take_up(engines, newest)
            return
        if memo is None and not any(engines.examples_learned.values()):
            self._take_up_snapshots(engines)
        self._take_up(engines, Merged(0, _stands(engines)))

    def _take_up_snapshots(self, engines: Engines) -> None:
        """Begin from the models that are served, where nothing was merged yet."""
        for surface in SURFACES:
            with suppress(SnapshotError, ModelError):
                pointer = self._snapshots.pointer(surface)
                if pointer is not None:
                    model = self._snapshots.load(surface, pointer.version).model
                    engines.take_up(surface, model)

    def is_due(self, now_us: int) -> bool:
        """Tell whether the time of a turn is over: for all learners at once, as clocks agree.

        Turns that are merged together move models as one learner would; one by one they come late.
        """
        if self._merged_at_us is None:
            self._merged_at_us = now_us
        return now_us // self._interval_us != self._merged_at_us // self._interval_us

    def catches_up(self, engines: Engines, now_us: int) -> bool:
        """Go on from a newer merged state where there is nothing to hand in; tell if that is so.

        Raises:
            LogUnavailableError: Redis does not answer.
        """
        assert self._memo is not None  # noqa: S101 - a learner went on from something
        if sum(engines.examples_learned.values()) != self._examples:
            return False
        newest = self._newest(self._memo.begun.stands)
        if newest is not None and newest.generation > self._memo.begun.generation:
            self._take_up(engines, newest)
        self._merged_at_us = now_us
        return True

    def begin_turn(self) -> None:
        """Note, for the checkpoint that must come next, that a turn is about to be handed in."""
        assert self._memo is not None  # noqa: S101 - as above
        self._memo = _Memo(self._memo.begun, self._memo.turn + 1, is_pending=True)

    def hand_in(self, engines: Engines, clock_us: int, now_us: int) -> None:
        """Hand in the turn, wait for the merger, and go on from what came of it.

        Raises:
            LogUnavailableError: Redis does not answer, or the lease is lost; whether the turn was
                taken is not known then: the checkpoint must be gone back to.
        """
        assert self._memo is not None  # noqa: S101 - as above
        turn = HandedIn(self._memo.turn, self._memo.begun, _stands(engines), clock_us)
        body = packed(self._keys, turn)
        with told_of("the turn to merge"):
            self._lease.write(lambda pipe: pipe.hset(self._names.turns, str(self._number), body))
            give_up_s = time.monotonic() + self._publish_interval_s + WAIT_S
            while self._redis.hexists(self._names.turns, str(self._number)):
                if time.monotonic() > give_up_s or self._ending.wait(_LOOK_S):
                    break
        self._find_out(engines)
        self._merged_at_us = now_us

    def _find_out(self, engines: Engines) -> None:
        """Withdraw the turn if it was not taken, and go on from the merged state if it was."""
        assert self._memo is not None  # noqa: S101 - as above
        with told_of("the turn to merge"):
            self._lease.write(lambda pipe: pipe.hdel(self._names.turns, str(self._number)))
        newest = self._newest(self._memo.begun.stands)
        if newest is not None and newest.included.get(self._number, 0) >= self._memo.turn:
            self._take_up(engines, newest)
        else:
            self._memo = _Memo(self._memo.begun, self._memo.turn, is_pending=False)

    def _newest(self, own: Mapping[Any, Stand]) -> Merged | None:
        """Return the merged models, if they are of the same settings as our own."""
        with told_of("the merged models"):
            body = self._redis.get(self._names.merged)
        if body is None:
            return None
        try:
            merged = unpacked(self._keys, Merged, body)
            return merged if are_alike(merged.stands, dict(own), self._models) else None
        except (ValueError, ModelError) as error:
            log.error("the merged models in Redis cannot be used", why=str(error))  # noqa: TRY400
            return None

    def _take_up(self, engines: Engines, merged: Merged) -> None:
        for surface, stand in merged.stands.items():
            state = self._merging[surface].handed_out(stand.state)
            engines.take_up(surface, state, stand.faded_until_us)
        turn = max(0 if self._memo is None else self._memo.turn,
                   merged.included.get(self._number, 0))  # fmt: skip
        self._memo = _Memo(merged, turn, is_pending=False)
        self._examples = examples_of(merged.stands, self._models)


def _stands(engines: Engines) -> dict[Any, Stand]:
    faded = engines.faded_until_us
    return {
        surface: Stand(state, faded.get(surface)) for surface, state in engines.states().items()
    }
