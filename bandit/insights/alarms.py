"""Drift alarms: sequential tests that what is served changed for the worse.

An alarm first learns what is usual from a block of pages, then watches the pages after it, slot by
slot (:mod:`bandit.insights.sums`). For pages with a weight N and a value X, the usual is the ratio
of their expectations: of ``reward_drop`` N are the displays and X their reward above the default,
of ``entropy_collapse`` N is 1 and X the mean bits of a display drawn.

**The usual** is not taken for known. It is the block's sum of X over its sum of N, and what is
tested is its lower bound L: the ratio at which :func:`bandit.insights.bets.reach` no longer refuses
that X − ratio · N has the mean 0 or less. The block ends once it has enough pages and L is no
further below the usual than half the fall that is to be noticed.

**The watch** bets against "the ratio is at least L": of a slot's pages, with D = (N · L − X) / c
and c the most that X may be, so that D ≥ −1, the stake is multiplied by
exp(bet · ΣD − psi(bet) · ΣD²) (see :mod:`bandit.insights.bets`). One that starts at the first slot
would have lost much by the time that something changes. So a part of the whole stake is laid at
each slot: the sum over all starts is an e-process still (the Shiryaev–Roberts e-detector of Shin,
Ramdas and Rinaldo 2023, its starts weighed so that the weights sum to 1). The alarm is raised when
the stake has grown to 1 over its chance of error, and the mean of late is below the usual by more
than half the fall that is to be noticed: a fall that is certain but small rings nothing.

**The usual is learned anew** while watching, from blocks that double, so that it follows what the
model learns; a block is not ended while evidence gathers. Block k = 1, 2, … may err with the chance
rate / (k (k + 1)), half of it in its lower bound and half in its watch. These sum to ``rate``.

So: if the pages since the reset are drawn alike, the chance that the alarm is *ever* raised is at
most ``drift.false_alarm_rate``, for each alarm by itself. It is enough that, given what came
before, no slot's pages are expected to earn less than the usual a display. Viewers who come again
are no harm as long as who comes does not hang on what was earned.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import msgspec
import numpy as np

from bandit.config.operations import DriftConfig
from bandit.drift_words import AlarmName, AlarmReport, AlarmState
from bandit.insights.bets import reach
from bandit.insights.sums import PAGE_DISPLAYS_MAX, PAGE_GAIN_MAX, PageSums, gain_min
from bandit.types import Surface

BITS_MAX: Final = 8.0
"""Most bits that a page counts with in ``entropy_collapse``."""
RECENT_PAGES: Final = 500.0
"""Pages over which the mean of late forgets all but 1/e."""
_STARTS: Final = 100.0
"""The first so many slots share half of the stakes."""
_BET_MAX: Final = 0.95
_GRID: Final = 200


class Scale(NamedTuple):
    """What a page of an alarm may come to, and which fall is to be noticed."""

    weight_max: float
    value_min: float
    value_max: float
    drop: float
    added: float
    """Added to means when they are told: the default reward, which values are above."""


def scale_of(name: AlarmName, surface: Surface, drift: DriftConfig, default: float) -> Scale:
    """Return the scale of an alarm; ``default`` is the reward of what was not touched."""
    if name == "entropy_collapse":
        return Scale(1.0, 0.0, BITS_MAX, drift.entropy_drop, 0.0)
    weight_max, least = PAGE_DISPLAYS_MAX[surface], gain_min(default)
    return Scale(weight_max, least, PAGE_GAIN_MAX, drift.reward_drop, default)


class Watch(msgspec.Struct, array_like=True):
    """What is watched for, and the stake won against it so far."""

    least: float
    """The lower bound of the usual."""
    bet: float
    slots: int = 0
    log_stake: float | None = None


class Alarm(msgspec.Struct):
    """One alarm; a function of the slots it was given."""

    name: AlarmName
    surface: Surface
    made_with: list[float] = []
    """The settings; under others it begins anew."""
    block: PageSums = msgspec.field(default_factory=PageSums)
    """The pages from which the next usual is learned."""
    blocks: int = 0
    """Blocks that ended."""
    usual: float | None = None
    watch: Watch | None = None
    late_weight: float = 0.0
    late_value: float = 0.0
    """Sums over the pages of late, older ones weighing less."""
    raised_at_us: int | None = None

    def take(self, sums: PageSums, scale: Scale, drift: DriftConfig, at_us: int) -> None:
        """Take up a slot's pages; ``at_us`` is the log's time at which they had all closed."""
        keep = RECENT_PAGES / (RECENT_PAGES + sums.pages)
        self.late_weight = self.late_weight * keep + sums.weight
        self.late_value = self.late_value * keep + sums.value
        if self.raised_at_us is not None:
            return
        if self.watch is not None:
            lay_stake(self.watch, sums, scale)
            if self._evidence(drift) >= 1.0 and self._is_low(scale):
                self.raised_at_us = at_us
                return
        self.block.include(sums)
        if self.watch is None or not self._evidence(drift):
            self._settle(scale, drift)

    def report(self, scale: Scale, drift: DriftConfig) -> AlarmReport:
        """Return what is told of it."""
        now = self._now()
        raised = self.raised_at_us is not None
        state: AlarmState = "learning_usual" if self.watch is None else "watching"
        return AlarmReport(
            name=self.name,
            surface=self.surface,
            state="raised" if raised else state,
            evidence=1.0 if raised else min(1.0, self._evidence(drift)),
            usual=None if self.usual is None else self.usual + scale.added,
            now=None if now is None else now + scale.added,
            raised_at_us=self.raised_at_us,
        )

    def _now(self) -> float | None:
        return self.late_value / self.late_weight if self.late_weight else None

    def _is_low(self, scale: Scale) -> bool:
        now = self._now()
        return now is not None and now <= (self.usual or 0.0) * (1.0 - scale.drop / 2.0)

    def _evidence(self, drift: DriftConfig) -> float:
        """Return the logarithm of the stake by that which raises the alarm, at least 0."""
        if self.watch is None or self.watch.log_stake is None:
            return 0.0
        wanted = -math.log(_error(drift, self.blocks))
        return max(0.0, self.watch.log_stake / wanted)

    def _settle(self, scale: Scale, drift: DriftConfig) -> None:
        """End the block if what is usual is known well enough by it."""
        block = self.block
        if block.pages < drift.reference_outcomes * 2**self.blocks or block.value <= 0:
            return
        usual = block.value / block.weight
        least = lower_bound(block, scale, _error(drift, self.blocks + 1))
        if least < usual * (1.0 - scale.drop / 2.0):
            return
        self.blocks += 1
        self.usual = usual
        self.watch = Watch(least, _best_bet(block, usual, least, scale))
        self.block = PageSums()


def lower_bound(sums: PageSums, scale: Scale, error: float) -> float:
    """Return what the ratio is at least, at all times but with the chance ``error``.

    It is found on a grid up to the ratio itself, and is 0 if nothing of that is refused.
    """
    ratios = sums.value / sums.weight * np.arange(1, _GRID + 1) / _GRID
    widths = scale.weight_max * ratios - scale.value_min
    surplus = (sums.value - ratios * sums.weight) / widths
    squares = (sums.value2 - 2.0 * ratios * sums.cross + ratios**2 * sums.weight2) / widths**2
    refused = surplus >= reach(np.maximum(squares, 0.0), error)
    first_kept = int(np.argmin(refused))
    return float(ratios[first_kept - 1]) if first_kept else 0.0


def lay_stake(watch: Watch, sums: PageSums, scale: Scale) -> None:
    """Lay a part of the stakes at a slot, and bet all that is laid on its pages."""
    width, least = scale.value_max, watch.least
    lack = (least * sums.weight - sums.value) / width
    squares = (least**2 * sums.weight2 - 2.0 * least * sums.cross + sums.value2) / width**2
    cost = -math.log1p(-watch.bet) - watch.bet
    laid = math.log(_STARTS / ((watch.slots + _STARTS) * (watch.slots + _STARTS + 1.0)))
    before = laid if watch.log_stake is None else float(np.logaddexp(watch.log_stake, laid))
    watch.log_stake = before + watch.bet * lack - cost * max(0.0, squares)
    watch.slots += 1


def _best_bet(sums: PageSums, usual: float, least: float, scale: Scale) -> float:
    """Return the bet that wins most, a page, from the fall that is to be noticed."""
    fallen = usual * (1.0 - scale.drop)
    lack = (least - fallen) * sums.weight / sums.pages / scale.value_max
    spread = sums.value2 - 2.0 * usual * sums.cross + usual**2 * sums.weight2
    squares = max(0.0, spread) / sums.pages / scale.value_max**2 + lack**2
    return min(_BET_MAX, lack / (lack + squares))


def _error(drift: DriftConfig, block: int) -> float:
    """Return the chance with which either half of a block's test may err."""
    return drift.false_alarm_rate / (2.0 * block * (block + 1))
