"""``marquee-sim search``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.estimates import show_data, show_estimates
from simulator.cli.log_options import judge_options, log_options
from simulator.cli.log_study import estimator_option, log_study, one_estimator
from simulator.cli.outputs import Outputs, check_writable, end, keep, print_table
from simulator.cli.shared import run_options
from simulator.results import Search
from simulator.worker_options import workers_of

if TYPE_CHECKING:
    from simulator.studies.asked import Asked
    from simulator.studies.search import SearchPlan

SHOWN = 20
"""Candidates that the table shows; files keep all."""


@click.command()
@click.argument("logs")
@click.option(
    "--set",
    "axes",
    multiple=True,
    required=True,
    metavar="KEY=VALUES",
    help="A configuration key and what to try: a,b,c or low..high; several times for several.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The base configuration, whose other keys stay; without it, the defaults.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the best configuration goes, as TOML that is ready to serve.",
)
@click.option("--random", is_flag=True, help="Draw candidates instead of trying all.")
@click.option(
    "--trials",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="Candidates of a --random search.",
)
@click.option(
    "--steps",
    default=5,
    show_default=True,
    type=click.IntRange(2),
    help="Values of a range low..high in a grid.",
)
@estimator_option
@click.option(
    "--choose-by",
    type=click.Choice(["low", "value"]),
    default="low",
    show_default=True,
    help="The lower bound of the first interval, or the estimate itself.",
)
@click.option(
    "--shares",
    nargs=3,
    type=click.FloatRange(0, 1, min_open=True),
    default=(0.5, 0.25, 0.25),
    show_default=True,
    metavar="TRAIN CHOOSE JUDGE",
    help="Shares of the rounds that train candidates, choose the best, and judge it.",
)
@log_options
@judge_options
@run_options("Draws candidates, folds, resamples and whatever else is drawn.")
@click.pass_context
def search(ctx: click.Context, /, logs: str, config: Path | None, **given: Any) -> None:
    """Try configurations on LOGS, and write the best as TOML.

    Candidates are trained on one part of the rounds and chosen on a second; the chosen one and the
    base are judged on a third, which had no say. Ctrl-C ends the trying, and the best of what was
    tried is judged and written.

    \b
    Example:
      marquee-sim search state/log --config marquee.toml --out best.toml \\
        --set surfaces.artwork.exploration.epsilon=0.01,0.02,0.05
    """
    from simulator.progress import ShownWatch
    from simulator.studies.search import search as run

    outputs = Outputs(given["json_path"], given["parquet_path"])
    check_writable(*outputs, given["out"])
    asked = one_estimator(given)
    plan = _plan_of(config, given, asked)
    study = log_study(ctx, logs, config, given, asked, abreast=given["jobs"])
    result, interrupted = run(
        study.source,
        plan,
        study.log,
        study.judge,
        study.begun,
        jobs=workers_of(ctx, given["jobs"], given["cluster"]),
        watch=ShownWatch(),
    )
    keep(result, _flat(result), outputs)
    if outputs.shows_tables:
        _show(result)
    end(ctx, interrupted=interrupted)


def _plan_of(config: Path | None, given: dict[str, Any], asked: Asked) -> SearchPlan:
    from simulator.studies.config_space import read_axis
    from simulator.studies.search import SearchPlan

    return SearchPlan(
        base_text=_text_of(config),
        axes=tuple(map(read_axis, given["axes"])),
        estimator=asked,
        out=given["out"],
        method="random" if given["random"] else "grid",
        steps=given["steps"],
        trials=given["trials"],
        choose_by=given["choose_by"],
        shares=_shares_of(given["shares"]),
    )


def _text_of(config: Path | None) -> str:
    """Return a configuration's text, once it is known to be TOML."""
    from bandit.config.loading import read_toml

    if config is None:
        return ""
    read_toml(config)
    return config.read_text(encoding="utf-8")


def _shares_of(given: tuple[float, float, float]) -> tuple[float, float, float]:
    total = sum(given)
    return (given[0] / total, given[1] / total, given[2] / total)


def _show(result: Search) -> None:
    show_data(result.data)
    click.echo("")
    keys = list(dict.fromkeys(key for one in result.candidates for key in one.settings))
    print_table(
        (*keys, result.estimator, "low", "high", "sound"),
        [
            (
                *(str(one.settings.get(key, "")) for key in keys),
                one.tuning_value,
                one.tuning_low,
                one.tuning_high,
                one.sound,
            )
            for one in result.candidates[:SHOWN]
        ],
    )
    click.echo("\non rounds that had no say:")
    show_estimates([result.chosen, result.baseline])
    for note in result.notes:
        click.echo(f"note: {note}")
    doubtful = "" if result.chosen.diagnostics.sound else " (NOT TRUSTWORTHY: see the notes)"
    click.echo(f"written: {result.written}{doubtful}")


def _flat(result: Search) -> Iterator[dict[str, Any]]:
    keys = list(dict.fromkeys(key for one in result.candidates for key in one.settings))
    for one in result.candidates:
        yield {
            **{key: _plain(one.settings.get(key)) for key in keys},
            "value": one.tuning_value,
            "low": one.tuning_low,
            "high": one.tuning_high,
            "sound": one.sound,
        }


def _plain(value: object) -> str | None:
    """Return a value as text: a column of candidates may hold values of several types."""
    return None if value is None else str(value)
