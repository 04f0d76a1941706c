from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bandit.clock import MICROSECONDS
from bandit.config.schema import Config, DriftConfig, InsightsConfig
from bandit.events import DecisionRecord
from bandit.insights.counting import SLOTS_PER_WINDOW, Insights
from bandit.insights.singly import NEWCOMERS_PER_PLACE, REVIEW_INTERVALS
from bandit.insights.state import decode_state
from bandit.joiner import Outcome
from bandit.reward import RewardRule
from bandit.thinning import Display
from bandit.types import ARTWORKS_MAX, RowChoice, Share, TitleChoice

WINDOW_S = 100.0
KEEN = DriftConfig(reference_outcomes=5, reward_drop=0.9, entropy_drop=0.9)
"""Learns soon what is usual."""
QUIET = Display(0.0, [])
PLAYED = Display(1.0, [], clicked=True, played=True)


def config(*, default: float = 0.0, drift: DriftConfig | None = None, **insights: Any) -> Config:
    return Config(
        reward=RewardRule(window_s=WINDOW_S, clock_leeway_s=0.0, default=default),
        insights=InsightsConfig(**{"interval_s": 10.0, **insights}),
        drift=drift or DriftConfig(),
    )


def outcome(opened_s: float, closed_s: float, share: Share = "learned", **context: Any) -> Outcome:
    decision = DecisionRecord(
        decision_id="d",
        decided_at_us=0,
        body_digest=b"",
        catalog="c",
        policy="p",
        shares={"artwork": share, "rows": share},
        titles=[],
        context=context,
        snapshots={"artwork": "a-1", "rows": "r-1"},
    )
    opened_us, closed_us = int(opened_s * MICROSECONDS), int(closed_s * MICROSECONDS)
    return Outcome(decision, opened_us, (), "window", opened_us, closed_us)


def shown(
    *names: str, display: Display = QUIET, artwork: str = "a", propensity: float = 0.5
) -> list[tuple[TitleChoice, Display]]:
    return [(TitleChoice(name, artwork, propensity), display) for name in names]


def test_intervals_count_what_closed_in_them_and_old_ones_go() -> None:
    insights = Insights(config(intervals_max=3))
    insights.count(outcome(0, 5), shown("t", "u"), [], 2)
    insights.count(outcome(0, 9.99), shown("t", display=PLAYED), [], 1)
    insights.count(outcome(0, 10, "holdout"), shown("t"), [], 0)
    first, second = insights.state.series.intervals
    assert (first.number, first.outcomes, first.examples) == (0, 2, 3)
    counts = first.surfaces["artwork"].shares["learned"]
    assert (counts.displays, counts.clicks, counts.plays, counts.reward) == (3, 1, 1, 1.0)
    assert second.surfaces["artwork"].shares.keys() == {"holdout"}
    insights.count(outcome(0, 35), [], [], 0)
    assert [one.number for one in insights.state.series.intervals] == [1, 3]


def test_entropy_is_estimated_from_what_was_drawn_for_the_learned_share() -> None:
    insights = Insights(config())
    rows = [
        (RowChoice("r", 0, 1.0, True, []), QUIET),
        (RowChoice("s", 1, 0.25, False, []), QUIET),
    ]
    titles = [*shown("t", propensity=0.5), *shown("u", propensity=0.125)]
    insights.count(outcome(0, 5), titles, rows, 0)
    insights.count(outcome(0, 5, "explore"), titles, rows, 0)
    surfaces = insights.state.series.intervals[0].surfaces
    assert (surfaces["artwork"].bits, surfaces["artwork"].drawn) == (4.0, 2)
    assert (surfaces["rows"].bits, surfaces["rows"].drawn) == (2.0, 1)


@pytest.mark.parametrize("wrong", [0.0, -1.0, 1.5, float("nan"), float("inf")])
def test_probabilities_that_are_none_are_passed_over(wrong: float) -> None:
    insights = Insights(config())
    insights.count(outcome(0, 5), [*shown("t", propensity=wrong), *shown("u")], [], 0)
    within = insights.state.series.intervals[0].surfaces["artwork"]
    assert (within.bits, within.drawn) == (1.0, 1)


def test_ranges_and_alarms_take_pages_by_when_they_were_shown() -> None:
    """What was played closes at once, yet counts only with what was shown beside it."""
    insights = Insights(config())
    means = insights.state.shares["artwork"]["learned"]
    for number in range(5):
        insights.count(outcome(number, number + 1), shown("t", display=PLAYED), [], 0)
    assert means.take.pages == 0
    for number in range(5, 10):
        insights.count(outcome(number, number + WINDOW_S), shown("t"), [], 0)
    assert means.take.pages == 0
    insights.count(outcome(10.0, 10.0 + WINDOW_S), [], [], 0)
    assert (means.take.pages, means.take.displays, means.take.total) == (10, 10, 5.0)
    assert insights.alarms()[0].now == 0.5


