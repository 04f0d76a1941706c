"""What the service does, without HTTP: decide and log, take feedback, change what is served."""

from __future__ import annotations

import uuid
from hashlib import blake2b
from time import perf_counter

import msgspec
import structlog

from bandit.catalog import CatalogDocument, CatalogPatch, CatalogStore, apply_patch
from bandit.clock import Clock
from bandit.config.schema import Config
from bandit.errors import (
    CatalogConflictError,
    DecisionConflictError,
    LogError,
    LogUnavailableError,
)
from bandit.eventlog.protocol import EventReader, EventWriter
from bandit.events import ActivationRecord, DecisionRecord, feedback_key
from bandit.metrics import Metrics
from bandit.policy import Decision, Policy
from bandit.snapshots import SnapshotStore
from server.answers import feedback_record, rank_answer
from server.run_directory import is_draining
from server.serving import ServingState
from server.snapshot_admin import activate_snapshot, list_snapshots
from server.status import StatusAnswer, status_answer
from server.tokens import TokenSigner
from server.wire import (
    CatalogAnswer,
    FeedbackEvent,
    RankAnswer,
    RankRequest,
    SnapshotsAnswer,
    SnapshotSummary,
)

log = structlog.get_logger()

_canonical = msgspec.msgpack.Encoder(order="sorted")


