"""The page of a comparison: two policies on the same rounds."""

from __future__ import annotations

from simulator.report.estimates import (
    data_facts,
    data_section,
    estimates_forest,
    estimates_table,
    urgent_notes,
    whiskers,
    with_interval,
)
from simulator.report.forest import Entry, Reference, forest
from simulator.report.numbers import p_value
from simulator.report.page import Fact, Page, Section
from simulator.report.trust import TRUST, cautions, in_doubt, trust_blocks
from simulator.results import Comparison


def comparison_page(result: Comparison) -> Page:
    """Lay out a comparison."""
    judged = [result.first, result.second]
    names = f"{result.second.policy} minus {result.first.policy}"
    difference = forest(
        "difference",
        "Difference in value",
        f"{names}, round by round, by {result.estimator}. Right of the line the second is better.",
        [Entry("", "difference", result.difference, whiskers(result.intervals), 0)],
        "difference of mean rewards a round",
        Reference("no difference", 0.0),
    )
    facts = [
        Fact("p-value", p_value(result.p_value), "of no difference, two-sided"),
        *data_facts(result.data),
    ]
    return Page(
        kind="Comparison",
        title=f"{result.first.policy} and {result.second.policy} on {result.data.name}",
        headline=f"{result.verdict.rstrip('.')}. Difference: "
        f"{with_interval(result.difference, result.intervals)} a round.{in_doubt(*judged)}",
        facts=facts,
        sections=[
            Section(
                "difference-of",
                "The difference",
                "",
                [*urgent_notes(result.notes), *cautions(judged), difference],
            ),
            Section(
                "estimates-of",
                "Each by itself",
                "The difference is known better than either value, for both are judged on the "
                "same rounds.",
                [
                    estimates_forest("estimates", "Estimated values", judged, result.data),
                    estimates_table("estimates-table", judged),
                ],
            ),
            Section("trust", "How far to trust them", TRUST, trust_blocks(judged)),
            data_section(result.data, result.notes),
        ],
    )
