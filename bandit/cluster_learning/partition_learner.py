"""The learner of one partition of several, which hands in what it learned and publishes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from bandit.cluster_learning.exchange import Exchange
from bandit.cluster_learning.merger import Merger
from bandit.errors import MarqueeError
from bandit.learner import Learner
from bandit.status import LearnerStatus


class PartitionLearner(Learner):
    """Learns a share of the events; ``merger`` is the merger that runs beside it, if one does."""

    def __init__(
        self, exchange: Exchange, merger: Merger | None, *arguments: Any, **named: Any
    ) -> None:
        """Go on from the checkpoint, and from what was merged; otherwise as :class:`Learner`."""
        self._exchange = exchange
        self._merger = merger
        super().__init__(*arguments, onlooker=exchange, **named)

    def _restore(self, now_us: int) -> None:
        super()._restore(now_us)
        # Until that is known nothing may be learned.
        self._stale = True
        self._exchange.go_on(self._engines)
        self._stale = False

    def publish(self, now_us: int) -> None:
        """Hand in what was learned, where it is time to, and go on from what all learned.

        Raises:
            LogUnavailableError: Redis does not answer, or the lease is lost.
            OSError: the checkpoint cannot be saved.
        """
        self._published_at_us = now_us
        exchange = self._exchange
        if self._stale or not exchange.is_due(now_us):
            return
        if not exchange.catches_up(self._engines, now_us):
            exchange.begin_turn()
            self._save(now_us)
            try:
                exchange.hand_in(self._engines, self._merge.clock_us, now_us)
            except (MarqueeError, OSError):
                # Whether it was taken is not known: the checkpoint tells what it was.
                self._stale = True
                raise
        self._save(now_us)

    def _save(self, now_us: int) -> None:
        self._unsaved = True
        self.checkpoint(now_us)

    def status(self, now_us: int) -> LearnerStatus:
        """Return what there is to tell of this partition."""
        status = super().status(now_us)
        published = {} if self._merger is None else self._merger.published
        return msgspec.structs.replace(status, models=published, held_models={})
