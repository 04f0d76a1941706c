"""The evidence as it is kept with a checkpoint, and as it is told.

``<challenger.directory>/evidence.json`` is written with each checkpoint of the challenger's learner
and read by the API, the command line and the metrics.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from bandit.challenger import gate
from bandit.challenger.gate import Sums
from bandit.config.schema import ChallengerConfig
from bandit.files import write_atomically
from bandit.types import LineName, Surface

FORMAT_VERSION: Final = 1
EVIDENCE: Final = "evidence.json"


class KeptEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What goes on after a crash."""

    about: str
    """Digest of all that the evidence is about: both lines, the yardstick, the gate."""
    number: int
    """The move since which it was gathered."""
    pages: int = 0
    unjudged: int = 0
    """Pages for which a line had no model yet, or whose catalog is lost."""
    sums: list[list[float]] = []
    """The sums of :class:`bandit.challenger.gate.Sums`, each by clip."""
    judged_by: dict[LineName, str] = {}
    """The snapshots by which pages are judged now."""

    def as_sums(self) -> Sums:
        """Return the sums as the gate takes them."""
        return Sums(self.pages, *map(np.array, self.sums)) if self.sums else gate.no_pages()


class Estimate(msgspec.Struct, frozen=True):
    """An estimate with bounds that hold at all times at once; absent where there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of both lines.

    ``champion`` and ``challenger`` are rewards a page, above what untouched titles earn; ``lift``
    is the challenger's over the champion, as a share of the champion's. Pages count ``clip`` at
    most.
    """

    at_us: int
    since_us: int
    """Only what was decided later counts."""
    number: int
    overlay: str
    serving: LineName
    decisions: int
    unjudged: int
    champion: Estimate
    challenger: Estimate
    lift: Estimate
    clip: float
    wants_move: bool
    """Whether the gate would have the other line serve."""
    verdict: str
    judged_by: dict[LineName, str]
    """The snapshots of artwork that pages are judged by now."""
    snapshots: dict[LineName, dict[Surface, str]] = {}
    v: int = FORMAT_VERSION

    @classmethod
    def of_nothing(cls, serving: LineName, overlay: str) -> Evidence:
        """Return what is known before anything was judged."""
        none = Estimate()
        return cls(
            at_us=0,
            since_us=0,
            number=0,
            overlay=overlay,
            serving=serving,
            decisions=0,
            unjudged=0,
            champion=none,
            challenger=none,
            lift=none,
            clip=0.0,
            wants_move=False,
            verdict="no evidence yet",
            judged_by={},
        )


def weighed(
    sums: Sums, settings: ChallengerConfig, *, serving: LineName, is_judged: bool
) -> tuple[bool, int, tuple[Estimate, Estimate, Estimate], str]:
    """Return whether to move, the telling clip, both lines' values and the lift, and a sentence.

    ``is_judged`` tells whether the lines differ in anything that is judged.
    """
    rate, promoted = settings.false_promotion_rate, serving == "challenger"
    clip = gate.most_telling(sums, serving_challenger=promoted, rate=rate)
    better = (
        gate.demotes(sums, rate) if promoted else gate.promotes(sums, settings.margin, rate)
    ) > 0
    enough = sums.pages >= settings.decisions_min
    champion, challenger = (
        Estimate(*gate.value_of(sums, clip, of_challenger=which, rate=rate))
        for which in (False, True)
    )
    lift = Estimate(*gate.lift_of(sums, clip, rate))
    moves = bool(better) and enough and is_judged
    sentence = _sentence(sums, settings, serving, lift, is_judged=is_judged, better=bool(better))
    return moves, clip, (champion, challenger, lift), sentence


def _sentence(
    sums: Sums,
    settings: ChallengerConfig,
    serving: LineName,
    lift: Estimate,
    *,
    is_judged: bool,
    better: bool,
) -> str:
    if not is_judged:
        return (
            "nothing to judge: the challenger differs in nothing that the choice of artworks hangs "
            "on; watch what it does to rows, and promote it by hand"
        )
    if not sums.pages:
        return "no evidence yet: no page was judged under both lines since the last change"
    if sums.pages < settings.decisions_min:
        return f"too early: {sums.pages} of at least {settings.decisions_min} decisions were judged"
    sure = f"{1 - settings.false_promotion_rate:.0%} sure"
    if serving == "challenger":
        if better:
            return f"the champion is better, {sure}: the challenger is to be demoted"
        return f"the challenger serves, and it is not {sure} that the champion were better"
    if better:
        return f"the challenger is better by more than {settings.margin:.1%}, {sure}"
    if lift.high is not None and lift.high < settings.margin:
        return f"the challenger is not better by {settings.margin:.1%}, {sure}"
    low = "unknown" if lift.low is None else f"{lift.low:+.1%}"
    return (
        f"not decided: the lift is at least {low}, and more than {settings.margin:+.1%} is wanted"
    )


def write_evidence(directory: Path, evidence: Evidence) -> None:
    """Put what is known in place of what was told last.

    Raises:
        OSError: the disk is full or the directory not writable.
    """
    write_atomically(directory / EVIDENCE, msgspec.json.encode(evidence))


def read_evidence(directory: Path) -> Evidence | None:
    """Return what was told last, None if there is nothing or it cannot be understood."""
    try:
        found = msgspec.json.decode((directory / EVIDENCE).read_bytes(), type=Evidence)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if found.v == FORMAT_VERSION else None
