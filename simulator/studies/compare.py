"""``compare``: two policies on the same rounds, paired."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from simulator.datasets.registry import Source
from simulator.errors import EstimationError, InterruptedEarlyError, NotApplicableError
from simulator.intervals import Paired, paired
from simulator.intervals.statistic import ROUNDING
from simulator.jobs import Workers, run_jobs
from simulator.progress import Watch
from simulator.results import Comparison, Estimate, Interval
from simulator.studies.about import Begun
from simulator.studies.asked import Asked
from simulator.studies.bench import Bench, Entrant, case_of, divide, entrants, make_bench
from simulator.studies.cases import Answer
from simulator.studies.judging import estimated
from simulator.studies.pairing import verdict
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.rounds import read_rounds, summary
from simulator.studies.splitting import Clusters


class Side(NamedTuple):
    """One of the two: its estimate, and what that was made of."""

    estimate: Estimate
    answer: Answer
    cluster: Clusters | None


class Contrast(NamedTuple):
    """What two sides of one bench differ by."""

    difference: float
    intervals: list[Interval]
    p_value: float
    """1 where no spread was seen: nothing is known of what chance does."""
    verdict: str
    refused: list[str]
    """Why some intervals do not apply."""


def compare(
    source: Source,
    policies: tuple[str, str],
    asked: Asked,
    log_plan: LogPlan,
    plan: JudgePlan,
    begun: Begun,
    *,
    jobs: Workers,
    watch: Watch,
) -> Comparison:
    """Judge two policies, and the difference between them, by one estimator.

    Raises:
        LoggedDataError: the log is wrong, or holds nothing of what is asked for.
        PropensityError: propensities are missing, and were not asked to be estimated.
        TargetError: a policy's probabilities are not lawful.
        EstimationError: one of the policies cannot be judged on these rounds.
        InterruptedEarlyError: Ctrl-C came first.
    """
    both, learning = entrants(policies)
    logged = read_rounds(source, log_plan, watch)
    training, judged, notes = divide(logged, learning, log_plan)
    plan = replace(plan, estimators=(asked,))
    bench = make_bench(training, judged, plan, watch)
    finished = run_jobs(
        side, bench, both, jobs=jobs, watch=watch, label="comparing", unit="policies"
    )
    if finished.interrupted:
        raise InterruptedEarlyError(
            "interrupted: there is no comparison of less than two", hint="let it finish"
        )
    first, second = finished.done()
    found = contrast(first, second, plan, rounds=len(judged))
    return Comparison(
        about=begun.about(),
        data=summary(source, judged, plan),
        first=first.estimate,
        second=second.estimate,
        estimator=asked.label,
        difference=found.difference,
        intervals=found.intervals,
        p_value=found.p_value,
        verdict=found.verdict,
        notes=[*notes, *found.refused],
    )


def side(bench: Bench, entrant: Entrant) -> Side:
    """Judge one policy.

    Raises:
        EstimationError: it cannot be judged on these rounds.
    """
    (asked,) = bench.plan.estimators
    case = case_of(bench, entrant)
    found = estimated(entrant.name, asked, case)
    if found.answer is None:
        raise EstimationError(
            f"{entrant.name} cannot be compared: {found.estimate.diagnostics.verdict}",
            hint="judge it by another estimator, or against a log that overlaps with it",
        )
    return Side(found.estimate, found.answer, case.cluster)


def contrast(first: Side, second: Side, plan: JudgePlan, *, rounds: int) -> Contrast:
    """Return what the second earns more than the first on the same rounds.

    Rounds that both policies share cancel, so that a difference is known better than either value.
    Nothing is told by estimates that are not sound, or by a difference without a spread: where few
    rounds overlap, self-normalised values are those of so few rounds that they look certain.
    """
    found: list[Interval] = []
    refused: list[str] = []

    def by(method: str) -> Paired:
        return paired(
            method,
            first.answer.terms,
            second.answer.terms,
            level=plan.level,
            seed=plan.seed,
            resamples=plan.resamples,
            cluster=first.cluster,
            threads=plan.threads,
        )

    test = by("normal")
    for method in plan.intervals:
        try:
            found.append(test.interval if method == "normal" else by(method).interval)
        except NotApplicableError as error:
            refused.append(f"no {method} interval: {error.message}")
    doubts = [_doubt(one.estimate) for one in (first, second) if not one.estimate.diagnostics.sound]
    p_value = test.p_value
    if not _has_spread(test.interval):
        p_value = 1.0
        if test.difference != 0:
            doubts.append(f"the difference of {test.difference:.4g} has no spread")
    names = (first.estimate.policy, second.estimate.policy)
    said = verdict(*names, test.difference, p_value, level=plan.level, rounds=rounds, doubts=doubts)
    return Contrast(test.difference, found, p_value, said, refused)


def _doubt(estimate: Estimate) -> str:
    return f"the estimate of {estimate.policy} is not trustworthy ({estimate.diagnostics.verdict})"


def _has_spread(interval: Interval) -> bool:
    largest = max(abs(interval.low), abs(interval.high))
    return interval.high - interval.low > ROUNDING * largest
