"""How estimates look in tables, and flat for Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from simulator.cli.outputs import bounds, cell, print_table
from simulator.results import DataSummary, Estimate

METHODS_ABREAST = 2
"""More intervals than these stand below each other."""


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
    """Print estimates with their intervals, then what to think of them."""
    methods = list(dict.fromkeys(found.method for one in estimates for found in one.intervals))
    if len(methods) <= METHODS_ABREAST:
        headings = ("policy", "estimator", "value", *methods, "effective rounds", "largest weight")
        print_table(headings, [_line(one, methods) for one in estimates])
    else:
        headings = ("policy", "estimator", "value", "interval", "low", "high", "effective rounds")
        print_table(headings, [line for one in estimates for line in _lines(one)])
    for sentence in said(estimates):
        click.echo(sentence)


def said(estimates: Sequence[Estimate]) -> list[str]:
    """Return verdicts and warnings, each once, with whom it is about where that is not all."""
    about: dict[str, list[Estimate]] = {}
    for one in estimates:
        sentences = [one.diagnostics.verdict, *one.diagnostics.warnings]
        for sentence in [*sentences, one.marked] if one.marked else sentences:
            about.setdefault(sentence, []).append(one)
    found = []
    for sentence, those in about.items():
        policies = list(dict.fromkeys(one.policy for one in those))
        names = list(dict.fromkeys(one.estimator for one in those))
        theirs = {one.estimator for one in estimates if one.policy in policies}
        whom = ", ".join(policies)
        if set(names) != theirs:
            whom += f" ({', '.join(names)})"
        found.append(f"{whom}: {sentence}")
    return found


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


def _lines(one: Estimate) -> Iterator[list[object]]:
    """Yield one line for each interval; the first tells the estimate as well."""
    head: list[object] = [one.policy, _name(one), one.value]
    effective: object = round(one.diagnostics.effective_rounds, 1)
    for interval in (*one.intervals,) or (None,):
        ends: tuple[str, float | None, float | None] = ("", None, None)
        if interval is not None:
            ends = (interval.method, interval.low, interval.high)
        yield [*head, *ends, effective]
        head, effective = ["", "", None], None


def _name(one: Estimate) -> str:
    chosen = [f"{name} {cell(value)}" for name, value in one.parameters.items()]
    return f"{one.estimator} ({', '.join(chosen)})" if chosen else one.estimator


def _line(one: Estimate, methods: Sequence[str]) -> list[object]:
    found = {interval.method: bounds(interval) for interval in one.intervals}
    return [
        one.policy,
        _name(one),
        one.value,
        *(found.get(method, "–") for method in methods),
        round(one.diagnostics.effective_rounds, 1),
        one.diagnostics.weight_max,
    ]
