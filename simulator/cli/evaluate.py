"""``marquee-sim evaluate``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from simulator.cli.estimates import flat_estimates, show_data, show_estimates
from simulator.cli.groups import GROUPED_BY, show_groups
from simulator.cli.log_options import (
    CHOICE_ESTIMATORS,
    RANKING_ESTIMATORS,
    STREAMED_ESTIMATORS,
    STREAMED_INTERVALS,
    judge_options,
    judge_plan_of,
    log_options,
    log_plan_of,
    snapshots_of,
    source_of,
)
from simulator.cli.outputs import Outputs, check_writable, end, keep
from simulator.cli.shared import policy_option, run_options, typed, words
from simulator.results import Evaluation
from simulator.worker_options import workers_of

if TYPE_CHECKING:
    from simulator.datasets.registry import Source
    from simulator.jobs import Workers
    from simulator.progress import Watch


@click.command()
@click.argument("logs")
@policy_option(
    "A policy of `marquee-sim policies`, or a TOML file of production's; several times for several."
)
@click.option(
    "--estimators",
    callback=words,
    metavar="NAME[=PARAMETER],…",
    help="As `marquee-sim estimators` lists them; NAME=tuned lets the data choose the parameter. "
    f"By default {', '.join(CHOICE_ESTIMATORS)}; for rows {', '.join(RANKING_ESTIMATORS)}.",
)
@click.option(
    "--train",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the rounds that policies with something to learn are trained on; the rest "
    "judges all. Where nobody learns, all rounds judge.",
)
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Read the log in batches, in bounded memory: ips and snips with normal intervals. By "
    "default only logs of more than 1 GB or 5 million rounds.",
)
@click.option(
    "--train-rounds",
    default=500_000,
    show_default=True,
    type=click.IntRange(1),
    help="Rounds of a streamed log, at most, about, that train policies with something to learn.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Production's TOML whose reward rule and exposure our own logs are read by.",
)
@log_options
@judge_options
@run_options("Draws folds, resamples and whatever else is drawn.")
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    logs: str,
    config: Path | None,
    **given: Any,
) -> None:
    """Judge policies on LOGS that they did not write.

    LOGS is a path (a service's log directory, an export, a CSV of the Open Bandit Dataset, dsjson,
    Parquet, NPZ) or a name of `marquee-sim datasets list`. Ctrl-C keeps the policies that are
    done.

    \b
    Example:
      marquee-sim evaluate obd/random/men --policy uniform --policy popularity --json men.json
    """
    from simulator.progress import ShownWatch
    from simulator.studies.asked import asked_estimators

    outputs = Outputs(given["json_path"], given["parquet_path"])
    check_writable(*outputs)
    # What is asked for wrongly is told before anything is read.
    asked_estimators(given["estimators"] or (), given["surface"])
    workers = workers_of(ctx, given["jobs"], given["cluster"])
    source = source_of(logs, given, config, workers)
    result, interrupted = _judged(ctx, source, logs, config, given, workers, ShownWatch())
    keep(result, flat_estimates(result.estimates), outputs)
    if outputs.shows_tables:
        _show(result)
    empty = all(one.value is None for one in result.estimates)
    end(ctx, interrupted=interrupted, empty=empty)


def _judged(
    ctx: click.Context,
    source: Source,
    logs: str,
    config: Path | None,
    given: dict[str, Any],
    workers: Workers,
    watch: Watch,
) -> tuple[Evaluation, bool]:
    """Judge in memory or streamed; return whether Ctrl-C came first as well."""
    from bandit.clock import WallClock
    from simulator.studies.about import begin
    from simulator.studies.asked import asked_estimators
    from simulator.studies.evaluate import evaluate as run
    from simulator.studies.streaming import evaluate_streamed, is_large

    policies, surface = given["policies"], given["surface"]
    streamed = _is_streamed(given["stream"], surface, is_large(source))
    names = given["estimators"] or _default_estimators(surface, streamed=streamed)
    asked = asked_estimators(names, surface)
    log_plan = replace(log_plan_of(given, given["train"]), train_rounds=given["train_rounds"])
    if streamed and not _was_given(ctx, "intervals"):
        given["intervals"] = STREAMED_INTERVALS
    plan = judge_plan_of(given, asked, len(policies), snapshots_of(logs, given, config))
    begun = begin(typed(ctx), given["seed"], WallClock())
    if streamed:
        return evaluate_streamed(source, policies, log_plan, plan, begun, jobs=workers, watch=watch)
    result = run(source, policies, log_plan, plan, begun, jobs=workers, watch=watch)
    return result, len({one.policy for one in result.estimates}) < len(policies)


def _is_streamed(asked: bool | None, surface: str, large: bool) -> bool:
    if asked and surface == "rows":
        raise click.UsageError("--stream judges single choices alone: leave it out for rows")
    return surface == "artwork" and (large if asked is None else asked)


def _was_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is not ParameterSource.DEFAULT


def _default_estimators(surface: str, *, streamed: bool) -> tuple[str, ...]:
    if surface == "rows":
        return RANKING_ESTIMATORS
    return STREAMED_ESTIMATORS if streamed else CHOICE_ESTIMATORS


def _show(result: Evaluation) -> None:
    show_data(result.data)
    for note in result.notes:
        click.echo(f"note: {note}")
    click.echo("")
    show_estimates(result.estimates)
    by_segment, by_position = GROUPED_BY[result.data.kind]
    show_groups("segment", by_segment, result.segments)
    show_groups("position", by_position, result.positions)
