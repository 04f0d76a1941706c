"""What our own log leaves out, and so what its rounds do not tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bandit.exposure import Exposure
from bandit.joiner import Outcome
from bandit.outcome_files import Manifest
from bandit.types import Surface


class Reports:
    """Looks at what kinds of feedback a log holds."""

    def __init__(self) -> None:
        self._impressions = self._touches = False

    def take(self, outcomes: Iterable[Outcome]) -> None:
        """Look at the next pages."""
        for outcome in outcomes:
            if self._impressions and self._touches:
                return
            for event in outcome.events:
                if event.type == "impression":
                    self._impressions = True
                else:
                    self._touches = True

    def notes(self, exposure: Mapping[Surface, Exposure]) -> list[str]:
        """Tell whether what was seen is known by what came of it alone.

        Then rounds are chosen by their outcomes: under ``cascade`` a page counts down to its last
        click or play, under ``reported`` nothing that was left untouched counts at all. What such
        rounds earn is more than what displays earn, and no weighting mends it.
        """
        blind = [surface for surface, rule in exposure.items() if rule != "all"]
        if self._impressions or not self._touches or not blind:
            return []
        rules = ", ".join(f"{surface}: {exposure[surface]}" for surface in blind)
        return [
            "no impressions were reported, so that what was seen is told by clicks and plays "
            f"alone ({rules}): rounds are chosen by what came of them, and every value is too "
            'high; report impressions, or read the log with exposure = "all"'
        ]


class LetIn:
    """Counts decisions that stand for others, which an overloaded log did not let in.

    Rounds are not weighted by it: no estimator here takes a weight of a round besides those of its
    propensities, and its intervals would have to know of it as well.
    """

    def __init__(self) -> None:
        self._pages = self._by_chance = 0
        self._stood_for = 0.0

    def take(self, outcomes: Iterable[Outcome]) -> None:
        """Count the next pages."""
        for outcome in outcomes:
            chance = outcome.decision.pass_probability
            self._pages += 1
            if 0 < chance < 1:
                self._by_chance += 1
                self._stood_for += 1 / chance

    def notes(self) -> list[str]:
        """Tell what figures leave out of account."""
        if not self._by_chance:
            return []
        return [
            f"{self._by_chance:,} of {self._pages:,} decisions were let into the log with a "
            f"probability below 1 (pass_probability) and stand for {self._stood_for:,.0f}: figures "
            "are not weighted by it, so that times of overload count for less than they were"
        ]


def closing_notes(manifest: Manifest) -> list[str]:
    """Tell what of the feedback was cut off by the end of its decision."""
    rule = manifest.reward
    late = manifest.dispositions.get("late", 0)
    played = manifest.closed_by.get("play", 0)
    after_s = rule.close_after_play_s
    if after_s is None or after_s >= rule.window_s + rule.clock_leeway_s:
        played = 0
    told = []
    if played:
        told.append(
            f"{played:,} of {manifest.outcomes:,} outcomes were closed by a play, {after_s:g} s "
            "after it: what viewers did later on these pages does not count"
        )
    if late:
        told.append(
            f"{late:,} feedback events came late, after their decisions were closed, and do not "
            "count: rewards are cut, and more so where viewers play more"
        )
    return told
