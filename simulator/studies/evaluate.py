"""``evaluate``: policies judged on a log that they did not write.

All policies are judged on the same rounds, so that they compare. Where one of them has something
to learn, the first part of the log trains those that do, and all are judged on the rest; where
none has, all rounds judge. Nothing that tunes an estimator or fits a reward model is shared
between policies, but for the plain reward model, which knows of no policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from simulator.datasets.registry import Source
from simulator.diagnostics import calibration
from simulator.errors import EstimationError
from simulator.jobs import run_jobs
from simulator.logged import LoggedChoices
from simulator.policies.targets import make_target
from simulator.progress import Watch
from simulator.results import Evaluation
from simulator.reward_models import CrossFitted, cross_fit
from simulator.studies.about import Begun
from simulator.studies.judging import Judged, judge
from simulator.studies.material import Material
from simulator.studies.naming import distinct
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.rounds import read_choices, summary
from simulator.studies.splitting import split


class Rounds(NamedTuple):
    """Logged rounds by office."""

    training: LoggedChoices | None
    """None where no policy has anything to learn."""
    judged: LoggedChoices
    notes: list[str]


class Bench(NamedTuple):
    """What all jobs share."""

    rounds: Rounds
    plan: JudgePlan
    fitted: CrossFitted | None


class Entrant(NamedTuple):
    """A policy to be judged."""

    spec: str
    name: str


def evaluate(
    source: Source,
    policies: Sequence[str],
    log_plan: LogPlan,
    plan: JudgePlan,
    begun: Begun,
    *,
    jobs: int,
    watch: Watch,
) -> Evaluation:
    """Judge policies, each a name or the path of a TOML file, on a source's rounds.

    Raises:
        LoggedDataError: the log is wrong, or holds nothing of what is asked for.
        PropensityError: propensities are missing, and were not asked to be estimated.
        TargetError: a policy's probabilities are not lawful.
        EstimationError: there are too few rounds, or none was done before an interrupt.
    """
    logged = read_choices(source, log_plan, watch)
    targets = [make_target(spec) for spec in policies]
    names = distinct([target.name for target in targets])
    learning = [name for name, target in zip(names, targets, strict=True) if target.learns]
    rounds = divide(logged, learning, log_plan)
    bench = Bench(rounds, plan, shared_model(rounds.judged, plan))
    finished = run_jobs(
        judge_one,
        bench,
        [Entrant(spec, name) for spec, name in zip(policies, names, strict=True)],
        jobs=jobs,
        watch=watch,
        label=f"judging on {source.name}",
        unit="policies",
    )
    judged = finished.done()
    if not judged:
        raise EstimationError(
            "interrupted before any policy was judged: there is nothing to keep",
            hint="judge fewer policies or rounds, or with more --jobs",
        )
    notes = list(rounds.notes)
    if finished.interrupted:
        notes.append(f"interrupted: {len(judged)} of {len(names)} policies were judged")
    return Evaluation(
        about=begun.about(),
        data=summary(source, rounds.judged, plan),
        estimates=[estimate for each in judged for estimate in each.estimates],
        weights={each.policy: each.weights for each in judged},
        calibration=calibration(rounds.judged),
        segments=[row for each in judged for row in each.segments],
        positions=[row for each in judged for row in each.positions],
        notes=notes,
    )


def judge_one(bench: Bench, entrant: Entrant) -> Judged:
    """Train one policy where it learns, and judge it."""
    target = make_target(entrant.spec)
    if target.learns and bench.rounds.training is not None:
        target.fit(bench.rounds.training)
    material = Material(bench.rounds.judged, target, bench.plan, bench.fitted)
    return judge(entrant.name, material)


def divide(logged: LoggedChoices, learning: Sequence[str], plan: LogPlan) -> Rounds:
    """Divide rounds into those that train and those that judge; all judge where nobody learns."""
    if not learning:
        return Rounds(
            None, logged, [f"no policy learns from the log: all {len(logged):,} rounds judge"]
        )
    training, judged = split(
        len(logged),
        (plan.train, 1 - plan.train),
        by=plan.split_by,
        clusters=logged.cluster,
        seed=plan.seed,
    )
    notes = [f"{', '.join(learning)} trained on {training.told}", f"all judged on {judged.told}"]
    return Rounds(logged.take(training.rounds), logged.take(judged.rounds), notes)


def shared_model(judged: LoggedChoices, plan: JudgePlan) -> CrossFitted | None:
    """Return the plain reward model, cross-fitted on the rounds that judge, if one is needed."""
    wanted = any(
        asked.spec.needs_model and asked.spec.model_weighting == "uniform"
        for asked in plan.estimators
    )
    if not wanted:
        return None
    return cross_fit(judged, plan.model, folds=plan.folds, seed=plan.seed)
