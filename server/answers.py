"""From the log's record of a decision to what the client is told: the one way to answer.

A first answer and the answer to a repeated request are built from the same record by the same
code, and so are equal.
"""

from __future__ import annotations

from bandit.clock import MICROSECONDS
from bandit.events import DecisionRecord, FeedbackRecord
from server.wire import FeedbackEvent, RankAnswer, RankedRow, RankedTitle


def rank_answer(record: DecisionRecord, token: str, *, logged: bool) -> RankAnswer:
    """Build the answer to the request that led to ``record``."""
    ranked = {
        choice.title: RankedTitle(choice.title, choice.artwork, choice.propensity)
        for choice in record.titles
    }
    of = ranked.__getitem__
    return RankAnswer(
        decision_id=record.decision_id,
        token=token,
        share=record.shares["artwork" if record.titles else "rows"],
        catalog=record.catalog,
        snapshots=record.snapshots,
        rows=[
            RankedRow(row.id, row.position, row.propensity, list(map(of, row.titles)))
            for row in record.rows
        ],
        titles=list(map(of, record.loose_titles)),
        omitted=record.omitted,
        logged=logged,
    )


def feedback_record(event: FeedbackEvent) -> FeedbackRecord:
    """Build the log's record of a feedback event."""
    return FeedbackRecord(
        event_id=event.event_id,
        decision_id=event.decision_id,
        type=event.type,
        title=event.title,
        row=event.row,
        seconds=event.seconds,
        fraction=event.fraction,
        happened_at_us=None if event.at is None else round(event.at * MICROSECONDS),
    )
