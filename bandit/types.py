"""The words of the domain as types: what a page asks and what a decision answers.

Validation that needs no configuration (patterns, finite numbers, absolute bounds) is part of the
types and holds wherever they are decoded; bounds that ops may tune live in ``limits``.

Why the names on a page are no :data:`Id`: matching the pattern one by one took 90 of the 109 µs
that decoding a page of 240 titles took. Whoever takes pages from outside checks the letters of all
names at once, in 6 µs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.intp]
HashArray = npt.NDArray[np.uint32]
KeyArray = npt.NDArray[np.uint64]
BoolArray = npt.NDArray[np.bool_]

ARTWORKS_MAX: Final = 64
"""Most artworks one title may have."""

POSITION_MAX: Final = 1_000_000
"""Far past any page; MessagePack, and so the log, has no integers of 2^64 and more."""

Id = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[A-Za-z0-9_.:@/-]{1,256}\Z",
        description="1 to 256 of the characters A-Z a-z 0-9 _ . : @ / -",
    ),
]
"""A name that a client chose: viewer, title, artwork, row, decision, event."""

FeatureName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[A-Za-z0-9_.@/-]{1,256}\Z",
        description="1 to 256 of the characters A-Z a-z 0-9 _ . @ / - "
        "(no colon: it separates name and value in VW's text)",
    ),
]

AskedId = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=256,
        description="1 to 256 of the characters A-Z a-z 0-9 _ . : @ / -",
        extra_json_schema={"pattern": r"\A[A-Za-z0-9_.:@/-]{1,256}\Z"},
    ),
]
"""The id of a title or row on a page. Its letters are not checked by the type."""

AskedName = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=256,
        description="1 to 256 of the characters A-Z a-z 0-9 _ . @ / - "
        "(no colon: it separates name and value in VW's text)",
        extra_json_schema={"pattern": r"\A[A-Za-z0-9_.@/-]{1,256}\Z"},
    ),
]
"""The name of a feature of a page's context. Its letters are not checked by the type."""

Number = Annotated[
    float, msgspec.Meta(ge=-1e9, le=1e9, description="a finite number, at most 1e9 in size")
]
Text = Annotated[str, msgspec.Meta(max_length=256)]

FeatureValue = Number | Text | list[Number | Text]
"""What a feature may hold; a list of numbers is a vector, a list of strings a set.

Lists that mix both decode, and are refused by :func:`bandit.limits.check_features`.
"""

Features = dict[FeatureName, FeatureValue]

Position = Annotated[int, msgspec.Meta(ge=0, le=POSITION_MAX)]
"""A place on the page, counted from 0 at the top."""

Surface = Literal["artwork", "rows"]
SURFACES: Final[tuple[Surface, ...]] = ("artwork", "rows")

Share = Literal["learned", "holdout", "explore"]
SHARES: Final[tuple[Share, ...]] = ("learned", "holdout", "explore")

FeedbackType = Literal["impression", "click", "play"]

LineName = Literal["champion", "challenger"]
"""Who decides: the policy as configured, or the one that may take over from it."""
LINES: Final[tuple[LineName, ...]] = ("champion", "challenger")


class Artwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One candidate image of one title."""

    id: Id
    features: Features = {}


class Title(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A thing to watch, with its candidate artworks in editorial order (the first is default)."""

    id: Id
    artworks: Annotated[list[Artwork], msgspec.Meta(min_length=1, max_length=ARTWORKS_MAX)]
    features: Features = {}


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shelf of the catalog: its features and the titles it offers, in editorial order."""

    id: Id
    features: Features = {}
    titles: list[Id] = []


class PageRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A candidate row of a page.

    ``titles`` holds ids of catalog titles or whole titles given inline; without it only the row's
    place is decided. ``features`` given here stand in place of the catalog's.
    """

    id: AskedId
    features: Features | None = None
    pinned: Position | None = None
    titles: Sequence[AskedId | Title] = []


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One homepage request: a context and its candidate rows or titles."""

    viewer_id: Id | None = None
    context: dict[AskedName, FeatureValue] = {}
    rows: Sequence[PageRow] = []
    titles: Sequence[AskedId | Title] = []
    max_rows: Annotated[int, msgspec.Meta(ge=1, le=POSITION_MAX)] | None = None


class TitleChoice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The artwork served for a title and the probability with which it was drawn."""

    title: str
    artwork: str
    propensity: float


class RowChoice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row as served.

    ``position`` counts from 0 at the top; ``propensity`` is the probability of this row at this
    position given the rows above it, 1 for a pinned row; ``titles`` are ids in the order asked.
    """

    id: str
    position: int
    propensity: float
    pinned: bool
    titles: list[str]
