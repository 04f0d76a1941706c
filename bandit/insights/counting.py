"""Outcomes in, figures kept: what each outcome adds, in the order in which they closed.

A pure state machine; see :mod:`bandit.insights` for the figures' meaning. Segments tell apart the
first ``insights.segment_values_max`` values of a context feature; what comes later is ``other``.
What depends on a setting that was changed begins anew: the series with ``interval_s``, segments
that are no longer configured, alarms with ``drift``, what is told of rewards with the reward rule.

Pages that wait in slots are let go of where these change their width, or the rule changes. Then,
and where figures begin while pages are open, those that had closed by then are missing, and they
are the ones that were played. So no slot takes a page that may have closed before.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import Final, NamedTuple

import msgspec

from bandit.clock import to_us
from bandit.config.schema import Config
from bandit.drift_words import AlarmName, AlarmReport
from bandit.events import DecisionRecord
from bandit.insights.alarms import Alarm, Scale, scale_of
from bandit.insights.means import Mean
from bandit.insights.series import Interval, Series
from bandit.insights.singly import REVIEW_INTERVALS, RowCounts, TitleCounts
from bandit.insights.state import InsightsState, decode_state, encode_state
from bandit.insights.sums import PAGE_DISPLAYS_MAX, PAGE_GAIN_MAX, PageSums, Slot, gain_of
from bandit.joiner import Outcome
from bandit.thinning import Display
from bandit.types import SURFACES, RowChoice, Surface, TitleChoice

_NAMES: Final[tuple[AlarmName, ...]] = ("reward_drop", "entropy_collapse")
OTHER: Final = "other"
SLOTS_PER_WINDOW: Final = 1000
"""Where a window has more intervals, slots are wider than those."""

TitleDisplays = Sequence[tuple[TitleChoice, Display]]
RowDisplays = Sequence[tuple[RowChoice, Display]]


class Totals(NamedTuple):
    """What a page's displays on one surface came to."""

    displays: int
    clicks: int
    plays: int
    reward: float


