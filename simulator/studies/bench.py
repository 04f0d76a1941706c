"""Where policies are judged: rounds by office, and what every policy's judging shares.

All policies are judged on the same rounds, so that they compare. Where one of them has something
to learn, a part of the rounds trains those that do, and all are judged on others; where none has,
all rounds judge. Nothing that tunes an estimator or fits a reward model is shared between policies,
but for the plain reward model, which knows of no policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from simulator.errors import InterruptedEarlyError
from simulator.estimators.registry import estimator_named
from simulator.jobs import one_thread
from simulator.logged import LoggedChoices, LoggedRankings
from simulator.policies.targets import Target
from simulator.progress import Watch
from simulator.rankings.registry import RANKING_ESTIMATORS
from simulator.reward_models import (
    CrossFitted,
    CrossFittedRankings,
    cross_fit,
    cross_fit_rankings,
)
from simulator.studies.cases import Case
from simulator.studies.choice_case import ChoiceCase
from simulator.studies.logged_places import LoggedPlaces, logged_places
from simulator.studies.naming import distinct
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.ranking_case import RankingCase
from simulator.studies.specs import label, target
from simulator.studies.splitting import decisions_of, split, split_notes

Logged = LoggedChoices | LoggedRankings


class Bench(NamedTuple):
    """What all judging shares; workers get it whole."""

    training: Logged | None
    """None where no policy has anything to learn."""
    judged: Logged
    plan: JudgePlan
    fitted: CrossFitted | CrossFittedRankings | None
    """The plain reward model, cross-fitted on the rounds that judge, where one is needed."""
    places: LoggedPlaces | None = None
    """Where the policy that wrote the log puts rows, where an estimator needs to know it."""


class Entrant(NamedTuple):
    """A policy to be judged."""

    spec: str
    """Its name, or the path of its TOML file."""
    name: str
    """As results have it."""


class Divided(NamedTuple):
    """Rounds by office, and what is said of them."""

    training: Logged | None
    judged: Logged
    notes: list[str]


def entrants(specs: Sequence[str]) -> tuple[list[Entrant], list[str]]:
    """Return policies with names that tell them apart, and the names of those that learn."""
    targets = [target(spec) for spec in specs]
    labels = [label(spec, one.name) for spec, one in zip(specs, targets, strict=True)]
    names = distinct(labels)
    learning = [name for name, one in zip(names, targets, strict=True) if one.learns]
    return [Entrant(*pair) for pair in zip(specs, names, strict=True)], learning


def divide(logged: Logged, learning: Sequence[str], plan: LogPlan) -> Divided:
    """Divide rounds into those that train and those that judge.

    Raises:
        EstimationError: one of the parts would be empty.
    """
    if not learning:
        note = f"no policy learns from the log: all {len(logged):,} rounds judge"
        return Divided(None, logged, [note])
    training, judged = split(
        len(logged),
        (plan.train, 1 - plan.train),
        by=plan.split_by,
        clusters=logged.cluster,
        decisions=decisions_of(logged),
        seed=plan.seed,
    )
    notes = [
        f"{', '.join(learning)} trained on {training.told}",
        f"all judged on {judged.told}",
        *split_notes(plan.split_by, logged.cluster),
    ]
    return Divided(logged.take(training.rounds), logged.take(judged.rounds), notes)


def make_bench(training: Logged | None, judged: Logged, plan: JudgePlan, watch: Watch) -> Bench:
    """Return the bench for these rounds, with all that an estimator needs of them."""
    with one_thread(), watch.task(f"fitting the {plan.model} model", 1, "models") as advance:
        fitted = _shared_model(judged, plan)
        advance()
    return Bench(training, judged, plan, fitted, _places(judged, plan, watch))


def _places(judged: Logged, plan: JudgePlan, watch: Watch) -> LoggedPlaces | None:
    if not isinstance(judged, LoggedRankings):
        return None
    specs = [RANKING_ESTIMATORS[asked.name] for asked in plan.estimators]
    if not any(spec.needs_marginals or spec.needs_examination for spec in specs):
        return None
    with watch.task("working out where rows were drawn to", 1, "logs") as advance:
        found = logged_places(judged, plan.snapshots)
        advance()
    return found


def case_of(bench: Bench, entrant: Entrant) -> Case:
    """Train a policy where it learns, and put it before the rounds that judge.

    Raises:
        TargetError: its probabilities are not lawful, or it cannot be judged on such rounds.
    """
    judged = target(entrant.spec)
    if judged.learns and bench.training is not None:
        judged.fit(bench.training)
    return _case(bench, judged)


def _case(bench: Bench, policy: Target) -> Case:
    judged, fitted = bench.judged, bench.fitted
    if isinstance(judged, LoggedRankings):
        of_rankings = fitted if isinstance(fitted, CrossFittedRankings) else None
        return RankingCase(judged, policy, bench.plan, of_rankings, bench.places)
    of_choices = fitted if isinstance(fitted, CrossFitted) else None
    return ChoiceCase(judged, policy, bench.plan, of_choices)


def _shared_model(judged: Logged, plan: JudgePlan) -> CrossFitted | CrossFittedRankings | None:
    names = [asked.name for asked in plan.estimators]
    if isinstance(judged, LoggedRankings):
        if any(RANKING_ESTIMATORS[name].needs_model for name in names):
            return cross_fit_rankings(judged, plan.model, folds=plan.folds, seed=plan.seed)
        return None
    specs = [estimator_named(name) for name in names]
    if any(spec.needs_model and spec.model_weighting == "uniform" for spec in specs):
        return cross_fit(judged, plan.model, folds=plan.folds, seed=plan.seed)
    return None


def nothing_done(what: str) -> InterruptedEarlyError:
    """Return the error of an interrupt that left nothing to keep."""
    return InterruptedEarlyError(
        f"interrupted before any {what} was judged: there is nothing to keep",
        hint="judge fewer policies or rounds, or with more --jobs",
    )
