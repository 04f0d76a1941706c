"""A stand-in for the service, for tests of the HTTP edge alone: encodings, errors, keys, bodies.

It decides nothing: the first artwork of each inline title, rows in the order asked. What the real
service does is tested with the real service.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import structlog
from flask import Flask

from bandit.catalog import CatalogDocument, CatalogPatch
from bandit.config.schema import Config
from bandit.errors import (
    CatalogConflictError,
    ChallengerError,
    DecisionConflictError,
    LogUnavailableError,
    PageError,
    SnapshotError,
)
from bandit.explained import NamedWeight, Rewards
from bandit.metrics import Metrics
from bandit.types import Surface, Title
from server.app import create_app
from server.challenger_wire import ChallengerAnswer
from server.config_telling import config_answer
from server.config_wire import ConfigAnswer
from server.errors import NoSuchDecisionError
from server.explain_wire import ExplainAnswer, ExplainedFeedback, WeightsAnswer
from server.insights import InsightsDesk
from server.insights_wire import InsightsAnswer, TitleInsightsAnswer
from server.prometheus import PrometheusMetrics
from server.service import Service
from server.tokens import TokenSigner
from server.wire import (
    CatalogAnswer,
    FeedbackEvent,
    RankAnswer,
    RankedRow,
    RankedTitle,
    RankRequest,
    SnapshotsAnswer,
    SnapshotSummary,
)

NOW_US = 1_700_000_000_000_000
VERSION = "c0123456789abcdef"
SNAPSHOT = SnapshotSummary("artwork-000001", "artwork", 1.5, 10, 2048, active=True, pinned=False)


class EdgeService:
    """Answers every call of the edge at once, and remembers what it was given."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.metrics: Metrics = PrometheusMetrics()
        self.tokens = TokenSigner(
            [b"key-one-key-one-"], tenant="default", age_max_s=60.0, leeway_s=10.0
        )
        self.now_us = NOW_US
        self.events: list[FeedbackEvent] = []
        self.activated: list[str] = []
        self.reasons: list[str] = []
        self.bodies: dict[str, RankRequest] = {}
        self.document = CatalogDocument([])
        self.full = False
        self.alarms_reset = 0

    def rank(self, request: RankRequest) -> RankAnswer:
        decision_id = request.decision_id or f"made-here-{len(self.bodies)}"
        if decision_id == "crash":
            raise ZeroDivisionError("secret inside")
        if self.bodies.setdefault(decision_id, request) != request:
            raise DecisionConflictError(decision_id)
        if not request.rows and not request.titles:
            raise PageError("rows", "the page is empty", hint="send rows or titles")
        return RankAnswer(
            decision_id=decision_id,
            token=self.tokens.sign(decision_id, self.now_us),
            share="learned",
            catalog=VERSION,
            snapshots={"artwork": "artwork-000001"},
            rows=[
                RankedRow(row.id, place, 0.5, [_first(title) for title in row.titles])
                for place, row in enumerate(request.rows)
            ],
            titles=[_first(title) for title in request.titles],
        )

    def rank_batch(self, requests: Sequence[RankRequest]) -> list[RankAnswer | Exception]:
        answers: list[RankAnswer | Exception] = []
        for request in requests:
            try:
                answers.append(self.rank(request))
            except Exception as error:  # noqa: BLE001 - told in its page's place
                answers.append(error)
        return answers

    def feedback(self, events: list[FeedbackEvent]) -> tuple[int, int]:
        if self.full:
            raise LogUnavailableError("the disk is full", hint="free some space")
        known = {event.event_id for event in self.events}
        new = {event.event_id: event for event in events if event.event_id not in known}
        self.events.extend(new.values())
        return len(new), len(events) - len(new)

    def activate(self, decision_id: str) -> None:
        self.activated.append(decision_id)

    def explain(self, decision_id: str) -> ExplainAnswer:
        if decision_id == "never":
            raise NoSuchDecisionError(f"no decision {decision_id!r}", hint="rank a page first")
        return ExplainAnswer(
            decision_id=decision_id,
            decided_at=self.now_us / 1e6,
            share={"artwork": "learned"},
            policy="greedy+greedy",
            catalog=VERSION,
            snapshots={"artwork": SNAPSHOT.version},
            context={},
            exact=True,
            notes=[],
            titles=[],
            rows=[],
            feedback=ExplainedFeedback(complete=True, events=[], state="open"),
            rewards=Rewards(),
        )

    def weights(self, surface: Surface) -> WeightsAnswer:
        weight = NamedWeight("title.year", 0.5, 0.1)
        return WeightsAnswer(
            surface=surface, snapshot=SNAPSHOT.version, weights=[weight], named=1, unnamed=0
        )

    def verify_token(self, token: str, decision_id: str) -> None:
        self.tokens.verify(token, decision_id, self.now_us)

    def catalog_document(self, _encoding: str) -> tuple[str, CatalogDocument]:
        return VERSION, self.document

    def put_catalog(self, document: CatalogDocument, if_match: str | None) -> CatalogAnswer:
        if if_match not in (None, VERSION):
            raise CatalogConflictError(if_match, VERSION)
        self.document = document
        return CatalogAnswer(VERSION, len(document.titles), 0, len(document.rows), changed=True)

    def patch_catalog(self, patch: CatalogPatch, if_match: str | None) -> CatalogAnswer:
        return self.put_catalog(CatalogDocument(patch.titles, patch.rows), if_match)

    def status(self) -> dict[str, float]:
        return {"events_learned": 3}

    def insights(self) -> InsightsAnswer:
        return InsightsDesk(self.config).answer(self.now_us)

    def title_insights(self, title: str) -> TitleInsightsAnswer:
        if title == "never":
            return InsightsDesk(self.config).title(title)
        return TitleInsightsAnswer(id=title, artworks=[])

    def reset_alarms(self) -> None:
        self.alarms_reset += 1

    def snapshots(self) -> SnapshotsAnswer:
        return SnapshotsAnswer([SNAPSHOT])

    def activate_snapshot(self, version: str) -> SnapshotSummary:
        if version != SNAPSHOT.version:
            raise SnapshotError(f"there is no snapshot {version!r}", hint="list them")
        return SNAPSHOT

    def config_in_force(self) -> ConfigAnswer:
        return config_answer(self.config, {"server.port": "marquee.toml"})

    def challenger(self) -> ChallengerAnswer:
        return ChallengerAnswer(configured=False, verdict="there is none")

    def move_challenger(self, *, promotes: bool) -> ChallengerAnswer:
        raise ChallengerError(f"there is none: {promotes}", hint="configure one")

    def not_ready(self) -> list[str]:
        return self.reasons

    def refresh_metrics(self) -> None:
        """Nothing is measured anew here."""


def _first(title: str | Title) -> RankedTitle:
    if isinstance(title, str):
        return RankedTitle(title, "first", 1.0)
    return RankedTitle(title.id, title.artworks[0].id, 1.0 / len(title.artworks))


def edge_app(service: EdgeService) -> Flask:
    return create_app(cast("Service", service))


def served_app() -> Flask:
    """What gunicorn loads; its log lines go nowhere."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    return edge_app(EdgeService())
