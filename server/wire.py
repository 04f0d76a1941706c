"""What travels over HTTP: one typed schema for JSON and MessagePack.

``docs/openapi.json`` is generated from these types. Requests refuse unknown fields, so that a
misspelt one is an error and not a silence; answers may gain fields.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bandit.types import AskedId, FeedbackType, Id, Page, Share, Surface


class RankRequest(Page, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A page to decide.

    The same ``decision_id`` with the same body gives the same answer; with another body it is
    refused. Where decisions are answered before they are on the disk
    (``log.rank_waits_for_commit = false``), that holds for requests sent one after another to one
    worker, and to all workers some 50 ms after the first answer. A deferred decision counts
    only once it is activated.
    """

    decision_id: Id | None = None
    defer: bool = False


class RankedTitle(msgspec.Struct, frozen=True, gc=False):
    """A title, the artwork to show for it, and the probability with which it was drawn."""

    id: str
    artwork: str
    propensity: float


class RankedRow(msgspec.Struct, frozen=True, gc=False):
    """A row in its place; ``position`` counts from 0."""

    id: str
    position: int
    propensity: float
    titles: list[RankedTitle]


class RankAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What to show.

    ``snapshots`` names the model version that scored each surface; a surface that is absent has
    no model yet, or one without finite scores for this page, and was served by the cold policy:
    uniform over artworks, rows in the order asked. ``omitted`` are the titles asked for that the
    catalog does not have. ``logged`` is false when the decision could not be stored: it is good to
    show, but feedback for it will not be learned.
    """

    decision_id: str
    token: str
    share: Share
    catalog: str
    snapshots: dict[Surface, str]
    rows: list[RankedRow]
    titles: list[RankedTitle]
    omitted: list[str] = []
    logged: bool = True


class RankBatchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several pages at once; each is judged by itself."""

    pages: Annotated[list[msgspec.Raw], Meta(min_length=1)]


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error, as RFC 9457 has it, with a ``hint`` that says what to do next."""

    type: str
    title: str
    status: int
    detail: str
    hint: str
    field: str | None = None


class RankBatchItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one page of a batch: a decision or a problem, never both."""

    decision: RankAnswer | None = None
    problem: Problem | None = None


class RankBatchAnswer(msgspec.Struct, frozen=True):
    """One item for each page, in the order asked."""

    pages: list[RankBatchItem]


class FeedbackEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something a viewer did.

    ``seconds`` (time watched) and ``fraction`` (of the title's length) belong to plays. ``at`` is
    when it happened, in seconds since the Unix epoch by the client's clock; it is kept, not judged.
    """

    event_id: AskedId
    decision_id: AskedId
    type: FeedbackType
    title: AskedId
    token: str | None = None
    row: AskedId | None = None
    seconds: Annotated[float, Meta(ge=0, le=1e7)] | None = None
    fraction: Annotated[float, Meta(ge=0, le=1)] | None = None
    at: Annotated[float, Meta(ge=0, le=1e11)] | None = None


class FeedbackRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Feedback events, each judged by itself."""

    events: Annotated[list[msgspec.Raw], Meta(min_length=1)]


class RejectedEvent(msgspec.Struct, frozen=True):
    """A feedback event that was not taken; ``index`` is its place in the request."""

    index: int
    code: str
    detail: str
    hint: str


class FeedbackAnswer(msgspec.Struct, frozen=True):
    """How many events are now durable, how many had been before, and which were refused."""

    accepted: int
    duplicates: int
    rejected: list[RejectedEvent]


class CatalogAnswer(msgspec.Struct, frozen=True):
    """A catalog version and its size; ``changed`` tells whether the call made it current."""

    version: str
    titles: int
    artworks: int
    rows: int
    changed: bool = False


class SnapshotSummary(msgspec.Struct, frozen=True):
    """A published model version."""

    version: str
    surface: Surface
    created_at: float
    examples_learned: int
    bytes: int
    active: bool
    pinned: bool


class SnapshotsAnswer(msgspec.Struct, frozen=True):
    """All kept snapshots, newest first."""

    snapshots: list[SnapshotSummary]


class HealthAnswer(msgspec.Struct, frozen=True):
    """Whether the process is well, and if not, why."""

    status: str
    reasons: list[str] = []
