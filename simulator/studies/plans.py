"""What a study of logged rounds is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bandit.types import Surface
from simulator.intervals import interval_named
from simulator.studies.asked import Asked
from simulator.studies.logged_places import Snapshots
from simulator.studies.splitting import SplitBy

Tuning = Literal["slope", "slope++", "mse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgePlan:
    """How policies are judged."""

    estimators: tuple[Asked, ...]
    intervals: tuple[str, ...] = ("normal",)
    level: float = 0.95
    model: str = "logistic"
    """Of the reward, for estimators that need one."""
    folds: int = 3
    resamples: int = 1000
    clustered: bool = True
    """Whether intervals take a viewer's rounds together, where viewers are known."""
    tuning: Tuning = "mse"
    """What chooses parameters. Why a bound on the error: on the Open Bandit Dataset, whose truth is
    known, SLOPE clips so far that no interval holds the truth; the bound leaves weights alone."""
    weight_max: float | None = None
    """No weight can be larger, where that is known."""
    snapshots: Snapshots | None = None
    """Where the models are that the log's orders were drawn by."""
    seed: int = 0
    threads: int = 1
    """For the resampling of one interval; the numbers do not depend on it."""

    def __post_init__(self) -> None:
        """Check what is asked for, before any work.

        Raises:
            EstimationError: there is no interval of some name.
        """
        for method in self.intervals:
            interval_named(method)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPlan:
    """Which rounds are read, and what they are for."""

    surface: Surface = "artwork"
    train: float = 0.5
    """Share of the rounds that policies with something to learn are trained on."""
    train_rounds: int = 500_000
    """How many rounds train at most where a log is streamed, about."""
    split_by: SplitBy | None = None
    """None: by viewer where viewers are known, in the log's order elsewhere."""
    estimate_propensities: bool = False
    seed: int = 0
