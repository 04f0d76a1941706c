"""How the challenger does, and promoting and demoting it: for the API and the command line alike.

All of it is told by files, so that it works with and without a service running.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from bandit.challenger.evidence import Evidence, read_evidence
from bandit.challenger.line_file import LineFile, Move, ServingLine
from bandit.challenger.moving import move_by_hand
from bandit.clock import MICROSECONDS
from bandit.config.overlay import Challenger
from bandit.config.schema import Config
from bandit.errors import ChallengerError
from bandit.metrics import Metrics
from bandit.policy import Policy
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, SnapshotStore
from bandit.status import LearnerStatus, read_status
from bandit.types import LineName
from server.challenger_wire import ChallengerAnswer, ChallengerReport, LineMove
from server.run_directory import CHALLENGER, given_up
from server.serving import Contender

HISTORY_MAX: Final = 100
"""Most moves that are told, the newest."""

SILENT_AFTER_S: Final = 10.0
"""A challenger that has not reported for so long is taken to be down or stuck."""

_HOW_TO: Final = "name a file of what it does otherwise in challenger.config; docs/challenger.md"


class ChallengerAdmin:
    """Tells of one configuration's challenger, and moves it."""

    def __init__(
        self, config: Config, challenger: Challenger | None, snapshots: SnapshotStore
    ) -> None:
        """Take what is configured; ``snapshots`` are the champion's.

        Raises:
            ConfigError: the keys that sign snapshots cannot be read.
        """
        self._config = config
        self._challenger = challenger
        self._directory = Path(config.challenger.directory)
        self._stores: dict[LineName, SnapshotStore] = {"champion": snapshots}
        self.policies: dict[LineName, Policy] = {"champion": Policy(config)}
        self.contender: Contender | None = None
        """The challenger as workers serve it."""
        if challenger is not None:
            directory = challenger.config.snapshots.directory
            own = FileSnapshotStore(directory, snapshot_keys(config))
            self._stores["challenger"] = own
            self.policies["challenger"] = Policy(challenger.config)
            self.contender = Contender(own, LineFile(self._directory), challenger.overlay)

    def answer(self, now_us: int) -> ChallengerAnswer:
        """Return what is known.

        Raises:
            OSError: the files cannot be read now.
        """
        challenger = self._challenger
        if challenger is None:
            return ChallengerAnswer(
                configured=False, verdict=f"there is no challenger; to have one, {_HOW_TO}"
            )
        lines = LineFile(self._directory)
        hindrance = self._hindrance(challenger, now_us)
        pointer = ServingLine()
        try:
            pointer = lines.read()
        except ChallengerError as error:
            hindrance = hindrance or str(error)
        serving = pointer.serves(challenger.overlay)
        told = read_evidence(self._directory)
        if told is None or (told.overlay, told.number) != (challenger.overlay, pointer.number):
            told = Evidence.of_nothing(serving, challenger.overlay)
        status = read_status(Path(challenger.config.learner.directory))
        return ChallengerAnswer(
            configured=True,
            serving=serving,
            changes=challenger.changes,
            decisions=told.decisions,
            unjudged=told.unjudged,
            since=told.since_us / MICROSECONDS if told.since_us else None,
            champion=told.champion,
            challenger=told.challenger,
            lift=told.lift,
            verdict=told.verdict if hindrance is None else f"{hindrance}; {told.verdict}",
            history=[_told(move) for move in lines.history()[: -HISTORY_MAX - 1 : -1]],
            lag_s=_lag_s(status, now_us),
        )

    def move(self, now_us: int, *, promotes: bool) -> ChallengerAnswer:
        """Promote or demote the challenger by hand.

        Raises:
            ChallengerError: there is none, it cannot serve yet, or nothing would change.
            OSError: the files cannot be written; what serves stays.
        """
        if self._challenger is None:
            raise ChallengerError("there is no challenger", hint=_HOW_TO)
        move_by_hand(self._directory, self._challenger, self._stores, now_us, promotes=promotes)
        return self.answer(now_us)

    def report(self, now_us: int) -> ChallengerReport | None:
        """Return the answer in short, None where there is no challenger or nothing can be read."""
        if self._challenger is None:
            return None
        try:
            answer = self.answer(now_us)
        except OSError:
            return None
        return ChallengerReport(answer.serving, answer.verdict)

    def measure(self, metrics: Metrics, now_us: int) -> None:
        """Set the gauges that tell of the challenger, where there is one and it can be read."""
        if self._challenger is None:
            return
        metrics.set("marquee_challenger_given_up", to=CHALLENGER in given_up(self._config))
        try:
            answer = self.answer(now_us)
        except OSError:
            return
        metrics.set("marquee_challenger_serving", to=answer.serving == "challenger")
        metrics.set("marquee_challenger_decisions", to=answer.decisions)
        lag_s, lift = answer.lag_s, answer.lift
        metrics.set("marquee_challenger_lag_seconds", to=math.nan if lag_s is None else lag_s)
        for bound, value in (("value", lift.value), ("low", lift.low), ("high", lift.high)):
            metrics.set("marquee_challenger_lift", bound, to=math.nan if value is None else value)

    def _hindrance(self, challenger: Challenger, now_us: int) -> str | None:
        """Return what keeps the challenger from learning, None if nothing does."""
        if CHALLENGER in given_up(self._config):
            return (
                "the challenger's learner died again and again and was given up: its log says why; "
                "mend that, and send SIGHUP to `marquee serve` to try it again"
            )
        status = read_status(Path(challenger.config.learner.directory))
        if status is None:
            return "the challenger's learner has not reported yet; `marquee serve` runs one"
        silent_s = (now_us - status.updated_at_us) / MICROSECONDS
        if silent_s > SILENT_AFTER_S:
            return f"the challenger's learner has been silent for {silent_s:.0f} s"
        told = read_evidence(self._directory)
        if told is not None and told.overlay != challenger.overlay:
            return "the challenger's file is another one than that it learns by: send SIGHUP"
        return None


def _told(move: Move) -> LineMove:
    return LineMove(
        at=move.at_us / MICROSECONDS,
        what=move.what,
        by=move.by,
        evidence=move.evidence,
        snapshots=move.snapshots,
        changes=move.changes,
    )


def _lag_s(status: LearnerStatus | None, now_us: int) -> float | None:
    if status is None or not status.log_clock_us:
        return None
    return max(0.0, (now_us - status.log_clock_us) / MICROSECONDS)
