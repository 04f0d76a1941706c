"""What is told of the challenger over HTTP. Times are seconds since the Unix epoch."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from bandit.challenger.evidence import Estimate
from bandit.types import LineName, Surface


class LineMove(msgspec.Struct, frozen=True, kw_only=True):
    """A promotion or demotion: when, by whom, and what was known then.

    ``by`` is hand, gate, or config where the challenger's file had become another one.
    """

    at: float
    what: Literal["promoted", "demoted"]
    by: str
    evidence: dict[str, Any]
    snapshots: dict[LineName, dict[Surface, str]]
    changes: dict[str, tuple[Any, Any]]


class ChallengerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How the challenger does, and who serves.

    ``changes`` maps what the challenger does otherwise to the champion's value and its own.
    ``champion`` and ``challenger`` are rewards a page, above what untouched titles earn, and
    ``lift`` the challenger's over the champion, as a share of the champion's; ``low`` and ``high``
    hold at all times at once. ``decisions`` were judged since the last change, ``unjudged`` could
    not be. ``lag_s`` is how far the challenger's learner is behind. ``history`` is newest first.
    """

    configured: bool
    serving: LineName = "champion"
    changes: dict[str, tuple[Any, Any]] = {}
    decisions: int = 0
    unjudged: int = 0
    since: float | None = None
    champion: Estimate = Estimate()
    challenger: Estimate = Estimate()
    lift: Estimate = Estimate()
    verdict: str
    history: list[LineMove] = []
    lag_s: float | None = None


class ChallengerReport(msgspec.Struct, frozen=True):
    """Which line serves, and what is known of the challenger, in words."""

    serving: LineName
    verdict: str
