"""``marquee-sim compare``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from simulator.cli.estimates import show_data, show_estimates
from simulator.cli.log_options import judge_options, log_options
from simulator.cli.log_study import estimator_option, log_study, one_estimator
from simulator.cli.outputs import Outputs, bounds, cell, check_writable, keep
from simulator.cli.shared import run_options
from simulator.results import Comparison
from simulator.worker_options import workers_of


@click.command()
@click.argument("logs")
@click.argument("first")
@click.argument("second")
@estimator_option
@click.option(
    "--train",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the rounds that policies with something to learn are trained on.",
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
def compare(
    ctx: click.Context,
    /,
    logs: str,
    first: str,
    second: str,
    train: float,
    config: Path | None,
    **given: Any,
) -> None:
    """Tell whether policy SECOND earns more than FIRST on the rounds of LOGS, in pairs.

    Both are judged on the same rounds, and what they share cancels, so that a difference is known
    better than either value.

    \b
    Example:
      marquee-sim compare obd/random/men uniform popularity
    """
    from simulator.progress import ShownWatch
    from simulator.studies.compare import compare as run

    outputs = Outputs(given["json_path"], given["parquet_path"])
    check_writable(*outputs)
    asked = one_estimator(given)
    study = log_study(ctx, logs, config, given, asked, abreast=2, train=train)
    result = run(
        study.source,
        (first, second),
        asked,
        study.log,
        study.judge,
        study.begun,
        jobs=workers_of(ctx, given["jobs"], given["cluster"]),
        watch=ShownWatch(),
    )
    keep(result, _flat(result), outputs)
    if outputs.shows_tables:
        _show(result)


def _show(result: Comparison) -> None:
    show_data(result.data)
    for note in result.notes:
        click.echo(f"note: {note}")
    click.echo("")
    show_estimates([result.first, result.second])
    click.echo(f"\ndifference: {cell(result.difference)}, p = {cell(result.p_value)}")
    for interval in result.intervals:
        click.echo(f"  {interval.method}: {bounds(interval)}")
    click.echo(result.verdict)


def _flat(result: Comparison) -> Iterator[dict[str, Any]]:
    for interval in (*result.intervals,) or (None,):
        yield {
            "first": result.first.policy,
            "second": result.second.policy,
            "estimator": result.estimator,
            "first_value": result.first.value,
            "second_value": result.second.value,
            "difference": result.difference,
            "p_value": result.p_value,
            "interval": None if interval is None else interval.method,
            "low": None if interval is None else interval.low,
            "high": None if interval is None else interval.high,
        }