def test_pages_count_with_bounded_totals() -> None:
    insights = Insights(config(default=0.25))
    names = [f"t{index}" for index in range(40)]
    insights.count(outcome(0, 1), shown(*names, display=PLAYED), [], 0)
    insights.count(outcome(0, 1, "holdout"), shown(*names), [], 0)
    insights.count(outcome(900, 900), [], [], 0)
    shares = insights.state.shares["artwork"]
    assert (shares["learned"].take.total, shares["learned"].take.displays) == (4.0, 32.0)
    assert (shares["learned"].gain.total, shares["holdout"].gain.total) == (4.0, -1.0)


def test_artworks_are_counted_by_segment_and_late_values_as_other() -> None:
    insights = Insights(config(segments=["device", "taste"], segment_values_max=2))
    for device in ("tv", "phone", "tablet", "watch", "tv"):
        insights.count(outcome(0, 1, device=device, taste=3.0), shown("t", display=PLAYED), [], 0)
    insights.count(outcome(0, 1, "explore", device=["tv"]), shown("t"), [], 0)
    artwork = insights.state.titles.known["t"].artworks["a"]
    assert (artwork.displays, artwork.others, artwork.plays, artwork.clicks) == (6, 1, 5, 5)
    assert artwork.segments == {"device=tv": [2, 2], "device=phone": [1, 1], "device=other": [2, 2]}


def test_segments_that_are_no_longer_configured_go_and_the_rest_stays() -> None:
    insights = Insights(config(segments=["device", "taste"]))
    insights.count(outcome(0, 1, device="tv", taste="dark"), shown("t"), [], 0)
    state = Insights(config(segments=["taste"]), insights.encoded()).state
    assert state.titles.known["t"].artworks["a"].segments == {"taste=dark": [1, 0]}
    assert state.segment_values == {"taste": ["dark"]}


def test_titles_seen_most_of_late_are_counted_singly() -> None:
    insights = Insights(config(titles_max=2))
    review_s = REVIEW_INTERVALS * 10.0
    for name, times in (("old", 6), ("rare", 1), ("new", 4)):
        for _ in range(times):
            insights.count(outcome(0, 1), shown(name), [], 0)
    assert insights.state.titles.known.keys() == {"old", "rare"}
    insights.count(outcome(0, review_s), shown("new"), [], 0)
    known = insights.state.titles.known
    assert list(known) == ["old", "new"]
    assert known["old"].artworks["a"].displays == 6
    assert known["new"].artworks["a"].displays == 1
    for _ in range(5):
        insights.count(outcome(0, review_s), shown("third"), [], 0)
    insights.count(outcome(0, 2 * review_s), [], [], 0)
    assert list(insights.state.titles.known) == ["third", "new"]


def test_everything_is_bounded() -> None:
    insights = Insights(config(titles_max=3, rows_max=2, intervals_max=4, segments=["s"]))
    for number in range(400):
        page = outcome(number * 10, number * 10 + WINDOW_S, s=f"v{number}")
        rows = [(RowChoice(f"r{number}", 0, 1.0, False, []), QUIET)]
        insights.count(page, shown(f"t{number}", "t", artwork=f"a{number}"), rows, 0)
    state = insights.state
    assert len(state.titles.known) <= 3
    assert len(state.titles.newcomers) <= 3 * NEWCOMERS_PER_PLACE
    assert len(state.rows.known) <= 2
    assert len(state.series.intervals) <= 4
    assert len(state.slots) <= WINDOW_S / 10 + 2
    narrow = Insights(config(interval_s=0.001))
    for number in range(3000):
        narrow.count(outcome(number / 20, number / 20), shown("t"), [], 0)
    assert 900 < len(narrow.state.slots) <= SLOTS_PER_WINDOW + 2
    assert len(state.segment_values["s"]) == 8
    artworks = state.titles.known["t"].artworks
    assert len(artworks) <= ARTWORKS_MAX
    assert "a399" in artworks, "artworks that are shown no more make room"


def test_rows_are_counted_with_their_places() -> None:
    insights = Insights(config())
    for place, display in ((0, PLAYED), (3, QUIET)):
        row = RowChoice("r", place, 0.5, False, [])
        insights.count(outcome(0, 1), [], [(row, display)], 0)
    row_counts = insights.state.rows.known["r"]
    assert (row_counts.displays, row_counts.positions, row_counts.plays) == (2, 3, 1)
    assert (row_counts.clicks, row_counts.reward) == (1, 1.0)


