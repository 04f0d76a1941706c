"""What every study of a log takes: which rounds, and how policies are judged on them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from simulator.cli.shared import options, words

if TYPE_CHECKING:
    from simulator.datasets.registry import Source
    from simulator.jobs import Workers
    from simulator.studies.asked import Asked
    from simulator.studies.logged_places import Snapshots
    from simulator.studies.plans import JudgePlan, LogPlan

CHOICE_ESTIMATORS = ("ips", "snips", "dr")
RANKING_ESTIMATORS = ("sips", "rips", "snrips")
STREAMED_ESTIMATORS = ("ips", "snips")
STREAMED_INTERVALS = ("normal",)

reading_options = options(
    click.option(
        "--surface",
        type=click.Choice(["artwork", "rows"]),
        default="artwork",
        show_default=True,
        help="What is judged: single choices, or orders of rows.",
    ),
    click.option(
        "--format",
        "format_name",
        metavar="FORMAT",
        help="Of LOGS: event-log, export, obd, dsjson, parquet or npz; guessed if not given.",
    ),
    click.option(
        "--skip-bad",
        is_flag=True,
        help="Leave out what is wrong and count it, rather than refuse it all.",
    ),
    click.option(
        "--keep-certain",
        is_flag=True,
        help="Keep rounds of our own logs that were decided without chance.",
    ),
    click.option(
        "--segment",
        metavar="FEATURE",
        help="The feature of the context that tells groups apart.",
    ),
)


def interval_names(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    """Split names of intervals at commas, and check each: the callback of ``--intervals``."""
    found = words(ctx, param, value)
    if found and ctx.get_parameter_source(param.name or "") is not ParameterSource.DEFAULT:
        from simulator.intervals import INTERVALS

        for name in found:
            if name not in INTERVALS:
                known = ", ".join(INTERVALS)
                raise click.BadParameter(f"{name!r} is none: give some of {known}", ctx, param)
    return found


log_options = options(
    reading_options,
    click.option(
        "--estimate-propensities",
        is_flag=True,
        help="Where none were logged, estimate them; every estimate is then marked.",
    ),
    click.option(
        "--split-by",
        type=click.Choice(["viewer", "order"]),
        help="How rounds are divided among those that train and those that judge. By default by "
        "viewer, or in the log's order where it does not tell viewers apart. By order, what was "
        "learned looks better than it is where a viewer's draws are sticky.",
    ),
)

judge_options = options(
    click.option(
        "--intervals",
        default="normal,bootstrap",
        show_default=True,
        callback=interval_names,
        metavar="NAME,…",
        help="normal, bootstrap, bernstein, hoeffding, clopper-pearson, cressie-read, sequence.",
    ),
    click.option(
        "--level",
        default=0.95,
        show_default=True,
        type=click.FloatRange(0.5, 0.9999),
        help="Coverage of the intervals.",
    ),
    click.option(
        "--resamples",
        default=1000,
        show_default=True,
        type=click.IntRange(10),
        help="Of the bootstrap.",
    ),
    click.option(
        "--by-viewer/--by-round",
        " /--no-cluster",
        "clustered",
        default=True,
        show_default=True,
        help="Whether intervals take a viewer's rounds together, where viewers are known.",
    ),
    click.option(
        "--model",
        default="logistic",
        show_default=True,
        metavar="NAME",
        help="Reward model: logistic, logistic-crossed, boosting or vw.",
    ),
    click.option(
        "--folds",
        default=3,
        show_default=True,
        type=click.IntRange(2),
        help="Of cross-fitting the reward model.",
    ),
    click.option(
        "--tuning",
        type=click.Choice(["slope", "slope++", "mse"]),
        default="mse",
        show_default=True,
        help="What chooses the parameter of NAME=tuned, and of switch-dr, dros and sgdr.",
    ),
    click.option(
        "--weight-max",
        type=click.FloatRange(min=1.0),
        help="No weight can be larger: makes several intervals tighter.",
    ),
    click.option(
        "--snapshots",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        metavar="DIR",
        help="Of the service that wrote LOGS, for iips, sniips and pbm-iips where rows were drawn "
        "by a learned model. By default where --config has them.",
    ),
)


def source_of(
    location: str, given: dict[str, Any], config: Path | None, workers: Workers = 1
) -> Source:
    """Open the log of a command.

    Raises:
        MissingDataError: it is not there.
        LoggedDataError: it is wrong.
        ConfigError: the configuration is wrong.
    """
    from bandit.config import load_config
    from simulator.datasets.registry import open_source
    from simulator.progress import ShownWatch

    return open_source(
        location,
        format=given["format_name"],
        config=None if config is None else load_config(config, os.environ),
        skip_bad=given["skip_bad"],
        segment=given["segment"],
        keep_certain=given["keep_certain"],
        watch=ShownWatch(),
        workers=workers,
    )


def log_plan_of(given: dict[str, Any], train: float = 0.5) -> LogPlan:
    """Return which rounds are read, and what they are for."""
    from simulator.studies.plans import LogPlan

    return LogPlan(
        surface=given["surface"],
        train=train,
        split_by=given["split_by"],
        estimate_propensities=given["estimate_propensities"],
        seed=given["seed"],
    )


def judge_plan_of(
    given: dict[str, Any], asked: tuple[Asked, ...], policies: int, snapshots: Snapshots | None
) -> JudgePlan:
    """Return how policies are judged; processes that policies leave over speed up resampling."""
    from simulator.studies.plans import JudgePlan

    return JudgePlan(
        estimators=asked,
        intervals=given["intervals"],
        level=given["level"],
        model=given["model"],
        folds=given["folds"],
        resamples=given["resamples"],
        clustered=given["clustered"],
        tuning=given["tuning"],
        weight_max=given["weight_max"],
        seed=given["seed"],
        threads=max(1, given["jobs"] // max(1, policies)),
        snapshots=snapshots,
    )


def snapshots_of(location: str, given: dict[str, Any], config: Path | None) -> Snapshots | None:
    """Return where the models are that wrote a log of ours; None where nobody says.

    Raises:
        ConfigError: the configuration is wrong.
    """
    from bandit.config import Config, load_config
    from simulator.studies.logged_places import Snapshots

    named = Path(location) if location.endswith(".toml") else config
    directory: Path | None = given["snapshots"]
    if named is None:
        return None if directory is None else Snapshots(directory, Config())
    settings = load_config(config or named, os.environ)
    kept = directory or Path(settings.snapshots.directory)
    return Snapshots(kept, settings) if kept.is_dir() else None
