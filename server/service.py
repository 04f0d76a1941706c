"""What the service does, without HTTP: decide and log, take feedback, change what is served."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from bandit.catalog import CatalogDocument, CatalogPatch, CatalogStore
from bandit.clock import Clock
from bandit.config.schema import Config
from bandit.disk_room import DiskRoom
from bandit.errors import LogError
from bandit.eventlog.protocol import EventReader, EventWriter
from bandit.events import ActivationRecord, feedback_key
from bandit.metrics import Metrics
from bandit.snapshots import SnapshotStore
from bandit.types import Surface
from bandit.viewer_ids import ViewerIds
from server.answers import feedback_record
from server.catalog_admin import CatalogAdmin, EncodingName, UndecodedBody
from server.challenger_admin import ChallengerAdmin
from server.challenger_wire import ChallengerAnswer
from server.cluster_words import why_not_caught_up
from server.config_telling import config_answer
from server.config_wire import ConfigAnswer
from server.explain_wire import ExplainAnswer, WeightsAnswer
from server.explainer import Explainer
from server.insights import InsightsDesk
from server.insights_wire import InsightsAnswer, TitleInsightsAnswer
from server.page_ranker import PageRanker
from server.run_directory import LEARNER, config_sources, given_up, is_draining
from server.serving import ServingState
from server.snapshot_admin import activate_snapshot, list_snapshots
from server.state_disk import disk
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
        explainer: Explainer,
        challenger: ChallengerAdmin,
    ) -> None:
        self.config = config
        self.metrics = metrics
        self._ranker = PageRanker(
            challenger.policies,
            serving,
            config.log,
            writer=writer,
            reader=reader,
            tokens=tokens,
            clock=clock,
            metrics=metrics,
            viewers=ViewerIds.from_config(config),
        )
        self._writer = writer
        self._reader = reader
        room = DiskRoom(Path(config.catalog.directory), config.log.disk_free_bytes_min)
        self._catalog = CatalogAdmin(catalogs, serving, room, metrics)
        self._snapshots = snapshots
        self._insights = InsightsDesk(config)
        self._serving = serving
        self._tokens = tokens
        self._clock = clock
        self._explainer = explainer
        self._challenger = challenger

    def rank(self, request: RankRequest) -> RankAnswer:
        """Decide a page and log the decision.

        Raises:
            PageError: the page cannot be decided as it stands.
            DecisionConflictError: the decision id was used before with another body.
        """
        return self._ranker.rank(request)

    def rank_batch(self, requests: Sequence[RankRequest]) -> list[RankAnswer | Exception]:
        """Decide several pages and log the decisions together; tell of each what :meth:`rank` does.

        Errors are returned in their pages' places.
        """
        return self._ranker.rank_batch(requests)

    def ranks_at_once(self) -> bool:
        """Tell whether a page asked for now would be answered without waiting for the log."""
        return not self.config.log.rank_waits_for_commit and self._writer.takes_at_once()

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

    def explain(self, decision_id: str) -> ExplainAnswer:
        """Explain a decision, just answered or logged; errors are those of :class:`Explainer`."""
        return self._explainer.explain(decision_id, self._writer.uncommitted)

    def weights(self, surface: Surface) -> WeightsAnswer:
        """Return the weights that matter most; errors are those of :class:`Explainer`."""
        return self._explainer.weights(surface)

    def verify_token(self, token: str, decision_id: str) -> None:
        """Check that a token is ours, for this decision, and of this time.

        Raises:
            TokenError: saying what is wrong with it.
        """
        self._tokens.verify(token, decision_id, self._clock.now_us())

    def catalog_document(self, encoding: EncodingName) -> tuple[str, CatalogDocument | bytes]:
        """Return the version of the catalog being served and what it says; if large, encoded.

        Raises:
            StateUnavailableError: it cannot be read now, or was damaged since it was loaded.
        """
        return self._catalog.document(encoding)

    def put_catalog(
        self, asked: CatalogDocument | UndecodedBody, if_match: str | None = None
    ) -> CatalogAnswer:
        """Replace the catalog, whole; errors are those of :meth:`CatalogAdmin.put`."""
        return self._catalog.put(asked, if_match)

    def patch_catalog(
        self, asked: CatalogPatch | UndecodedBody, if_match: str | None = None
    ) -> CatalogAnswer:
        """Change parts of the catalog; errors are those of :meth:`CatalogAdmin.put`."""
        return self._catalog.patch(asked, if_match)

    def status(self) -> StatusAnswer:
        """Answer the question whether it is learning."""
        return status_answer(
            self.config,
            self._serving.current,
            self._serving.last_rejection,
            self._snapshots,
            self.metrics,
            self._clock.now_us(),
            not_logging=self._writer.short_of_room(),
            challenger=self._challenger.report(self._clock.now_us()),
        )

    def insights(self) -> InsightsAnswer:
        """Tell how it goes: of late, all in all, and whether anything drifts."""
        return self._insights.answer(self._clock.now_us())

    def title_insights(self, title: str) -> TitleInsightsAnswer:
        """Tell of a title's artworks.

        Raises:
            NoSuchFiguresError: it is not counted singly.
        """
        return self._insights.title(title)

    def reset_alarms(self) -> None:
        """Let the drift alarms begin anew.

        Raises:
            StateUnavailableError: the order cannot be written now.
        """
        self._insights.reset_alarms()

    def snapshots(self) -> SnapshotsAnswer:
        """List the kept snapshots, newest first.

        Raises:
            StateUnavailableError: the store cannot be read now.
        """
        with disk():
            return list_snapshots(self._snapshots)

    def activate_snapshot(self, version: str) -> SnapshotSummary:
        """Serve a kept snapshot from now on; the newest is followed again once it is activated.

        Raises:
            SnapshotError: there is no such snapshot, or it is damaged.
            SnapshotUnavailableError: the store cannot be changed now.
            StateUnavailableError: the store cannot be read now.
        """
        with disk():
            summary = activate_snapshot(self._snapshots, version)
        self._serving.refresh_models(anew=True)
        return summary

    def config_in_force(self) -> ConfigAnswer:
        """Tell every key of the configuration, and where its value comes from."""
        return config_answer(self.config, config_sources(self.config))

    def challenger(self) -> ChallengerAnswer:
        """Tell how the challenger does, and which line serves.

        Raises:
            StateUnavailableError: the state cannot be read now.
        """
        with disk():
            return self._challenger.answer(self._clock.now_us())

    def move_challenger(self, *, promotes: bool) -> ChallengerAnswer:
        """Promote or demote the challenger by hand.

        Raises:
            ChallengerError: there is none, it cannot serve yet, or nothing would change.
            StateUnavailableError: the state cannot be changed now.
        """
        with disk():
            answer = self._challenger.move(self._clock.now_us(), promotes=promotes)
        self._serving.refresh_models(anew=True)
        return answer

    def is_spent(self) -> bool:
        """Tell whether this worker's log takes nothing any more, which only a new worker mends."""
        return not self._writer.is_alive()

    def refresh_metrics(self) -> None:
        """Set the gauges of what only files tell, before they are read."""
        is_given_up = LEARNER in given_up(self.config)
        self.metrics.set("marquee_learner_given_up", to=is_given_up)
        self._challenger.measure(self.metrics, self._clock.now_us())

    def not_ready(self) -> list[str]:
        """Return why requests had better go elsewhere; nothing if this worker is ready."""
        reasons = []
        if is_draining(self.config):
            reasons.append("the server is stopping")
        if not self._writer.is_alive():
            reasons.append("this worker's event log takes no records any more")
        elif held_up := self._writer.held_up():
            reasons.append(f"this worker's event log is held up: {held_up}")
        behind = why_not_caught_up(self.config, self._serving.current.catalog.version)
        if behind is not None:
            reasons.append(behind)
        return reasons

    def close(self) -> None:
        """Make everything durable and let go of all files."""
        self._serving.close()
        self._writer.close()
        self._reader.close()
        self._explainer.close()
