"""The records of the event log, versioned and self-contained.

What a record holds suffices to answer the same request again, to join and reward it, and to
recompute the probabilities that any other policy would have given its choices: candidates are
named by the catalog version they were taken from, or stand in the record itself.

Records travel as MessagePack maps with the record's kind under ``kind`` and the format's version
under ``v``; a reader must understand every version ever written, so fields are only ever added,
with a default.

Records are trees: the garbage collector, which looks for circles, need not walk through them.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from bandit.errors import LogDamagedError
from bandit.types import (
    Features,
    FeedbackType,
    LineName,
    RowChoice,
    Share,
    Surface,
    Title,
    TitleChoice,
)

FORMAT_VERSION = 1
"""Raised only where a reader of today would misread what is new: see docs/formats.md."""


class InlineRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """The features a request gave for a row, in place of the catalog's."""

    id: str
    features: Features


class DecisionRecord(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    gc=False,
    tag_field="kind",
    tag="decision",
):
    """What was asked and what was served for one page.

    ``row_candidates`` are the ids of all rows asked for, in request order; ``pins`` maps those that
    were to be pinned to their positions, also where no place was left for them; ``rows`` are only
    those served, from the top. ``titles`` holds each distinct title once, ``loose_titles`` those of
    them that were asked for outside any row, ``omitted`` those asked for that are not known; every
    artwork that a title has in the catalog version, or inline, was eligible. ``snapshots`` maps a
    surface to the model version that was being served; a surface without one, or whose model was of
    no use for the page, was decided by the cold policy. ``greedy_match`` is kept in apprentice
    mode: the share of titles whose highest-scoring artwork is the baseline's.
    ``pass_probability`` is that with which the record was let into the log, below 1 where decisions
    were dropped: it then stands for 1 / pass_probability of them. ``line`` tells whose policy
    decided it, and in whose store its snapshots lie.
    """

    decision_id: str
    decided_at_us: int
    body_digest: bytes
    catalog: str
    policy: str
    shares: dict[Surface, Share]
    titles: list[TitleChoice]
    rows: list[RowChoice] = []
    row_candidates: list[str] = []
    pins: dict[str, int] = {}
    context: Features = {}
    viewer_id: str | None = None
    snapshots: dict[Surface, str] = {}
    inline_titles: list[Title] = []
    inline_rows: list[InlineRow] = []
    loose_titles: list[str] = []
    omitted: list[str] = []
    greedy_match: float | None = None
    deferred: bool = False
    pass_probability: float = 1.0
    line: LineName = "champion"
    v: int = FORMAT_VERSION

    @property
    def key(self) -> str:
        """The record's unique key in the log."""
        return decision_key(self.decision_id)


class FeedbackRecord(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="feedback"
):
    """Something a viewer did with a title of a decision.

    ``seconds`` and ``fraction`` belong to plays: time watched, and its share of the title's length.
    ``happened_at_us`` is the client's word and only informs; the log's own time decides what is
    late.
    """

    event_id: str
    decision_id: str
    type: FeedbackType
    title: str
    row: str | None = None
    seconds: float | None = None
    fraction: float | None = None
    happened_at_us: int | None = None
    v: int = FORMAT_VERSION

    @property
    def key(self) -> str:
        """The record's unique key in the log."""
        return feedback_key(self.event_id)


class ActivationRecord(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="activation"
):
    """A deferred decision was shown; its reward window starts now."""

    decision_id: str
    v: int = FORMAT_VERSION

    @property
    def key(self) -> str:
        """The record's unique key in the log."""
        return f"a:{self.decision_id}"


class ErasedRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="erased"):
    """What was in its place was erased, or was too old; it keeps the place and tells nothing.

    A release that does not know this kind takes it for a damaged record, and passes over it.
    """

    v: int = FORMAT_VERSION


Record = DecisionRecord | FeedbackRecord | ActivationRecord


class LoggedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record and its place in the log.

    ``at_us`` is the log's own time, strictly increasing within a spool.
    """

    spool: str
    sequence: Annotated[int, msgspec.Meta(ge=1)]
    at_us: int
    record: Record


def decision_key(decision_id: str) -> str:
    """Return the log key of a decision."""
    return f"d:{decision_id}"


def feedback_key(event_id: str) -> str:
    """Return the log key of a feedback event."""
    return f"f:{event_id}"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


ERASED: Final = _encoder.encode(ErasedRecord())
"""The payload of every erased record."""


def is_erased(payload: bytes) -> bool:
    """Tell whether what a payload held was erased."""
    return payload == ERASED


def encode_record(record: Record) -> bytes:
    """Encode a record for the log."""
    return _encoder.encode(record)


def decode_record(payload: bytes) -> Record:
    """Decode a record from the log.

    Raises:
        LogDamagedError: the bytes are not a record of any known version.
    """
    try:
        record: Record = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LogDamagedError(
            f"a record of {len(payload)} bytes cannot be read: {error}",
            hint="the learner sets it aside; `marquee log check` lists damaged records",
        ) from error
    if record.v > FORMAT_VERSION:
        raise LogDamagedError(
            f"a record has format {record.v}; {FORMAT_VERSION} is the latest known here",
            hint="read it with the release that wrote it, or a later one",
        )
    return record
