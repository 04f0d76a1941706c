"""The page of an evaluation: policies judged on a log."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.report.calibration import calibration_plot
from simulator.report.estimates import (
    data_facts,
    data_section,
    estimates_forest,
    estimates_table,
    group_table,
    headline_estimator,
    logged_mean,
    series_of,
    urgent_notes,
    with_interval,
)
from simulator.report.histogram import weight_histograms
from simulator.report.page import Block, Page, Section
from simulator.report.trust import TRUST, cautions, in_doubt, is_doubtful, trust_blocks
from simulator.results import Evaluation

NAMED_MAX = 3
"""Policies in doubt that the headline names; of more, it says how many."""
GROUPS = (
    ("segments", "By segment", "Segment", "The same policies among groups of viewers."),
    ("positions", "By position", "Position", "The same policies by place on the page."),
)
SELF_NORMALISED = (
    " By weights that are normalised within each group, with normal intervals. Few effective "
    "rounds mean wide intervals, and intervals that cannot be trusted."
)


def evaluation_page(result: Evaluation) -> Page:
    """Lay out an evaluation."""
    title = "Estimated value of each policy"
    sections = [
        Section(
            "estimates",
            "Estimates",
            "",
            [
                *urgent_notes(result.notes),
                *cautions(result.estimates),
                estimates_forest("estimates", title, result.estimates, result.data),
                estimates_table("estimates-table", result.estimates),
            ],
        ),
        Section("trust", "How far to trust them", TRUST, _trust(result)),
    ]
    for rows, (name, heading, group, lead) in zip(
        (result.segments, result.positions), GROUPS, strict=True
    ):
        if rows:
            table = group_table(name, f"Estimates {heading.lower()}", group, rows)
            sections.append(Section(name, heading, lead + SELF_NORMALISED, [table]))
    sections.append(data_section(result.data, result.notes))
    return Page(
        kind="Evaluation",
        title=f"Evaluation on {result.data.name}",
        headline=_headline(result),
        facts=data_facts(result.data),
        sections=sections,
    )


def _trust(result: Evaluation) -> list[Block]:
    blocks = trust_blocks(result.estimates)
    if result.weights:
        series = series_of(estimate.policy for estimate in result.estimates)
        blocks.append(weight_histograms("weights", result.weights, series))
    if result.calibration:
        blocks.append(calibration_plot("calibration", result.calibration))
    return blocks


def _headline(result: Evaluation) -> str:
    """Tell of the best policy that is soundly judged, if there is one."""
    estimator = headline_estimator(result.estimates)
    made = [e for e in result.estimates if e.estimator == estimator and e.value is not None]
    if not made:
        return "No estimate could be made; the verdicts below say why."
    sound = [estimate for estimate in made if not is_doubtful(estimate)]
    best = max(sound or made, key=lambda estimate: estimate.value or 0.0)
    found = with_interval(best.value, best.intervals)
    told = f"{best.policy} would have earned {found}"
    if len(sound or made) > 1:
        which = "" if len(sound) in (0, len(made)) else " soundly"
        told = (
            f"of {len(sound or made)} policies{which} judged, {best.policy} has the highest "
            f"estimate: {found}"
        )
    others = [e.policy for e in made if is_doubtful(e)] if sound else []
    had = {e.policy for e in made}
    missing = list(dict.fromkeys(e.policy for e in result.estimates if e.policy not in had))
    return (
        f"By {estimator}, {told} a round. The logging policy earned {logged_mean(result.data)}."
        f"{in_doubt(best)}{_left_out(others, 'In doubt')}{_left_out(missing, 'Without estimate')}"
    )


def _left_out(policies: Sequence[str], why: str) -> str:
    if not policies:
        return ""
    named = f"{len(policies)} others" if len(policies) > NAMED_MAX else ", ".join(policies)
    return f" {why}, as told below: {named}."
