"""``evaluate``: policies judged on a log that they did not write."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.datasets.registry import Source
from simulator.diagnostics import calibration
from simulator.jobs import Workers, run_jobs
from simulator.logged import LoggedChoices
from simulator.progress import Watch
from simulator.results import Evaluation
from simulator.studies.about import Begun
from simulator.studies.bench import (
    Bench,
    Entrant,
    case_of,
    divide,
    entrants,
    make_bench,
    nothing_done,
)
from simulator.studies.judging import Judged, judge
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.rounds import read_rounds, summary


def evaluate(
    source: Source,
    policies: Sequence[str],
    log_plan: LogPlan,
    plan: JudgePlan,
    begun: Begun,
    *,
    jobs: Workers,
    watch: Watch,
) -> Evaluation:
    """Judge policies, each a name or the path of a TOML file, on a source's rounds.

    Raises:
        LoggedDataError: the log is wrong, or holds nothing of what is asked for.
        PropensityError: propensities are missing, and were not asked to be estimated.
        TargetError: a policy's probabilities are not lawful.
        EstimationError: there are too few rounds.
        InterruptedEarlyError: Ctrl-C came before any policy was judged.
    """
    asked, learning = entrants(policies)
    logged = read_rounds(source, log_plan, watch)
    training, judged, notes = divide(logged, learning, log_plan)
    bench = make_bench(training, judged, plan, watch)
    finished = run_jobs(
        judge_one,
        bench,
        asked,
        jobs=jobs,
        watch=watch,
        label=f"judging on {source.name}",
        unit="policies",
    )
    found = finished.done()
    if not found:
        raise nothing_done("policy")
    if finished.interrupted:
        notes.append(f"interrupted: {len(found)} of {len(asked)} policies were judged")
    return Evaluation(
        about=begun.about(),
        data=summary(source, judged, plan),
        estimates=[estimate for each in found for estimate in each.estimates],
        weights={each.policy: each.weights for each in found},
        calibration=calibration(judged) if isinstance(judged, LoggedChoices) else [],
        segments=[row for each in found for row in each.segments],
        positions=[row for each in found for row in each.positions],
        notes=notes,
    )


def judge_one(bench: Bench, entrant: Entrant) -> Judged:
    """Train one policy where it learns, and judge it."""
    return judge(entrant.name, case_of(bench, entrant))
