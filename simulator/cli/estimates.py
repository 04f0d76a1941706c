"""How estimates look in tables, and flat for Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from simulator.cli.outputs import bounds, cell, print_table
from simulator.results import DataSummary, Estimate


def show_data(data: DataSummary) -> None:
    """Tell what was judged on."""
    viewers = "" if data.viewers is None else f" of {data.viewers:,} viewers"
    interval = "" if data.logged_interval is None else f" {bounds(data.logged_interval)}"
    click.echo(
        f"{data.name}: {data.rounds:,} {data.kind}{viewers}; their own policy earned "
        f"{cell(data.logged_mean)}{interval} a round"
    )
    if data.skipped:
        click.echo(f"left out: {data.skipped:,} bad records")
    for note in data.notes:
        click.echo(f"note: {note}")


def show_estimates(estimates: Sequence[Estimate]) -> None:
    """Print estimates with their intervals, then what to think of each policy's."""
    methods = list(dict.fromkeys(found.method for one in estimates for found in one.intervals))
    headings = ("policy", "estimator", "value", *methods, "effective rounds", "largest weight")
    print_table(headings, [_line(one, methods) for one in estimates])
    told: set[tuple[str, str]] = set()
    for one in estimates:
        said = [one.diagnostics.verdict, *one.diagnostics.warnings]
        if one.marked:
            said.append(one.marked)
        for sentence in said:
            if (one.policy, sentence) not in told:
                told.add((one.policy, sentence))
                click.echo(f"{one.policy}: {sentence}")


def flat_estimates(estimates: Sequence[Estimate]) -> Iterator[dict[str, Any]]:
    """Yield one row for each estimate and interval."""
    for one in estimates:
        row = {
            "policy": one.policy,
            "estimator": one.estimator,
            "value": one.value,
            "effective_rounds": one.diagnostics.effective_rounds,
            "weight_max": one.diagnostics.weight_max,
            "sound": one.diagnostics.sound,
            "verdict": one.diagnostics.verdict,
            "marked": one.marked,
        }
        for interval in (*one.intervals,) or (None,):
            yield {
                **row,
                "interval": None if interval is None else interval.method,
                "level": None if interval is None else interval.level,
                "low": None if interval is None else interval.low,
                "high": None if interval is None else interval.high,
            }


def _line(one: Estimate, methods: Sequence[str]) -> list[object]:
    found = {interval.method: bounds(interval) for interval in one.intervals}
    chosen = [f"{name} {cell(value)}" for name, value in one.parameters.items()]
    name = f"{one.estimator} ({', '.join(chosen)})" if chosen else one.estimator
    return [
        one.policy,
        name,
        one.value,
        *(found.get(method, "–") for method in methods),
        round(one.diagnostics.effective_rounds, 1),
        one.diagnostics.weight_max,
    ]
