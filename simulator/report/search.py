"""The page of a search: configurations tried on one part of a log, judged on the other."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.report.estimates import (
    data_facts,
    data_section,
    estimates_forest,
    estimates_table,
    interval_columns,
    logged_reference,
    urgent_notes,
    with_interval,
)
from simulator.report.forest import Entry, Whisker, forest
from simulator.report.page import Cell, Column, Fact, Figure, Page, Remarks, Section, Table
from simulator.report.trust import cautions, in_doubt, trust_blocks
from simulator.results import Candidate, Search

DRAWN_MAX = 20
"""Candidates in the figure; the table has all of them."""

HONEST = (
    "The winner and the base configuration on rounds that had no say in the choice. The values "
    "above flatter the winner, being the greatest of many; these do not."
)


def search_page(result: Search) -> Page:
    """Lay out a search."""
    judged = [result.chosen, result.baseline]
    tried = len(result.candidates)
    return Page(
        kind="Search",
        title=f"Search on {result.data.name}",
        headline=(
            f"The best of {tried} configurations would have earned "
            f"{with_interval(result.chosen.value, result.chosen.intervals)} a round by "
            f"{result.estimator}, the base configuration "
            f"{with_interval(result.baseline.value, result.baseline.intervals)}. "
            f"It is written to {result.written}.{in_doubt(result.chosen)}"
        ),
        facts=[Fact("configurations", f"{tried:,}", "tried"), *data_facts(result.data)],
        sections=[
            Section(
                "candidates",
                "What was tried",
                "Estimates on the rounds that chose, best first.",
                [*urgent_notes(result.notes), _figure(result), _table(result.candidates)],
            ),
            Section(
                "judged",
                "The winner, judged apart",
                HONEST,
                [
                    *cautions(judged),
                    *([Remarks(result.notes)] if result.notes else []),
                    estimates_forest(
                        "judged", "Winner and base on unseen rounds", judged, result.data
                    ),
                    estimates_table("judged-table", judged),
                    *trust_blocks(judged),
                ],
            ),
            data_section(result.data, []),
        ],
    )


def _figure(result: Search) -> Figure:
    level = next((i.level for i in result.chosen.intervals), 0.95)
    entries = [
        Entry(
            "", _name(candidate), candidate.tuning_value, _whiskers(candidate, level), min(place, 1)
        )
        for place, candidate in enumerate(result.candidates[:DRAWN_MAX])
    ]
    left = len(result.candidates) - len(entries)
    more = f" {left} more are in the table." if left else ""
    return forest(
        "candidates",
        "Estimated value of each configuration",
        "On the rounds that chose among them, so the first one's is flattering." + more,
        entries,
        "mean reward a round",
        logged_reference(result.data),
    )


def _whiskers(candidate: Candidate, level: float) -> list[Whisker]:
    low, high = candidate.tuning_low, candidate.tuning_high
    return [] if low is None or high is None else [Whisker("tuning interval", level, low, high)]


def _name(candidate: Candidate) -> str:
    """Return settings by the last part of their keys, as far as that tells them apart."""
    return ", ".join(
        f"{key.rpartition('.')[2]} {_told(value)}" for key, value in candidate.settings.items()
    )


def _told(value: Cell) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(candidates: Sequence[Candidate]) -> Table:
    keys = list(dict.fromkeys(key for c in candidates for key in c.settings))
    columns = [
        *(Column(key, key) for key in keys),
        Column("value", "Value", "number"),
        *interval_columns("value", "Interval"),
    ]
    rows = [
        (*(c.settings.get(key) for key in keys), c.tuning_value, c.tuning_low, c.tuning_high)
        for c in candidates
    ]
    return Table("candidates-table", "Configurations tried", columns, rows)
