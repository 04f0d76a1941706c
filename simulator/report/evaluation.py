"""The page of an evaluation: policies judged on a log."""

from __future__ import annotations

from simulator.report.calibration import calibration_plot
from simulator.report.estimates import (
    data_facts,
    data_section,
    estimates_forest,
    estimates_table,
    group_table,
    headline_estimator,
    mark_notes,
    series_of,
    verdicts,
    with_interval,
)
from simulator.report.histogram import weight_histograms
from simulator.report.numbers import compact, decimals_of_width, number
from simulator.report.page import Block, Page, Section
from simulator.results import Evaluation

TRUST = (
    "An estimate leans on the rounds in which the policy might have done what was logged. "
    "Effective rounds say how many those are worth; the mean weight should be 1."
)


def evaluation_page(result: Evaluation) -> Page:
    """Lay out an evaluation."""
    notes = mark_notes(result.estimates)
    title = "Estimated value of each policy"
    sections = [
        Section(
            "estimates",
            "Estimates",
            "",
            [
                *notes,
                estimates_forest("estimates", title, result.estimates, result.data),
                estimates_table("estimates-table", result.estimates),
            ],
        ),
        Section("trust", "How far to trust them", TRUST, _trust(result)),
    ]
    if result.segments:
        sections.append(
            Section(
                "segments",
                "By segment",
                "The same policies among groups of viewers. Few rounds mean wide intervals.",
                [group_table("segments", "Estimates by segment", "Segment", result.segments)],
            )
        )
    if result.positions:
        sections.append(
            Section(
                "positions",
                "By position",
                "The same policies by place on the page.",
                [group_table("positions", "Estimates by position", "Position", result.positions)],
            )
        )
    sections.append(data_section(result.data))
    return Page(
        kind="Evaluation",
        title=f"Evaluation on {result.data.name}",
        headline=_headline(result),
        facts=data_facts(result.data),
        sections=sections,
    )


def _trust(result: Evaluation) -> list[Block]:
    blocks: list[Block] = list(verdicts(result.estimates))
    if result.weights:
        series = series_of(estimate.policy for estimate in result.estimates)
        blocks.append(weight_histograms("weights", result.weights, series))
    if result.calibration:
        blocks.append(calibration_plot("calibration", result.calibration))
    return blocks


def _logged(result: Evaluation) -> str:
    interval = result.data.logged_interval
    if interval is None:
        return compact(result.data.logged_mean)
    return number(result.data.logged_mean, decimals_of_width(interval.high - interval.low))


def _headline(result: Evaluation) -> str:
    estimator = headline_estimator(result.estimates)
    made = [e for e in result.estimates if e.estimator == estimator and e.value is not None]
    if not made:
        return "No estimate could be made; the verdicts below say why."
    sound = [estimate for estimate in made if estimate.diagnostics.sound]
    best = max(sound or made, key=lambda estimate: estimate.value or 0.0)
    which = "" if len(sound) in (0, len(made)) else " soundly"
    many = f"of {len(sound or made)} policies{which} judged, {best.policy} would have earned most"
    found = with_interval(best.value, best.intervals)
    told = (
        f"{many}: {found}" if len(sound or made) > 1 else f"{best.policy} would have earned {found}"
    )
    doubt = "" if best.diagnostics.sound else f" But: {best.diagnostics.verdict}"
    return f"By {estimator}, {told} a round. The logging policy earned {_logged(result)}.{doubt}"
