"""The words of an explanation: what each candidate of a decision was given, and why."""

from __future__ import annotations

import msgspec


class Contribution(msgspec.Struct, frozen=True, gc=False):
    """What one feature, or one cross of features, adds to a score.

    ``feature`` is readable: ``artwork.mood=eerie``, ``context.device=tv × artwork.mood=eerie``, or
    ``constant``; a number stands behind its name as ``title.year:1927``.
    """

    feature: str
    value: float


class ExplainedArtwork(msgspec.Struct, frozen=True, gc=False):
    """An artwork that was eligible.

    ``score`` and ``spread`` (its standard deviation, where the strategy goes by it) are absent
    where no model scored the page. ``contributions`` are the largest by size of those that tell the
    title's artworks apart; with ``rest``, the sum of all others, they make the score. ``alike`` is
    the part of the rest that all artworks of the title share.
    """

    id: str
    probability: float | None = None
    score: float | None = None
    spread: float | None = None
    contributions: list[Contribution] = []
    rest: float = 0.0
    alike: float = 0.0


class ExplainedTitle(msgspec.Struct, frozen=True, gc=False):
    """A title, the artwork shown and its logged probability, and all that were eligible.

    ``row`` is the first row that held it, absent outside rows. Without its catalog version
    ``artworks`` is empty.
    """

    id: str
    row: str | None
    artwork: str
    propensity: float
    artworks: list[ExplainedArtwork] = []


class ExplainedRow(msgspec.Struct, frozen=True, gc=False):
    """A row in its place, from 0 at the top, and the logged probability with which it got there.

    ``probability`` is the same, recomputed, given the rows above it. What makes the score is told
    as of an artwork; ``alike`` is what all rows share.
    """

    id: str
    position: int
    propensity: float
    pinned: bool
    probability: float | None = None
    score: float | None = None
    contributions: list[Contribution] = []
    rest: float = 0.0
    alike: float = 0.0


class RewardReason(msgspec.Struct, frozen=True, gc=False):
    """What a display earned so far, and a sentence that says why."""

    reward: float
    why: str


class Rewards(msgspec.Struct, frozen=True):
    """The rewards of what was seen, by id; what was not seen is not learned from."""

    titles: dict[str, RewardReason] = {}
    rows: dict[str, RewardReason] = {}


class NamedWeight(msgspec.Struct, frozen=True, gc=False):
    """A weight of a model under the name of what it weighs.

    ``deviation`` is its standard deviation, where the model keeps them.
    """

    feature: str
    weight: float
    deviation: float | None = None
