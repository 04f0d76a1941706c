"""What is told of single decisions and of models' weights over HTTP.

Times are seconds since the Unix epoch.
"""

from __future__ import annotations

import msgspec

from bandit.explained import ExplainedRow, ExplainedTitle, NamedWeight, Rewards
from bandit.types import Features, FeedbackType, Share, Surface


class ExplainedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A feedback event of the decision.

    ``at`` is the log's time; ``taken_as`` says what became of it: joined, held (it came before its
    decision was shown), duplicate, late, or excess.
    """

    event_id: str
    type: FeedbackType
    title: str
    at: float
    taken_as: str
    row: str | None = None
    seconds: float | None = None
    fraction: float | None = None


class ExplainedFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """What came back for the decision, as the learner joins it.

    ``complete`` is false where the log was not read to the end of the decision's window.
    ``closes_at`` is when the window ends, absent once nothing is waited for.
    """

    complete: bool
    events: list[ExplainedEvent]
    state: str
    closes_at: float | None = None


class ExplainAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A logged decision and why it was made so.

    Scores, probabilities and contributions are recomputed from what the record names: its context,
    catalog and snapshots. ``exact`` tells whether all recomputed probabilities equal those logged;
    ``notes`` say what could not be recomputed, and why. ``rewards`` are what the feedback so far
    earns by the configured rule; they are final once the decision has closed.
    """

    decision_id: str
    decided_at: float
    share: dict[Surface, Share]
    policy: str
    catalog: str
    snapshots: dict[Surface, str]
    context: Features
    exact: bool
    notes: list[str]
    titles: list[ExplainedTitle]
    rows: list[ExplainedRow]
    feedback: ExplainedFeedback
    rewards: Rewards
    viewer_id: str | None = None


class WeightsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The weights that matter most in the model that is served.

    Largest first by size times typical use: the mean size of the feature's value over the catalog
    and the newest decisions. ``named`` counts the weights that are not zero and have a name from
    those, ``unnamed`` all others that are not zero.
    """

    surface: Surface
    snapshot: str | None
    weights: list[NamedWeight]
    named: int
    unnamed: int