class Service:
    """One worker's service. All methods may be called from several threads at once."""

    def __init__(
        self,
        config: Config,
        *,
        writer: EventWriter,
        reader: EventReader,
        catalogs: CatalogStore,
        snapshots: SnapshotStore,
        serving: ServingState,
        tokens: TokenSigner,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self.config = config
        self.metrics = metrics
        self._policy = Policy(config)
        self._writer = writer
        self._reader = reader
        self._catalogs = catalogs
        self._snapshots = snapshots
        self._serving = serving
        self._tokens = tokens
        self._clock = clock

    def rank(self, request: RankRequest) -> RankAnswer:
        """Decide a page and log the decision.

        Raises:
            PageError: the page cannot be decided as it stands.
            DecisionConflictError: the decision id was used before with another body.
        """
        digest = b""
        if request.decision_id is not None:
            digest = blake2b(_canonical.encode(request), digest_size=16).digest()
            made_before = self._made_before(request.decision_id)
            if made_before is not None:
                return self._repeat(made_before, digest)
        started = perf_counter()
        decision = self._policy.decide(
            request,
            decision_id=request.decision_id or uuid.uuid4().hex,
            now_us=self._clock.now_us(),
            serving=self._serving.current,
            body_digest=digest,
            deferred=request.defer,
        )
        decided = perf_counter()
        record = decision.record
        logged, stored = self._log_decision(record)
        self._count(decision, decided - started, perf_counter() - decided)
        if not stored:
            # Another request with the same id was quicker; its decision is the one that counts.
            first = self._made_before(record.decision_id)
            if first is not None:
                return self._repeat(first, digest)
        return rank_answer(record, self._token(record), logged=logged)

    def _made_before(self, decision_id: str) -> DecisionRecord | None:
        """Return what is logged under a decision id; None also where the log cannot be read.

        A page is worth more than the notice that its id was used before.
        """
        try:
            return self._reader.find_decision(decision_id)
        except LogError as error:
            log.warning("log cannot be read", decision_id=decision_id, why=str(error))
            return None

    def _repeat(self, record: DecisionRecord, digest: bytes) -> RankAnswer:
        if record.body_digest != digest:
            raise DecisionConflictError(record.decision_id)
        return rank_answer(record, self._token(record), logged=True)

    def _token(self, record: DecisionRecord) -> str:
        return self._tokens.sign(record.decision_id, record.decided_at_us)

    def _log_decision(self, record: DecisionRecord) -> tuple[bool, bool]:
        """Log a decision; return whether it is in the log, and whether it is the first of its id.

        A page is never refused because the log cannot take it.
        """
        settings = self.config.log
        try:
            pending = self._writer.append([record])
            if settings.rank_waits_for_commit:
                return True, pending.wait(settings.commit_timeout_s)[0]
        except LogUnavailableError as error:
            self.metrics.count("marquee_decisions_unlogged_total", "unavailable")
            log.warning("decision not logged", decision_id=record.decision_id, why=str(error))
            return False, True
        return True, True

    def _count(self, decision: Decision, decide_s: float, log_s: float) -> None:
        shares = decision.record.shares
        self.metrics.observe("marquee_stage_seconds", "decide", value=decide_s)
        self.metrics.observe("marquee_stage_seconds", "log", value=log_s)
        share = shares["artwork" if decision.record.titles else "rows"]
        self.metrics.count("marquee_decisions_total", share)
        self.metrics.count("marquee_titles_decided_total", by=len(decision.record.titles))
        self.metrics.set("marquee_log_queue_records", to=self._writer.queue_depth())
        for surface, bits in decision.entropy_bits.items():
            self.metrics.observe("marquee_entropy_bits", surface, value=bits)
        for surface in decision.unusable:
            self.metrics.count("marquee_model_unusable_total", surface)

    def feedback(self, events: list[FeedbackEvent]) -> tuple[int, int]:
        """Make feedback events durable; return how many are new and how many were known.

        Raises:
            LogUnavailableError: they could not be stored; the client may send them again.
        """
        keys = [feedback_key(event.event_id) for event in events]
        known = self._known(keys)
        new = [
            feedback_record(event)
            for key, event in zip(keys, events, strict=True)
            if key not in known
        ]
        stored = 0
        if new:
            pending = self._writer.append(new)
            stored = sum(pending.wait(self.config.log.commit_timeout_s))
        duplicates = len(events) - stored
        self.metrics.count("marquee_feedback_total", "accepted", by=stored)
        self.metrics.count("marquee_feedback_total", "duplicate", by=duplicates)
        return stored, duplicates

    def _known(self, keys: list[str]) -> set[str]:
        """Return which keys are in the log; none where it cannot be read.

        The learner takes an event once, however often it is stored.
        """
        try:
            return self._reader.known_keys(keys)
        except LogError as error:
            log.warning("log cannot be read", why=str(error))
            return set()

    def activate(self, decision_id: str) -> None:
        """Note durably that a deferred decision was shown.

        Raises:
            LogUnavailableError: it could not be stored; the client may call again.
        """
        pending = self._writer.append([ActivationRecord(decision_id=decision_id)])
        pending.wait(self.config.log.commit_timeout_s)

    def verify_token(self, token: str, decision_id: str) -> None:
        """Check that a token is ours, for this decision, and of this time.

        Raises:
            TokenError: saying what is wrong with it.
        """
        self._tokens.verify(token, decision_id, self._clock.now_us())

    def catalog_document(self) -> tuple[str, CatalogDocument]:
        """Return the version of the catalog being served and what it says.

        Raises:
            CatalogError: the stored version was damaged since it was loaded.
        """
        version = self._serving.current.catalog.version
        return version, self._catalogs.document(version)

    def put_catalog(self, document: CatalogDocument, if_match: str | None = None) -> CatalogAnswer:
        """Replace the catalog, whole.

        Raises:
            CatalogError: the new catalog is wrong.
            CatalogConflictError: the current version is not ``if_match``.
        """
        if if_match is not None:
            return self._swapped(self._catalogs.replace(if_match, document))
        version = self._catalogs.save(document)
        self._catalogs.set_current(version)
        return self._swapped(version)

    def patch_catalog(self, patch: CatalogPatch, if_match: str | None = None) -> CatalogAnswer:
        """Change parts of the catalog.

        Raises:
            CatalogError: the patch, or what it makes of the catalog, is wrong.
            CatalogConflictError: the current version is not ``if_match``.
        """
        if if_match is None:
            return self._swapped(self._catalogs.patch(patch))
        current = self._catalogs.current()
        if current != if_match:
            raise CatalogConflictError(if_match, current)
        changed = apply_patch(self._catalogs.document(if_match), patch)
        return self._swapped(self._catalogs.replace(if_match, changed))

    def _swapped(self, version: str) -> CatalogAnswer:
        before = self._serving.current.catalog.version
        self._serving.refresh()
        catalog = self._serving.current.catalog
        return CatalogAnswer(
            version=version,
            titles=len(catalog.title_ids),
            artworks=len(catalog.artwork_ids),
            rows=len(catalog.row_ids),
            changed=before != version,
        )

    def status(self) -> StatusAnswer:
        """Answer the question whether it is learning."""
        return status_answer(
            self.config,
            self._serving.current,
            self._serving.last_rejection,
            self._snapshots,
            self.metrics,
            self._clock.now_us(),
        )

    def snapshots(self) -> SnapshotsAnswer:
        """List the kept snapshots, newest first."""
        return list_snapshots(self._snapshots)

    def activate_snapshot(self, version: str) -> SnapshotSummary:
        """Serve a kept snapshot from now on; the newest is followed again once it is activated.

        Raises:
            SnapshotError: there is no such snapshot, or it is damaged.
        """
        summary = activate_snapshot(self._snapshots, version)
        self._serving.refresh()
        return summary

    def not_ready(self) -> list[str]:
        """Return why requests had better go elsewhere; nothing if this worker is ready."""
        return ["the server is stopping"] if is_draining(self.config) else []

    def close(self) -> None:
        """Make everything durable and let go of all files."""
        self._serving.close()
        self._writer.close()
        self._reader.close()
