"""Reads a source's rounds into memory, and describes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np

from bandit.types import FloatArray
from simulator.datasets.registry import Source, concatenate, concatenate_rankings
from simulator.errors import EstimationError, NotApplicableError
from simulator.intervals import interval
from simulator.logged import LoggedChoices, LoggedRankings
from simulator.progress import Advance, Watch
from simulator.results import DataSummary, Interval
from simulator.reward_models import estimate_propensities
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.splitting import Clusters
from simulator.terms import Terms

Batch = TypeVar("Batch", LoggedChoices, LoggedRankings)
FOLDS = 3


def read_rounds(source: Source, plan: LogPlan, watch: Watch) -> LoggedChoices | LoggedRankings:
    """Return all rounds of a source for the surface that is asked for.

    Raises:
        LoggedDataError: there are none, or they are wrong.
        PropensityError: propensities are missing and were not asked to be estimated.
        EstimationError: there are no rounds.
    """
    with watch.task(f"reading {source.name}", None, "rounds") as advance:
        logged = (
            _rankings(source, advance)
            if plan.surface == "rows"
            else _choices(source, plan, advance)
        )
    if not len(logged):
        raise EstimationError(
            f"{source.name} holds no rounds", hint="give a log with outcomes whose window closed"
        )
    return logged


def summary(source: Source, logged: LoggedChoices | LoggedRankings, plan: JudgePlan) -> DataSummary:
    """Describe the rounds that policies are judged on, and what their own policy earned."""
    reward = page_reward(logged)
    choices = isinstance(logged, LoggedChoices)
    return DataSummary(
        name=source.name,
        kind="choices" if choices else "rankings",
        rounds=len(logged),
        viewers=None if logged.cluster is None else len(np.unique(logged.cluster)),
        actions=logged.action_count if isinstance(logged, LoggedChoices) else logged.item_count,
        logged_mean=float(reward.mean()),
        logged_interval=_interval(reward, logged.cluster if plan.clustered else None, plan.level),
        propensities=logged.propensity_source if isinstance(logged, LoggedChoices) else "logged",
        skipped=source.skipped,
        notes=source.notes,
    )


def _interval(reward: FloatArray, cluster: Clusters | None, level: float) -> Interval | None:
    try:
        return interval("normal", Terms(reward), level=level, cluster=cluster)
    except NotApplicableError:
        # One round or viewer alone: its spread is not known.
        return None


def page_reward(logged: LoggedChoices | LoggedRankings) -> FloatArray:
    """Return (n,) what each round earned: of a ranking, all its positions."""
    if isinstance(logged, LoggedChoices):
        return logged.reward
    return np.asarray(logged.reward.sum(axis=1))


def _choices(source: Source, plan: LogPlan, advance: Advance) -> LoggedChoices:
    if not plan.estimate_propensities or source.has_propensities:
        return concatenate(_counted(source.choices(), advance))
    logged = concatenate(_counted(source.choices_to_estimate(), advance))
    return estimate_propensities(logged, seed=plan.seed, folds=FOLDS)


def _rankings(source: Source, advance: Advance) -> LoggedRankings:
    return concatenate_rankings(_counted(source.rankings(), advance))


def _counted(batches: Iterator[Batch], advance: Advance) -> Iterator[Batch]:
    for batch in batches:
        yield batch
        advance(len(batch))
