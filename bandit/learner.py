"""The learner: read the log, join, train, learn; now and then a checkpoint, a snapshot, a status.

A step is a function of the log and of where the learner stands; when it runs and how much it reads
changes nothing of what is learned. After a crash, or a failure within a step, the learner goes back
to its checkpoint and does again what came after, exactly.

Snapshots may run ahead of the checkpoint: serving is a cache of what was learned, and a learner
that went back soon learns the same again; it publishes nothing until it knows more than the last
snapshot does.

Without a checkpoint everything is learned from the log's start. So it is when a surface's model
does not fit the checkpoint, because its shape or VW's version was changed: the log holds all that
is needed, the other surface's model comes out the same, and no second way of replaying has to be
right. Only where spools are gone or damaged by then is the checkpoint kept, and that surface goes
on from nothing. What is served stays throughout; :mod:`bandit.engines` says until when.

Where the time goes on the standard work (pages of 240 titles of which 20 are seen and 2 played;
py-spy with native frames, one core): making examples 20 %, filling VW's lines 14 %, reading and
decoding the log 13 %, VW itself 12 %, calls and checks around it 11 %, joining 10 %, decoding
outcomes 7 %, letting go of records 6 %, counting 5 %, and snapshots, checkpoints and status 1 %.

Why no thread reads ahead: all of this holds the GIL, and decoding beside learning took 1.03 times
as long as one after the other. A learner that falls behind learns a share of what was not touched,
:mod:`bandit.thinning`.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog

from bandit import merge
from bandit.checkpoint import Checkpoint, Checkpoints
from bandit.clock import MICROSECONDS, Clock, to_us
from bandit.collecting import collecting_rarely
from bandit.config.schema import Config
from bandit.dead_letters import CHECKPOINT, DeadLetters
from bandit.disk_room import DiskRoom
from bandit.engines import Engines
from bandit.errors import MarqueeError
from bandit.eventlog.erasure_orders import LEARNER, Done, ErasureOrders
from bandit.eventlog.protocol import EventReader
from bandit.insights.desk import InsightsDesk
from bandit.joiner import Joiner, MergedRecord, Sealed
from bandit.learner_words import NOBODY, Catalogs, Onlooker, PoisonError, StepReport
from bandit.merge import LogMerge
from bandit.metrics import Metrics
from bandit.releasing import Releases
from bandit.snapshots import SnapshotStore
from bandit.statistics import LearningCounts
from bandit.status import LearnerStatus, Rejection, StatusMetrics, write_status
from bandit.teaching import Teacher
from bandit.types import SURFACES

_STATUS_CHANGED_US = to_us(0.2)
_STATUS_IDLE_US = to_us(1.0)
_RETRY_S: Final = 1.0
"""Wait after a failure that may pass: a disk that is full or away."""

_log = structlog.get_logger(__name__)


class Learner:
    """Learns from a log into a snapshot store; it stands in ``config.learner.directory``."""

    def __init__(
        self,
        config: Config,
        reader: EventReader,
        snapshots: SnapshotStore,
        catalogs: Catalogs,
        clock: Clock,
        metrics: Metrics,
        tidy: Callable[[int, int | None], None] = lambda now_us, log_holds_from_us: None,
        *,
        name: str = LEARNER,
        onlooker: Onlooker = NOBODY,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """Go on from the checkpoint, by default its directory's; ``name`` signs what it erased.

        Raises:
            ConfigError: a surface's model cannot be made as configured.
            LogError: the part of the log that open decisions need cannot be read.
        """
        self._config = config
        self._reader = reader
        self._catalogs = catalogs
        self._clock = clock
        self._directory = Path(config.learner.directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._checkpoints = checkpoints or Checkpoints(self._directory)
        self._engines = Engines(config, snapshots)
        self._tidy = tidy
        self._name = name
        self._onlooker = onlooker
        self._room = DiskRoom(Path(config.snapshots.directory), config.log.disk_free_bytes_min)
        self._dead = DeadLetters(self._directory, config.learner.attempts_max)
        self._rejections = 0
        self._last_rejection: Rejection | None = None
        self._releases = Releases(reader)
        self._erasures = ErasureOrders(Path(config.log.directory))
        self._insights = InsightsDesk(config, metrics)
        now_us = clock.now_us()
        self._restore(now_us)
        self._checkpointed_at_us = self._published_at_us = now_us
        self._status_at_us = now_us - _STATUS_IDLE_US
        self._metrics = StatusMetrics(metrics, self.status(now_us))
        self._step_metrics = metrics

    def _restore(self, now_us: int) -> None:
        """Go back to the checkpoint."""
        checkpoint, problems = self._usable_checkpoint()
        self._went_on_at_us = now_us
        settings = self._config.learner
        if checkpoint is None:
            self._merge = LogMerge(self._reader, settings.batch_records_max)
            self._joiner = Joiner(
                self._config.reward, settings.open_decisions_max, settings.events_per_decision_max
            )
            self._counts = LearningCounts()
            self._insights.restore(b"")
            self._releases.went_back_to(None, None)
        else:
            self._merge = LogMerge(self._reader, settings.batch_records_max, checkpoint.position)
            self._joiner = Joiner.rebuild(
                self._config.reward,
                settings.open_decisions_max,
                checkpoint.joiner,
                self._replayed(checkpoint),
                settings.events_per_decision_max,
            )
            self._counts = checkpoint.counts
            self._insights.restore(checkpoint.insights)
            needed_us = checkpoint.joiner.replay_from_us
            self._releases.went_back_to(checkpoint.position, needed_us)
        self._onlooker.restore(b"" if checkpoint is None else checkpoint.onlooker)
        self._teacher = Teacher(
            self._config,
            self._catalogs,
            self._engines,
            self._dead,
            self._counts,
            self._insights,
            self._onlooker,
            lambda what, why: self._reject(what, why, self._clock.now_us()),
        )
        for problem in problems:
            self._reject("checkpoint", problem, now_us)
        self._unsaved = False
        self._stale = False

    def _usable_checkpoint(self) -> tuple[Checkpoint | None, list[str]]:
        """Restore the engines; return the checkpoint to go on from, and what was wrong."""
        checkpoint, problems = self._checkpoints.load()
        self._dead.begins("restore", CHECKPOINT)
        kept = ({}, {}) if checkpoint is None else (checkpoint.engines, checkpoint.faded_until_us)
        unfit = self._engines.restore(*kept)
        self._dead.passed(CHECKPOINT)
        if checkpoint is None or not unfit:
            return checkpoint, problems
        if not merge.is_whole(self._reader, checkpoint.position):
            why = "; the log does not hold all that was learned, so it learns from here on"
            return checkpoint, problems + [problem + why for problem in unfit]
        self._engines.restore({})
        why = "; everything is learned again from the log"
        return None, problems + [problem + why for problem in unfit]

    def _replayed(self, checkpoint: Checkpoint) -> Iterator[MergedRecord]:
        from_us = checkpoint.joiner.replay_from_us
        if from_us is not None:
            limit = self._config.learner.batch_records_max
            for item in merge.replay(self._reader, checkpoint.position, from_us, limit):
                if not self._dead.holds("join", item.logged.record.decision_id):
                    yield item

    @property
    def counts(self) -> LearningCounts:
        """What was learned so far."""
        return self._counts

    @property
    def figures(self) -> bytes:
        """All other figures, as they lie in a checkpoint."""
        return self._insights.encoded()

    @property
    def engines(self) -> Engines:
        """The models as they stand."""
        return self._engines

    def step(self, now_us: int) -> StepReport:
        """Take up what is new in the log, and learn.

        A failure that a record or an outcome caused is counted against it, and the learner goes
        back to its checkpoint; after ``attempts_max`` of them the culprit is set aside.

        Raises:
            LogError: the log cannot be read now; the same call may succeed later.
            OSError: a catalog or the learner's directory cannot be read or written now.
        """
        if self._stale:
            self._restore(now_us)
        try:
            with collecting_rarely():
                report = self._step(now_us)
        except PoisonError as poison:
            reason = f"{type(poison.__cause__).__name__}: {poison.__cause__}"
            self._stale = True
            self._dead.blame(poison.stage, poison.decision_id, reason, now_us)
            self._reject(f"{poison.stage} {poison.decision_id}", reason, now_us)
            return StepReport(failed=reason)
        except OSError:
            self._stale = True
            raise
        self._unsaved |= not report.idle
        if not report.idle:
            took_s = (self._clock.now_us() - now_us) / MICROSECONDS
            self._step_metrics.observe("marquee_learner_step_seconds", value=max(0.0, took_s))
        return report

    def _step(self, now_us: int) -> StepReport:
        records, damaged, notices = self._merge.poll()
        for spool, sequence, reason in damaged:
            self._dead.set_damaged_aside(spool, sequence, reason, now_us)
        for notice in notices:
            self._reject(f"log {notice.spool}", notice.what, now_us)
        closed = self._join(records)
        examples = sum(map(self._teacher.teach, closed))
        return StepReport(len(records), len(closed), examples)

    def _join(self, records: Sequence[MergedRecord]) -> list[Sealed]:
        """Take records up to the log clock; return what closed by then."""
        closed: list[Sealed] = []
        decision_id = ""
        take, set_aside = self._joiner.take_sealed, self._dead.holds
        try:
            for logged, at_us, late in records:
                decision_id = logged.record.decision_id
                if not set_aside("join", decision_id):
                    closed += take(logged.record, at_us, late=late)
        except Exception as error:
            raise PoisonError("join", decision_id) from error
        return closed + self._joiner.advance_sealed(self._merge.clock_us)

    def checkpoint(self, now_us: int) -> None:
        """Make durable where the learner stands; nothing to do after a step that failed.

        Raises:
            OSError: the disk is full or the directory not writable.
        """
        self._checkpointed_at_us = now_us
        if self._stale:
            return
        memo = self._joiner.memo()
        position = self._merge.position(memo.replay_from_us)
        if not self._unsaved and not self._releases.are_behind(position, memo.replay_from_us):
            return
        self._onlooker.settle(self._merge.clock_us, now_us)
        saved = Checkpoint(
            position=position,
            joiner=memo,
            counts=self._counts,
            engines=self._engines.states(),
            faded_until_us=self._engines.faded_until_us,
            insights=self._insights.encoded(),
            onlooker=self._onlooker.memo(),
        )
        self._checkpoints.save(saved)
        self._unsaved = False
        self._releases.saved(position, memo.replay_from_us)

    def publish(self, now_us: int) -> None:
        """Publish the surfaces that learned since, while the disk has room; refusals are told."""
        self._published_at_us = now_us
        if self._room.look() or self._stale:
            return
        for surface in SURFACES:
            try:
                problem = self._engines.publish(
                    surface, self._merge.clock_us, now_us, caught_up=self._caught_up
                )
            except (MarqueeError, OSError) as error:
                problem = str(error)
            if problem is not None:
                self._reject(f"snapshot of {surface}", problem, now_us)

    @property
    def _caught_up(self) -> bool:
        return self._merge.clock_us >= self._went_on_at_us

    def keep_house(self, now_us: int, *, changed: bool) -> None:
        """Publish, checkpoint and write the status where their time has come."""
        settings = self._config.learner
        if _is_due(now_us, self._published_at_us, to_us(settings.publish_interval_s)):
            self.publish(now_us)
        if _is_due(now_us, self._checkpointed_at_us, to_us(settings.checkpoint_interval_s)):
            self.checkpoint(now_us)
        interval_us = _STATUS_CHANGED_US if changed else _STATUS_IDLE_US
        if _is_due(now_us, self._status_at_us, interval_us):
            self._forget_erased(now_us)
            self._tidy(now_us, self._merge.holds_from_us())
            self._reset_alarms(now_us)
            self.tell(now_us)

    def _reset_alarms(self, now_us: int) -> None:
        """Begin the alarms anew where that was ordered; a checkpoint tells what no log does."""
        if not self._stale and self._insights.obeys_reset():
            self._unsaved = True
            self.checkpoint(now_us)
            self._insights.reset_done()

    def _forget_erased(self, now_us: int) -> None:
        """Let go of open decisions that were erased from the log, by reading it once more.

        What stands in memory is made again from the checkpoint, whose replay does not find them;
        what was learned is in the checkpoint, so that nothing is learned twice.
        """
        for order in self._erasures.open():
            if self._name in self._erasures.done(order) or self._erasures.outstanding(order):
                continue
            letters = self._dead.forget(order.decisions)
            self.checkpoint(now_us)
            self._stale = True
            self._restore(now_us)
            self._erasures.mark(order, self._name, Done(letters))

    def tell(self, now_us: int) -> None:
        """Write the status file and report the metrics."""
        self._status_at_us = now_us
        status = self.status(now_us)
        self._metrics.report(status)
        made_us = {surface: one.created_at_us for surface, one in status.models.items()}
        self._insights.note(now_us, status.lag_s, made_us)
        write_status(self._directory, status)
        self._insights.tell(now_us, status.log_clock_us)

    def status(self, now_us: int) -> LearnerStatus:
        """Return what there is to tell."""
        clock_us = self._merge.clock_us
        low, held = self._room.why(), self._engines.held(caught_up=self._caught_up)
        return LearnerStatus(
            pid=os.getpid(),
            updated_at_us=now_us,
            log_clock_us=clock_us,
            lag_s=max(0, now_us - clock_us) / MICROSECONDS if clock_us else 0.0,
            joined=self._joiner.counts,
            open_decisions=self._joiner.waiting,
            learned=self._counts,
            dead_letters=len(self._dead),
            rejections=self._rejections,
            last_rejection=self._last_rejection,
            models=self._engines.published,
            held_models=dict.fromkeys(SURFACES, low) if low else held,
            unreadable_spools=dict(self._merge.unreadable),
            log_holds_from_us=self._merge.holds_from_us(),
            alarms=self._insights.alarms(),
        )

    def run(self, stop: threading.Event) -> None:
        """Learn until told to stop; then take up what is there, checkpoint and publish."""
        while not stop.is_set():
            wait_s = self._attempt(last=False)
            if wait_s:
                stop.wait(wait_s)
        self._attempt(last=True)

    def _attempt(self, *, last: bool) -> float:
        """Do one step and keep house; return how long to wait before the next, in seconds."""
        now_us = self._clock.now_us()
        try:
            report = self.step(now_us)
            if last:
                self.publish(now_us)
                self.checkpoint(now_us)
                self.tell(now_us)
            else:
                self.keep_house(now_us, changed=not report.idle)
        except (MarqueeError, OSError) as error:
            self._reject("step", str(error), now_us)
            with contextlib.suppress(OSError):
                self.tell(now_us)
            return _RETRY_S
        return self._config.learner.idle_wait_s if report.idle else 0.0

    def _reject(self, what: str, why: str, now_us: int) -> None:
        self._rejections += 1
        self._last_rejection = Rejection(what, why, now_us)
        _log.warning("rejected", what=what, why=why)


def _is_due(now_us: int, last_us: int, interval_us: int) -> bool:
    """Tell whether an interval is over; a clock that stepped back does not stretch it."""
    return now_us - last_us >= interval_us or now_us < last_us
