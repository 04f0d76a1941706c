"""Erasing a viewer from the whole state, beside a running service or without one.

A spool has one writing connection at any time, so in a running service each worker erases in its
own spool, as an order tells it, and the learner goes back to its checkpoint to forget decisions
that were open. Spools that nobody writes are done here, under the gate of the slots, and the
learner's part is done here where its lease is free. Whatever dies meanwhile, the order stays: the
next call goes on with it.

After an order the log is looked through again for what was on its way into it, until a look finds
nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from bandit.clock import Clock
from bandit.config.overlay import learner_directory
from bandit.config.schema import Config
from bandit.dead_letters import DeadLetters
from bandit.errors import LeaseHeldError, LogError
from bandit.eventlog.erasing import SpoolErasing
from bandit.eventlog.erasure_orders import (
    CHALLENGER,
    LEARNER,
    Done,
    ErasureOrder,
    ErasureOrders,
    ErasureRecord,
)
from bandit.eventlog.erasure_search import ErasureSearch
from bandit.eventlog.learned import KEEPING
from bandit.eventlog.sqlite_slots import spool_names, unclaimed
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.eventlog.takeover import recover_unclaimed, take_over
from bandit.files import exclusive_lock
from bandit.lease import Lease
from bandit.outcome_files.erasing import erase_from_export
from bandit.secret_keys import viewer_keys
from bandit.viewer_ids import ViewerIds, all_stored

LOOKS_MAX: Final = 5
_PAUSE_S: Final = 0.1
_LOCK_NAME: Final = ".erasing.lock"


class Erased(NamedTuple):
    """What an erasure came to."""

    counts: dict[str, int]
    """Records, or decisions of an export, by where they were."""
    outstanding: dict[str, str]
    """What has not been done, and why."""


class Erasure:
    """Erases viewers from what a configuration names."""

    def __init__(
        self, config: Config, clock: Clock, by: str, progress: Callable[[str], None]
    ) -> None:
        """``by`` is written into the record; ``progress`` is told what is waited for."""
        self._config = config
        self._clock = clock
        self._by = by
        self._progress = progress
        self._log = Path(config.log.directory)
        self._orders = ErasureOrders(self._log)

    def erase(self, viewer_id: str, exports: Sequence[Path], timeout_s: float) -> Erased:
        """Erase a viewer from exports and log; what was begun before is finished first.

        So is what another process is at: two that carry out the same order would take it from
        each other.

        Raises:
            ConfigError: the keys that hash viewers' ids cannot be read.
            OutcomeFilesError: an export cannot be written anew; nothing else was done.
            OSError: the log's directory cannot be written.
        """
        if not self._log.exists():
            return self._erase(viewer_id, exports, timeout_s)
        lock = self._log / KEEPING / _LOCK_NAME
        lock.parent.mkdir(exist_ok=True)
        with exclusive_lock(lock):
            return self._erase(viewer_id, exports, timeout_s)

    def _erase(self, viewer_id: str, exports: Sequence[Path], timeout_s: float) -> Erased:
        until_s = time.monotonic() + timeout_s
        viewers = all_stored(self._config, viewer_id)
        counts = Counter({f"export {one}": erase_from_export(one, viewers) for one in exports})
        if not self._log.exists():
            return Erased(dict(counts), {})
        in_exports = dict(counts)
        for order in self._orders.open():
            self._progress("going on with an erasure that was not finished")
            left = self._finish(order, {}, until_s, counts)
            if left:
                return Erased(dict(counts), left)
        search = ErasureSearch(self._log, viewers)
        for look in range(LOOKS_MAX):
            self._progress("looking through the log")
            order, found = search.look(self._clock.now_us())
            if look and not found:
                break
            self._orders.give(order)
            left = self._finish(order, in_exports, until_s, counts)
            if left:
                return Erased(dict(counts), left | search.unreadable)
            in_exports = {}
        return Erased(dict(counts), dict(search.unreadable))

    def _finish(
        self, order: ErasureOrder, exports: dict[str, int], until_s: float, counts: Counter[str]
    ) -> dict[str, str]:
        """Carry an order out; return what is left when time is up."""
        told = None
        while left := self._advance(order):
            if time.monotonic() >= until_s:
                return left
            if left.keys() != told:
                told = left.keys()
                self._progress(f"waiting for {', '.join(left)}")
            time.sleep(_PAUSE_S)
        found = {name: done.records for name, done in self._orders.done(order).items()}
        hashed = ViewerIds(viewer_keys(self._config).keys[-1])
        record = ErasureRecord(
            at_us=self._clock.now_us(),
            by=self._by,
            # Not the hash that stands in the log: that is erased.
            viewer=hashed.stored(f"erased {order.viewers[0]}"),
            erased=exports | found,
        )
        self._orders.finish(order, record)
        counts.update(found)
        return {}

    def _advance(self, order: ErasureOrder) -> dict[str, str]:
        """Do what can be done from here; return what is left, and what for."""
        left = dict.fromkeys(self._orders.outstanding(order), "its writer has not done it yet")
        if left:
            recover_unclaimed(self._log, self._clock)
            present = spool_names(self._log)
            with unclaimed(self._log, list(left)) as idle:
                for spool in idle:
                    try:
                        if spool in present:
                            self._erase_in(spool, order)
                        else:
                            self._orders.mark(order, spool, Done(0))
                    except (LogError, OSError) as error:
                        left[spool] = str(error)
            left = {name: left[name] for name in self._orders.outstanding(order)}
        if not left:
            left = self._forget_in_learners(order)
        return left

    def _erase_in(self, spool: str, order: ErasureOrder) -> None:
        journal, frames = take_over(self._log, spool)
        is_done = False
        try:
            if not frames:
                with closing(SpoolFile(self._log, spool, self._clock)) as file:
                    is_done = SpoolErasing(self._log, spool, file, journal).carry_out(order)
        finally:
            journal.close(emptied=is_done)

    def _forget_in_learners(self, order: ErasureOrder) -> dict[str, str]:
        """Let go for learners that are not at work; return those that are and did not yet."""
        directories = {
            LEARNER: Path(self._config.learner.directory),
            CHALLENGER: learner_directory(self._config),
        }
        done, left = self._orders.done(order), {}
        for name, directory in directories.items():
            if name in done or (name == CHALLENGER and not directory.exists()):
                continue
            letters = 0
            if directory.exists():
                try:
                    with Lease(directory, self._clock.now_us()):
                        dead = DeadLetters(directory, self._config.learner.attempts_max)
                        letters = dead.forget(order.decisions)
                except LeaseHeldError:
                    left[name] = "it has not let go of its open decisions yet"
                    continue
            self._orders.mark(order, name, Done(letters))
        return left