def lived(settings: Config, pages: int = 100) -> Insights:
    """Return what counted pages of 20 titles, of which one is played."""
    insights = Insights(settings)
    names = [f"t{index}" for index in range(19)]
    for number in range(pages):
        titles = [*shown(*names), *shown("t", display=PLAYED)]
        insights.count(outcome(number * 3, number * 3 + 1), titles, [], 0)
    return insights


def test_going_on_from_an_encoded_state_changes_nothing() -> None:
    settings = config(segments=["device"], drift=KEEN)
    whole, cut = Insights(settings), Insights(settings)
    for number in range(100):
        page = outcome(number * 3, number * 3 + WINDOW_S, device=f"d{number % 3}")
        titles = [*shown("t", display=PLAYED), *shown(*(f"t{number % 7}{i}" for i in range(9)))]
        for insights in (whole, cut):
            insights.count(page, titles, [], 1)
        cut = Insights(settings, cut.encoded())
    assert cut.encoded() == whole.encoded()
    assert cut.alarms() == whole.alarms()
    assert whole.alarms()[0].usual is not None


def test_what_depends_on_a_changed_setting_begins_anew() -> None:
    before = lived(config(drift=KEEN)).encoded()
    state = Insights(config(interval_s=7.0, drift=KEEN), before).state
    assert (state.series.intervals, state.slots) == ([], {})
    assert state.alarms[0].usual is not None
    assert state.titles.known["t"].artworks["a"].displays == 100
    drift = msgspec.structs.replace(KEEN, reward_drop=0.8)
    alarms = Insights(config(drift=drift), before).state.alarms
    assert [alarm.usual is None for alarm in alarms] == [True, True, False, True]


def test_rewards_of_another_rule_are_not_added_up_with_todays() -> None:
    insights = lived(config(drift=KEEN))
    shares = insights.state.shares["artwork"]
    assert (shares["learned"].gain.total > 0, shares["learned"].take.total > 0) == (True, True)
    state = Insights(config(drift=KEEN, default=0.25), insights.encoded()).state
    assert state.shares["artwork"]["learned"].gain.pages == 0
    assert state.shares["artwork"]["learned"].take == shares["learned"].take
    other = msgspec.structs.replace(config(drift=KEEN))
    other = msgspec.structs.replace(other, reward=msgspec.structs.replace(other.reward, click=0.9))
    state = Insights(other, insights.encoded()).state
    assert state.shares["artwork"]["learned"].gain.pages == 0
    assert [alarm.usual is None for alarm in state.alarms] == [True, True, False, True]
    assert Insights(other, Insights(other, insights.encoded()).encoded()).state == state


@pytest.mark.parametrize("change", ["interval", "rule", "release"])
def test_pages_whose_played_neighbours_were_let_go_of_are_in_no_slot(change: str) -> None:
    """Of a window under way the plays have closed already, and only silence is still to come."""
    before, after = config(), config(interval_s=7.0)
    if change == "rule":
        rule = msgspec.structs.replace(before.reward, click=0.9)
        after = msgspec.structs.replace(before, reward=rule)
    insights = Insights(before)
    for number in range(50):
        insights.count(outcome(number, number + 1), shown("t", display=PLAYED), [], 0)
    encoded = insights.encoded()
    if change == "release":
        after = before
        encoded = msgspec.msgpack.encode(msgspec.structs.replace(insights.state, v=99))
    insights = Insights(after, encoded)
    for number in range(50):
        insights.count(outcome(number + 0.5, number + 0.5 + WINDOW_S), shown("t"), [], 0)
    insights.count(outcome(160, 161), shown("t", display=PLAYED), [], 0)
    insights.count(outcome(165, 165 + WINDOW_S), shown("t"), [], 0)
    insights.count(outcome(400, 400 + WINDOW_S), [], [], 0)
    take = insights.state.shares["artwork"]["learned"].take
    assert (take.pages, take.total) == (2, 1.0)


def test_states_of_other_releases_are_begun_anew() -> None:
    insights = Insights(config())
    insights.count(outcome(0, 1), shown("t"), [], 0)
    newer = msgspec.structs.replace(insights.state, v=99)
    assert decode_state(msgspec.msgpack.encode(newer)) is None
    assert decode_state(b"\xc1") is None
    assert Insights(config(), b"").state.since_us is None


def test_a_reset_forgets_what_was_usual() -> None:
    insights = lived(config(drift=KEEN))
    assert insights.alarms()[0].state == "watching"
    insights.reset_alarms()
    assert {alarm.state for alarm in insights.alarms()} == {"learning_usual"}
    assert {alarm.now for alarm in insights.alarms()} == {None}
