"""One policy on logged rounds: estimates with intervals, diagnostics, weights and tables."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from simulator.diagnostics import diagnose, weight_histogram
from simulator.errors import NoOverlapError, NotApplicableError
from simulator.intervals import Bounds, interval
from simulator.logged import LoggedChoices
from simulator.results import Diagnostics, Estimate, GroupRow, Histogram, Interval
from simulator.studies.asked import Asked
from simulator.studies.material import Material
from simulator.studies.plans import JudgePlan
from simulator.studies.splitting import Clusters
from simulator.studies.tables import group_rows
from simulator.terms import Terms
from simulator.tuning import tune

ESTIMATED_MARK = "propensities are estimated"


class Judged(NamedTuple):
    """All that is said of one policy."""

    policy: str
    estimates: list[Estimate]
    weights: Histogram
    segments: list[GroupRow]
    positions: list[GroupRow]


class Estimated(NamedTuple):
    """One estimator's terms, and what came of them."""

    terms: Terms
    estimate: Estimate


def judge(policy: str, material: Material) -> Judged:
    """Judge a policy by every estimator of the plan."""
    logged, plan = material.logged, material.plan
    cluster = clusters_of(logged, plan)
    tables = [
        group_rows(
            policy,
            codes,
            names,
            logged.reward,
            material.weight,
            cluster=cluster,
            level=plan.level,
        )
        for codes, names in ((logged.segment, logged.names.segments), (logged.position, ()))
    ]
    return Judged(
        policy,
        [estimated(policy, asked, material).estimate for asked in plan.estimators],
        weight_histogram(material.weight),
        *tables,
    )


def estimated(policy: str, asked: Asked, material: Material) -> Estimated:
    """Judge a policy by one estimator."""
    logged, plan = material.logged, material.plan
    terms, parameter, parameters = _terms(asked, material)
    diagnostics = _diagnostics(policy, asked, material)
    value, intervals = None, []
    try:
        value = terms.value()
    except NoOverlapError as error:
        diagnostics = msgspec.structs.replace(
            diagnostics, sound=False, verdict=f"{error.message}: {error.hint}"
        )
    else:
        intervals, refused = intervals_of(
            terms, plan, clusters_of(logged, plan), material.bounds(asked.spec, parameter)
        )
        diagnostics = msgspec.structs.replace(
            diagnostics, warnings=[*diagnostics.warnings, *refused]
        )
    estimate = Estimate(
        policy=policy,
        estimator=asked.label,
        value=value,
        intervals=intervals,
        parameters=parameters,
        diagnostics=diagnostics,
        marked=ESTIMATED_MARK if logged.propensity_source == "estimated" else "",
    )
    return Estimated(terms, estimate)


def intervals_of(
    terms: Terms, plan: JudgePlan, cluster: Clusters | None, bounds: Bounds | None
) -> tuple[list[Interval], list[str]]:
    """Return the plan's intervals, and why some do not apply."""
    found, refused = [], []
    for method in plan.intervals:
        try:
            found.append(
                interval(
                    method,
                    terms,
                    level=plan.level,
                    seed=plan.seed,
                    resamples=plan.resamples,
                    cluster=cluster,
                    bounds=bounds,
                    threads=plan.threads,
                )
            )
        except NotApplicableError as error:
            refused.append(f"no {method} interval: {error.message}")
    return found, refused


def clusters_of(logged: LoggedChoices, plan: JudgePlan) -> Clusters | None:
    """Return which rounds are taken together, None where each stands alone."""
    return logged.cluster if plan.clustered else None


def _terms(asked: Asked, material: Material) -> tuple[Terms, float | None, dict[str, float | str]]:
    """Return an estimator's terms, its parameter, and what results say of the parameter."""
    spec = asked.spec
    inputs = material.inputs(spec)
    if asked.parameter is None:
        return spec.terms(inputs, None), None, {}
    name = spec.parameter or "parameter"
    if asked.parameter == "tuned":
        method = material.plan.tuning
        tuned = tune(spec, inputs, method=method)
        found = tuned.parameter if math.isfinite(tuned.parameter) else "none"
        return tuned.terms, tuned.parameter, {name: found, "chosen by": method}
    return spec.terms(inputs, asked.parameter), asked.parameter, {name: asked.parameter}


def _diagnostics(policy: str, asked: Asked, material: Material) -> Diagnostics:
    balanced = asked.spec.weighting == "balanced"
    return diagnose(
        material.balanced() if balanced else material.weight,
        target_name=policy,
        logged=material.logged,
        weight_max_known=None if balanced else material.plan.weight_max,
    )
