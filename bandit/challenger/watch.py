"""Looks on while the challenger learns: judges each outcome before it is learned, and moves lines.

What judges is settled when a checkpoint is saved: the snapshots by which pages are
judged until the next one have learned nothing that closes later, since their manifests say how far
the log was learned, and they are named in the checkpoint. After a crash the same outcomes are
judged again by the same snapshots, and each counts once, as it is learned once.

The gate is asked at the same time. A move is in the history before it happens, and evidence begins
anew with what is decided later, so that all of it is about pages that one line served.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import structlog

from bandit.challenger import gate
from bandit.challenger.evidence import Evidence, KeptEvidence, weighed, write_evidence
from bandit.challenger.held import HeldSnapshots
from bandit.challenger.judge import Judge
from bandit.challenger.line_file import By, LineFile
from bandit.challenger.moving import has_models, make_move, served_versions
from bandit.config.overlay import Challenger
from bandit.config.schema import Config
from bandit.errors import MarqueeError, SnapshotError
from bandit.joiner import Outcome
from bandit.serving import ServedModel
from bandit.snapshots import SnapshotStore
from bandit.types import LINES, LineName

_log = structlog.get_logger(__name__)


class Watch:
    """The onlooker of a challenger's learner."""

    def __init__(
        self,
        config: Config,
        challenger: Challenger,
        judge: Judge,
        held: HeldSnapshots,
        stores: dict[LineName, SnapshotStore],
    ) -> None:
        """Find out which line serves.

        Raises:
            OSError: the challenger's directory cannot be written.
        """
        self._config = config
        self._challenger = challenger
        self._judge = judge
        self._held = held
        self._stores = stores
        self._directory = Path(config.challenger.directory)
        self._lines = LineFile(self._directory)
        self._lines.finish()
        self._about = _digest(config, challenger)
        self._is_judged = any(
            path.startswith(("surfaces.artwork.", "reward.")) for path in challenger.changes
        )
        self._models: dict[LineName, ServedModel] = {}
        self._before: dict[LineName, str] = {}
        self.restore(b"")

    def restore(self, memo: bytes) -> None:
        """Go on from what a checkpoint holds, from nothing where that is about something else."""
        self._pointer = self._lines.finish()
        self._sums, self._unjudged = gate.no_pages(), 0
        self._models = {}
        kept = _decoded(memo)
        if kept is None:
            return
        if kept.about == self._about and kept.number == self._pointer.number:
            self._sums, self._unjudged = kept.as_sums(), kept.unjudged
        for line, version in kept.judged_by.items():
            try:
                self._models[line] = self._held.load(line, version)
            except (SnapshotError, OSError) as error:
                _log.warning("judged by the next snapshot", line=line, why=str(error))

    def memo(self) -> bytes:
        """Return what :meth:`restore` goes on from."""
        kept = KeptEvidence(
            about=self._about,
            number=self._pointer.number,
            pages=self._sums.pages,
            unjudged=self._unjudged,
            sums=[each.tolist() for each in self._sums[1:]],
            judged_by=self._versions(),
        )
        return msgspec.msgpack.encode(kept)

    def look(self, outcome: Outcome) -> None:
        """Judge an outcome that is about to be learned.

        Raises:
            OSError: a catalog cannot be read now.
        """
        if outcome.decided_at_us <= self._pointer.since_us:
            return
        if not self._judge.concerns(outcome.decision):
            return
        if len(self._models) < len(LINES):
            self._unjudged += 1
            return
        try:
            value = self._judge.value(outcome, self._models)
        except MarqueeError as error:
            self._unjudged += 1
            _log.warning("not judged", decision_id=outcome.decision.decision_id, why=str(error))
            return
        self._sums = gate.with_page(self._sums, *map(np.asarray, value))

    def settle(self, log_clock_us: int, now_us: int) -> None:
        """Ask the gate, choose what judges from here on, and tell: a checkpoint is to be saved.

        Raises:
            OSError: the challenger's directory cannot be written.
        """
        self._follow(now_us)
        evidence = self.evidence(now_us)
        if evidence.wants_move and self._config.challenger.promotion:
            self._move(evidence, "gate", now_us)
            evidence = self.evidence(now_us)
        self._renew(log_clock_us)
        write_evidence(self._directory, evidence)

    def evidence(self, now_us: int) -> Evidence:
        """Return what is known."""
        serving = self._pointer.serves(self._challenger.overlay)
        moves, clip, (champion, challenger, lift), verdict = weighed(
            self._sums, self._config.challenger, serving=serving, is_judged=self._is_judged
        )
        return Evidence(
            at_us=now_us,
            since_us=self._pointer.since_us,
            number=self._pointer.number,
            overlay=self._challenger.overlay,
            serving=serving,
            decisions=self._sums.pages,
            unjudged=self._unjudged,
            champion=champion,
            challenger=challenger,
            lift=lift,
            clip=float(gate.CLIPS[clip]),
            wants_move=moves,
            verdict=verdict,
            judged_by=self._versions(),
            snapshots={line: served_versions(store) for line, store in self._stores.items()},
        )

    def _follow(self, now_us: int) -> None:
        """Take note of a move by hand, and of a promoted line that is another one by now."""
        pointer = self._lines.finish()
        if pointer.line == "challenger" and pointer.overlay != self._challenger.overlay:
            self._move(self.evidence(now_us), "config", now_us)
        elif pointer != self._pointer:
            self._begin_anew()

    def _move(self, evidence: Evidence, by: By, now_us: int) -> None:
        promotes = by == "gate" and evidence.serving == "champion"
        if promotes and not has_models(evidence.snapshots):
            return
        wanted = make_move(self._challenger, evidence, by, now_us, promotes=promotes)
        self._lines.move(wanted, evidence.serving)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._pointer = self._lines.finish()
        self._sums, self._unjudged = gate.no_pages(), 0

    def _renew(self, log_clock_us: int) -> None:
        """Judge by newer snapshots if there are any; those of the checkpoint before stay held."""
        before = self._versions()
        for line in LINES:
            version = self._held.newest(line, log_clock_us)
            if version is None:
                # Those of that time are gone. The one that is held is older than what the line
                # served then, and would make it look worse than it is.
                self._models.pop(line, None)
                continue
            if version == before.get(line):
                continue
            try:
                self._held.hold(line, version)
                self._models[line] = self._held.load(line, version)
            except (SnapshotError, FileNotFoundError) as error:
                _log.warning("judged by the snapshot before", line=line, why=str(error))
        after = self._versions()
        for line in LINES:
            needed = [each[line] for each in (self._before, before, after) if line in each]
            self._held.let_go(line, needed)
        self._before = before

    def _versions(self) -> dict[LineName, str]:
        return {line: model.version for line, model in self._models.items()}


def _decoded(memo: bytes) -> KeptEvidence | None:
    try:
        return msgspec.msgpack.decode(memo, type=KeptEvidence) if memo else None
    except msgspec.DecodeError:
        return None


def _digest(config: Config, challenger: Challenger) -> str:
    """Return what changes when evidence of before is about something else."""
    gate_settings = config.challenger
    about = (
        config.surfaces,
        config.reward,
        challenger.config.surfaces,
        challenger.config.reward,
        gate_settings.margin,
        gate_settings.false_promotion_rate,
        gate.Sums._fields,
    )
    return hashlib.sha256(msgspec.json.encode(about, order="sorted")).hexdigest()[:16]
