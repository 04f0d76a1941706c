"""From rank requests to answers: decide, log, and answer a repeated request as the first time.

The way of a page, in the order of this file: the decision that its id stands for already, if the
client chose the id; else a decision made now; the log; the answer, always built from the record.
What comes before (bytes to typed request) and after (typed answer to bytes) is in
:mod:`server.dispatch`. Pages that were asked for together are logged together.

The same decision id may arrive twice at once. Where decisions are answered after their commit
(``log.rank_waits_for_commit``) the log is asked once more when a decision is stored: it tells which
of two is the earlier, and that is the one both clients are answered with and the learner takes.
Where they are not, a worker knows what it handed over and did not commit yet, so that a repeated
request that reaches it finds the first decision. One that reaches another worker in the tens of
milliseconds before the commit, or the same one while the first is still being decided, does not: it
is decided anew. From the same page, snapshots and stickiness window that draws the same, as draws
are hashed; otherwise its client may see another answer. The log keeps one decision of an id in
each spool, and of several spools' the learner takes the earliest.

Measured for a page of 240 titles, without deciding and appending: the look for an earlier decision
7 µs over three spools where the id is new, the digest 10, the answer's parts 29, metrics 7, the
token 2. To put the answer's bytes together from prepared ones would take 27 µs and looking them up
besides, where its parts and their encoding take 41: too small a gain for a second way to encode.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from time import perf_counter
from typing import NamedTuple

import msgspec
import structlog
from msgspec.structs import replace

from bandit.clock import Clock
from bandit.config.schema import LogConfig
from bandit.errors import DecisionConflictError, LogError, LogUnavailableError
from bandit.eventlog.protocol import EventReader, EventWriter
from bandit.events import DecisionRecord, decision_key
from bandit.metrics import Metrics
from bandit.policy import Decision, Policy
from bandit.types import LineName
from bandit.viewer_ids import ViewerIds
from server.answers import rank_answer
from server.serving import ServingState
from server.tokens import TokenSigner
from server.wire import RankAnswer, RankRequest

log = structlog.get_logger()

_AS_THEY_COME = ViewerIds(None)
_canonical = msgspec.msgpack.Encoder(order="sorted")


class _Made(NamedTuple):
    """A decision made just now, which the log does not hold yet."""

    record: DecisionRecord
    has_given_id: bool
    """Whether the client chose the decision's id."""

    @property
    def key(self) -> str:
        return self.record.decision_id


