"""What studies of a log by one estimator share: their options, and from those to their plans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from simulator.cli.log_options import judge_plan_of, log_plan_of, snapshots_of, source_of
from simulator.cli.shared import typed

if TYPE_CHECKING:
    from simulator.datasets.registry import Source
    from simulator.studies.about import Begun
    from simulator.studies.asked import Asked
    from simulator.studies.plans import JudgePlan, LogPlan

estimator_option = click.option(
    "--estimator",
    metavar="NAME[=PARAMETER]",
    help="Of `marquee-sim estimators`. By default snips; for rows snrips.",
)


class LogStudy(NamedTuple):
    """A log, and how it is read and judged by."""

    source: Source
    log: LogPlan
    judge: JudgePlan
    begun: Begun


def one_estimator(given: dict[str, Any]) -> Asked:
    """Return the one estimator that is asked for.

    Raises:
        EstimationError: there is none of its name.
    """
    from simulator.studies.asked import asked_estimators

    default = "snrips" if given["surface"] == "rows" else "snips"
    (asked,) = asked_estimators([given["estimator"] or default], given["surface"])
    return asked


def log_study(
    ctx: click.Context,
    logs: str,
    config: Path | None,
    given: dict[str, Any],
    asked: Asked,
    *,
    abreast: int,
    train: float = 0.5,
) -> LogStudy:
    """Open a log for a study that judges ``abreast`` policies at a time.

    Raises:
        MissingDataError: the log is not there.
        LoggedDataError: it is wrong.
        ConfigError: the configuration is wrong.
    """
    from bandit.clock import WallClock
    from simulator.studies.about import begin

    return LogStudy(
        source_of(logs, given, config),
        log_plan_of(given, train),
        judge_plan_of(given, (asked,), abreast, snapshots_of(logs, given, config)),
        begin(typed(ctx), given["seed"], WallClock()),
    )
