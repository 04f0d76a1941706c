"""One policy on logged rounds: estimates with intervals, diagnostics, weights and tables."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from simulator.diagnostics import weight_histogram
from simulator.errors import EstimationError, NotApplicableError
from simulator.intervals import interval
from simulator.results import Diagnostics, Estimate, GroupRow, Histogram, Interval
from simulator.studies.asked import Asked
from simulator.studies.cases import Answer, Case
from simulator.studies.plans import JudgePlan
from simulator.studies.splitting import Clusters
from simulator.studies.tables import group_rows


class Judged(NamedTuple):
    """All that is said of one policy."""

    policy: str
    estimates: list[Estimate]
    weights: Histogram
    segments: list[GroupRow]
    positions: list[GroupRow]


class Estimated(NamedTuple):
    """What one estimator said, and what came of it."""

    estimate: Estimate
    answer: Answer | None
    """None where there is no estimate."""


def judge(policy: str, case: Case) -> Judged:
    """Judge a policy by every estimator of the plan."""
    return Judged(
        policy,
        [estimated(policy, asked, case).estimate for asked in case.plan.estimators],
        weight_histogram(case.weight),
        group_rows(policy, case.segments(), case.plan.level),
        group_rows(policy, case.positions(), case.plan.level),
    )


def estimated(policy: str, asked: Asked, case: Case) -> Estimated:
    """Judge a policy by one estimator; what cannot be estimated is said, and has no value."""
    diagnostics = case.diagnose(policy, asked)
    try:
        answer = case.answer(asked)
        answer.terms.check_overlap()
        value = answer.terms.value()
    except (EstimationError, NotApplicableError) as error:
        return Estimated(_without_value(policy, asked, case, diagnostics, error), None)
    found, refused = intervals_of(answer, case.plan, case.cluster)
    estimate = Estimate(
        policy=policy,
        estimator=asked.label,
        value=value,
        intervals=found,
        parameters=answer.parameters,
        diagnostics=msgspec.structs.replace(
            diagnostics, warnings=[*diagnostics.warnings, *answer.warnings, *refused]
        ),
        marked="; ".join(filter(None, (case.marked, answer.marked))),
    )
    return Estimated(estimate, answer)


def intervals_of(
    answer: Answer, plan: JudgePlan, cluster: Clusters | None
) -> tuple[list[Interval], list[str]]:
    """Return the plan's intervals, and why some do not apply."""
    found: list[Interval] = []
    refused: list[str] = []
    for method in plan.intervals:
        try:
            found.append(
                interval(
                    method,
                    answer.terms,
                    level=plan.level,
                    seed=plan.seed,
                    resamples=plan.resamples,
                    cluster=cluster,
                    bounds=answer.bounds,
                    threads=plan.threads,
                )
            )
        except NotApplicableError as error:
            refused.append(f"no {method} interval: {error.message}")
    return found, refused


def _without_value(
    policy: str,
    asked: Asked,
    case: Case,
    diagnostics: Diagnostics,
    error: EstimationError | NotApplicableError,
) -> Estimate:
    verdict = f"{error.message}: {error.hint}" if error.hint else error.message
    return Estimate(
        policy=policy,
        estimator=asked.label,
        value=None,
        diagnostics=msgspec.structs.replace(diagnostics, sound=False, verdict=verdict, warnings=[]),
        marked=case.marked,
    )