class PageRanker:
    """Decides pages with what is served and logs what it decides; safe in several threads."""

    def __init__(
        self,
        policies: Mapping[LineName, Policy],
        serving: ServingState,
        config: LogConfig,
        *,
        writer: EventWriter,
        reader: EventReader,
        tokens: TokenSigner,
        clock: Clock,
        metrics: Metrics,
        viewers: ViewerIds = _AS_THEY_COME,
    ) -> None:
        self._policies = policies
        self._serving = serving
        self._config = config
        self._writer = writer
        self._reader = reader
        self._tokens = tokens
        self._clock = clock
        self._metrics = metrics
        self._viewers = viewers

    def rank(self, request: RankRequest) -> RankAnswer:
        """Answer a page.

        Raises:
            PageError: the page cannot be decided as it stands.
            DecisionConflictError: the decision id was used before with another body.
        """
        request = self._as_stored(request)
        digest = _digest(request)
        before = self._before(request.decision_id)
        if before is not None:
            return self._answer(before, digest, logged=True)
        made = self._decide(request, digest)
        (logged,) = self._log([made])
        first = self._first(made) if logged and request.decision_id is not None else made
        return self._answer(first, digest, logged=logged)

    def _as_stored(self, request: RankRequest) -> RankRequest:
        """Put what is stored for the viewer's id in its place: nothing after this sees another."""
        if self._viewers.are_plain or request.viewer_id is None:
            return request
        return replace(request, viewer_id=self._viewers.stored(request.viewer_id))

    def _before(self, decision_id: str | None) -> DecisionRecord | None:
        """Return the decision that a client's id stands for already, as far as is known here."""
        if decision_id is None:
            return None
        if not self._config.rank_waits_for_commit:
            # Before the look into the log: what is committed in between is in one of the two.
            handed_over = self._writer.uncommitted(decision_key(decision_id))
            if isinstance(handed_over, DecisionRecord):
                return handed_over
        return self._find(decision_id)

    def _find(self, decision_id: str) -> DecisionRecord | None:
        """Return what is logged under a decision id; None also where the log cannot be read.

        A page is worth more than the notice that its id was used before.
        """
        try:
            return self._reader.find_decision(decision_id)
        except LogError as error:
            log.warning("log cannot be read", decision_id=decision_id, why=str(error))
            return None

    def _decide(self, request: RankRequest, digest: bytes) -> DecisionRecord:
        started = perf_counter()
        serving = self._serving.current
        decision = self._policies[serving.line].decide(
            request,
            decision_id=request.decision_id or secrets.token_hex(16),
            now_us=self._clock.now_us(),
            serving=serving,
            body_digest=digest,
            deferred=request.defer,
        )
        self._count(decision, perf_counter() - started)
        return decision.record

    def _log(self, records: Sequence[DecisionRecord]) -> list[bool]:
        """Log decisions together; return of each whether it is in the log.

        A page is never refused because the log cannot take it.
        """
        started = perf_counter()
        try:
            fates, pending = self._writer.hand_over(records)
            if self._config.rank_waits_for_commit:
                pending.wait(self._config.rank_commit_timeout_s)
        except LogUnavailableError as error:
            self._metrics.count("marquee_decisions_unlogged_total", "unavailable", by=len(records))
            ids = [record.decision_id for record in records]
            log.warning("decisions not logged", decision_ids=ids, why=str(error))
            return [False] * len(records)
        finally:
            self._metrics.observe("marquee_stage_seconds", "log", value=perf_counter() - started)
        for fate in fates:
            if fate != "logged":
                self._metrics.count("marquee_decisions_unlogged_total", fate)
        return [fate == "logged" for fate in fates]

    def _first(self, made: DecisionRecord) -> DecisionRecord:
        """Return the first decision under the id of one that was just logged."""
        if self._config.rank_waits_for_commit:
            return self._find(made.decision_id) or made
        return made

    def _answer(self, record: DecisionRecord, digest: bytes, *, logged: bool) -> RankAnswer:
        if record.body_digest != digest:
            raise DecisionConflictError(record.decision_id)
        token = self._tokens.sign(record.decision_id, record.decided_at_us)
        return rank_answer(record, token, logged=logged)

    def rank_batch(self, requests: Sequence[RankRequest]) -> list[RankAnswer | Exception]:
        """Answer each page, or tell why not; one page's fault costs the others nothing."""
        begun = [self._begin(request) for request in requests]
        made: dict[str, DecisionRecord] = {}
        for page in begun:
            if isinstance(page, _Made):
                made.setdefault(page.key, page.record)
        logged = dict(zip(made, self._log(list(made.values())), strict=True)) if made else {}
        return [
            self._finish(page, made[page.key], logged=logged[page.key])
            if isinstance(page, _Made)
            else page
            for page in begun
        ]

    def _begin(self, request: RankRequest) -> _Made | RankAnswer | Exception:
        try:
            request = self._as_stored(request)
            digest = _digest(request)
            before = self._before(request.decision_id)
            if before is not None:
                return self._answer(before, digest, logged=True)
            return _Made(self._decide(request, digest), request.decision_id is not None)
        except Exception as error:  # noqa: BLE001 - whoever asked for this page is told
            return error

    def _finish(
        self, page: _Made, first: DecisionRecord, *, logged: bool
    ) -> RankAnswer | Exception:
        try:
            if logged and page.has_given_id:
                first = self._first(first)
            return self._answer(first, page.record.body_digest, logged=logged)
        except DecisionConflictError as error:
            return error

    def _count(self, decision: Decision, decide_s: float) -> None:
        record, metrics = decision.record, self._metrics
        metrics.observe("marquee_stage_seconds", "decide", value=decide_s)
        metrics.count(
            "marquee_decisions_total", record.shares["artwork" if record.titles else "rows"]
        )
        metrics.count("marquee_titles_decided_total", by=len(record.titles))
        for surface, bits in decision.entropy_bits.items():
            metrics.observe("marquee_entropy_bits", surface, value=bits)
        for surface in decision.unusable:
            metrics.count("marquee_model_unusable_total", surface)


def _digest(request: RankRequest) -> bytes:
    """Return what tells a repeated request from another with the same id, nothing without one.

    Equal requests have equal digests, in either encoding and whatever the order of their keys.
    """
    if request.decision_id is None:
        return b""
    return blake2b(_canonical.encode(request), digest_size=16).digest()