class Insights:
    """Counts outcomes; all it knows is its state."""

    def __init__(self, config: Config, state: bytes = b"") -> None:
        """Go on from an encoded state, or begin anew where there is none."""
        self._settings = config.insights
        self._drift = config.drift
        self._default = config.reward.default
        self._segment_names = list(dict.fromkeys(self._settings.segments))
        self._scales = {
            (name, surface): scale_of(name, surface, self._drift, self._default)
            for name in _NAMES
            for surface in SURFACES
        }
        self._interval_us = max(1, to_us(self._settings.interval_s))
        self._window_us = to_us(config.reward.window_s + config.reward.clock_leeway_s)
        self._slot_us = max(self._interval_us, -(-self._window_us // SLOTS_PER_WINDOW))
        self._rule = msgspec.json.encode(config.reward).decode()
        self._state = self._taken_up(decode_state(state) or self._begun_anew(amid=bool(state)))

    def _begun_anew(self, *, amid: bool) -> InsightsState:
        """Return a state of nothing; ``amid`` what was counted by somebody else."""
        return InsightsState(
            interval_us=self._interval_us,
            segments=self._segment_names,
            slot_us=self._slot_us,
            slots_from_us=None if amid else 0,
            reward_rule=self._rule,
        )

    def _taken_up(self, state: InsightsState) -> InsightsState:
        interval_us, segments = self._interval_us, self._segment_names
        if state.interval_us != interval_us:
            state.interval_us, state.series, state.reviewed = interval_us, Series(), 0
        kept = {(alarm.name, alarm.surface): alarm for alarm in state.alarms}
        if state.reward_rule != self._rule:
            state.reward_rule = self._rule
            for surface in SURFACES:
                kept.pop(("reward_drop", surface), None)
                for means in state.shares[surface].values():
                    means.gain = Mean()
            _let_go_of_slots(state)
        if state.slot_us != self._slot_us:
            state.slot_us, state.slot_next = self._slot_us, 0
            _let_go_of_slots(state)
        if state.segments != segments:
            _forget_segments(state, set(state.segments) - set(segments))
            state.segments = segments
        state.alarms = [
            self._begun(name, surface, kept.get((name, surface)))
            for name in _NAMES
            for surface in SURFACES
        ]
        return state

    def _begun(self, name: AlarmName, surface: Surface, found: Alarm | None = None) -> Alarm:
        drift, scale = self._drift, self._scales[name, surface]
        made_with = [drift.false_alarm_rate, float(drift.reference_outcomes), *scale]
        if found is not None and found.made_with == made_with:
            return found
        return Alarm(name, surface, made_with)

    @property
    def state(self) -> InsightsState:
        """What was counted so far."""
        return self._state

    def encoded(self) -> bytes:
        """Return what another one goes on from."""
        return encode_state(self._state)

    def reset_alarms(self) -> None:
        """Let all alarms begin anew."""
        alarms = self._state.alarms
        self._state.alarms = [self._begun(alarm.name, alarm.surface) for alarm in alarms]

    def alarms(self) -> list[AlarmReport]:
        """Return how the alarms stand."""
        return [alarm.report(self._scale(alarm), self._drift) for alarm in self._state.alarms]

    def _scale(self, alarm: Alarm) -> Scale:
        return self._scales[alarm.name, alarm.surface]

    def count(
        self, outcome: Outcome, titles: TitleDisplays, rows: RowDisplays, examples: int
    ) -> None:
        """Count an outcome: what was seen of it, and how many examples were learned of it."""
        state, at_us = self._state, outcome.closed_at_us
        if state.since_us is None:
            state.since_us = at_us
        self._move_on(at_us)
        interval = state.series.at(at_us // self._interval_us, self._settings.intervals_max)
        interval.outcomes += 1
        interval.examples += examples
        slot = self._slot(outcome)
        decision = outcome.decision
        if titles:
            totals = self._count_titles(decision, titles)
            self._count_page("artwork", decision, totals, interval, slot)
            if decision.shares.get("artwork") == "learned":
                drawn = [
                    choice.propensity for choice, _ in titles if 0.0 < choice.propensity <= 1.0
                ]
                self._count_draws("artwork", decision, drawn, interval, slot)
        if rows:
            self._count_page("rows", decision, self._count_rows(rows), interval, slot)
            if decision.shares.get("rows") == "learned":
                drawn = [
                    row.propensity
                    for row, _ in rows
                    if not row.pinned and 0.0 < row.propensity <= 1.0
                ]
                self._count_draws("rows", decision, drawn, interval, slot)

    def _slot(self, outcome: Outcome) -> Slot:
        """Return the slot that a page belongs to; one to throw away if it is to be in none."""
        state = self._state
        if state.slots_from_us is None:
            state.slots_from_us = outcome.closed_at_us
        if outcome.opened_at_us < state.slots_from_us:
            return Slot()
        number = max(outcome.opened_at_us // self._slot_us, state.slot_next)
        slot = state.slots.get(number)
        if slot is None:
            slot = state.slots[number] = Slot()
        return slot

    def _count_page(
        self,
        surface: Surface,
        decision: DecisionRecord,
        totals: Totals,
        interval: Interval,
        slot: Slot,
    ) -> None:
        """Count what a page's displays came to on one surface."""
        share = decision.shares.get(surface)
        if share is None:
            return
        number, clicks, plays, reward = totals
        counts = interval.of(surface, share)
        counts.displays += number
        counts.clicks += clicks
        counts.plays += plays
        counts.reward += reward
        gain = gain_of(reward, number, self._default)
        weight = min(PAGE_DISPLAYS_MAX[surface], number)
        sums = slot.of(surface, share)
        sums.add(weight, min(PAGE_GAIN_MAX, plays), min(PAGE_GAIN_MAX, clicks), gain)
        if share == "learned" and surface in decision.snapshots:
            slot.rewards.setdefault(surface, PageSums()).add(weight, gain)

    def _count_draws(
        self,
        surface: Surface,
        decision: DecisionRecord,
        propensities: Sequence[float],
        interval: Interval,
        slot: Slot,
    ) -> None:
        """Count how open the draws were of what was displayed to the learned share."""
        if not propensities:
            return
        bits = -sum(map(log2, propensities))
        within = interval.surfaces[surface]
        within.bits += bits
        within.drawn += len(propensities)
        if surface in decision.snapshots:
            mean = min(
                self._scales["entropy_collapse", surface].value_max, bits / len(propensities)
            )
            slot.bits.setdefault(surface, PageSums()).add(1.0, mean)

    def _count_titles(self, decision: DecisionRecord, titles: TitleDisplays) -> Totals:
        of_titles, places = self._state.titles, self._settings.titles_max
        known = of_titles.known
        learned = decision.shares.get("artwork") == "learned"
        segments = self._segments(decision) if self._segment_names else ()
        clicks = plays = 0
        total = 0.0
        for choice, (reward, _, clicked, played) in titles:
            total += reward
            clicks += clicked
            plays += played
            title = known.get(choice.title) or of_titles.admit(choice.title, TitleCounts, places)
            if title is None:
                continue
            artwork = title.artworks.get(choice.artwork) or title.artwork(choice.artwork)
            if artwork is None:
                continue
            artwork.displays += 1
            if not learned:
                artwork.others += 1
            if clicked:
                artwork.clicks += 1
            if played:
                artwork.plays += 1
            for name in segments:
                cell = artwork.segments.get(name)
                if cell is None:
                    cell = artwork.segments[name] = [0, 0]
                cell[0] += 1
                cell[1] += played
        return Totals(len(titles), clicks, plays, total)

    def _segments(self, decision: DecisionRecord) -> list[str]:
        """Return the segments that a page counts for, as in ``device=tv``."""
        found = []
        for segment in self._segment_names:
            value = decision.context.get(segment)
            if isinstance(value, str):
                values = self._state.segment_values.setdefault(segment, [])
                if value not in values:
                    if len(values) >= self._settings.segment_values_max:
                        value = OTHER
                    else:
                        values.append(value)
                found.append(f"{segment}={value}")
        return found

    def _count_rows(self, rows: RowDisplays) -> Totals:
        of_rows, places = self._state.rows, self._settings.rows_max
        clicks = plays = 0
        total = 0.0
        for row, (reward, _, clicked, played) in rows:
            total += reward
            clicks += clicked
            plays += played
            counts = of_rows.known.get(row.id) or of_rows.admit(row.id, RowCounts, places)
            if counts is not None:
                counts.displays += 1
                counts.positions += row.position
                counts.reward += reward
                counts.clicks += clicked
                counts.plays += played
        return Totals(len(rows), clicks, plays, total)

    def _move_on(self, at_us: int) -> None:
        """Do what falls due by the log's time ``at_us``."""
        state = self._state
        review = at_us // self._interval_us // REVIEW_INTERVALS
        if review > state.reviewed:
            state.reviewed = review
            state.titles.review(TitleCounts, self._settings.titles_max)
            state.rows.review(RowCounts, self._settings.rows_max)
        done = (at_us - self._window_us) // self._slot_us
        if done > state.slot_next:
            state.slot_next = done
            for number in sorted(number for number in state.slots if number < done):
                self._fold(state.slots.pop(number), at_us)

    def _fold(self, slot: Slot, at_us: int) -> None:
        """Take up a slot whose pages have all closed."""
        for surface, shares in slot.shares.items():
            for share, sums in shares.items():
                self._state.shares[surface][share].include(sums)
        for alarm in self._state.alarms:
            of_surfaces = slot.rewards if alarm.name == "reward_drop" else slot.bits
            drift_sums = of_surfaces.get(alarm.surface)
            if drift_sums is not None:
                alarm.take(drift_sums, self._scale(alarm), self._drift, at_us)


def _let_go_of_slots(state: InsightsState) -> None:
    state.slots, state.slots_from_us = {}, None


def _forget_segments(state: InsightsState, gone: set[str]) -> None:
    """Let go of what was counted by context features that are no longer configured."""
    for segment in gone:
        state.segment_values.pop(segment, None)
        for title in state.titles.known.values():
            for artwork in title.artworks.values():
                for name in [name for name in artwork.segments if name.startswith(f"{segment}=")]:
                    del artwork.segments[name]
