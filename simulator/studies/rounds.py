"""Reads a source's rounds into memory, and describes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np

from simulator.datasets.registry import Source, concatenate
from simulator.errors import EstimationError
from simulator.intervals import interval
from simulator.logged import LoggedChoices, LoggedRankings
from simulator.progress import Advance, Watch
from simulator.results import DataSummary
from simulator.reward_models import estimate_propensities
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.terms import Terms

Batch = TypeVar("Batch", LoggedChoices, LoggedRankings)


def read_choices(source: Source, plan: LogPlan, watch: Watch) -> LoggedChoices:
    """Return all single choices of a source.

    Raises:
        LoggedDataError: there are none, or they are wrong.
        PropensityError: propensities are missing and were not asked to be estimated.
    """
    estimating = plan.estimate_propensities and not source.has_propensities
    batches = source.choices_to_estimate() if estimating else source.choices()
    with watch.task(f"reading {source.name}", None, "rounds") as advance:
        logged = concatenate(_counted(batches, advance))
    if not len(logged):
        raise EstimationError(
            f"{source.name} holds no rounds", hint="give a log with outcomes whose window closed"
        )
    if estimating:
        logged = estimate_propensities(logged, seed=plan.seed, folds=3)
    return logged


def summary(source: Source, logged: LoggedChoices, plan: JudgePlan) -> DataSummary:
    """Describe the rounds that policies are judged on, and what their own policy earned."""
    return DataSummary(
        name=source.name,
        kind="choices",
        rounds=len(logged),
        viewers=None if logged.cluster is None else len(np.unique(logged.cluster)),
        actions=logged.action_count,
        logged_mean=float(logged.reward.mean()),
        logged_interval=interval(
            "normal",
            Terms(logged.reward),
            level=plan.level,
            cluster=logged.cluster if plan.clustered else None,
        ),
        propensities=logged.propensity_source,
        skipped=source.skipped,
        notes=source.notes,
    )


def _counted(batches: Iterator[Batch], advance: Advance) -> Iterator[Batch]:
    for batch in batches:
        yield batch
        advance(len(batch))
