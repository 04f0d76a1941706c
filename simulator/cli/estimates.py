"""How estimates look in tables, and flat for Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from simulator.cli.outputs import bounds, cell, print_table, table_width
from simulator.results import DataSummary, Estimate
from simulator.wording import counted

ROUNDS = {
    "choices": "one choice",
    "rankings": "one page, whose rows' rewards are added up",
}
"""What a round is, by the kind of data."""
WHOLE_FROM = 100
"""So many effective rounds are told without decimals."""
SUPPORT = ("effective rounds", "largest weight", "sound")
METHODS_ABREAST = 2
"""More intervals than these stand below each other."""
ABREAST_FROM = 110
"""So many columns intervals beside each other take; in narrower terminals they stand below."""


def show_data(data: DataSummary) -> None:
    """Tell what was judged on, and what the numbers are."""
    viewers = "" if data.viewers is None else f" of {counted(data.viewers, 'viewers')}"
    interval = data.logged_interval
    earned = f"{cell(data.logged_mean)}{'' if interval is None else f' {bounds(interval)}'}"
    click.echo(
        f"{data.name}: {counted(data.rounds, data.kind)}{viewers}; their own policy earned {earned}"
    )
    click.echo(f"values are mean rewards a round: {ROUNDS[data.kind]}")
    if data.skipped:
        click.echo(f"left out: {counted(data.skipped, 'bad records')}")
    for note in data.notes:
        click.echo(f"note: {note}")


def show_estimates(estimates: Sequence[Estimate]) -> None:
    """Print estimates with their intervals, then what to think of them."""
    methods = list(dict.fromkeys(found.method for one in estimates for found in one.intervals))
    if len(methods) <= METHODS_ABREAST and table_width() >= ABREAST_FROM:
        headings = ("policy", "estimator", "value", *methods, *SUPPORT)
        print_table(headings, [_line(one, methods) for one in estimates])
    else:
        rounds, _, sound = SUPPORT
        headings = ("policy", "estimator", "value", "interval", "low", "high", rounds, sound)
        print_table(headings, [line for one in estimates for line in _lines(one)])
    for sentence in said(estimates):
        click.echo(sentence)


def said(estimates: Sequence[Estimate]) -> list[str]:
    """Return marks, verdicts and warnings, each sentence once, with whom it is about.

    Marks come first, as they bear on every number; warnings last.
    """
    marks = [(one.marked, one) for one in estimates if one.marked]
    verdicts = [(one.diagnostics.verdict, one) for one in estimates]
    warnings = [(sentence, one) for one in estimates for sentence in one.diagnostics.warnings]
    about: dict[str, list[Estimate]] = {}
    for sentence, one in (*marks, *verdicts, *warnings):
        about.setdefault(sentence, []).append(one)
    return [f"{_whom(those, estimates)}: {sentence}" for sentence, those in about.items()]


def _whom(those: Sequence[Estimate], estimates: Sequence[Estimate]) -> str:
    """Name policies, each with the estimators that are meant where others are not."""
    if len(those) == len(estimates) and len({one.policy for one in estimates}) > 1:
        return "all"
    named: dict[str, list[str]] = {}
    for policy in dict.fromkeys(one.policy for one in those):
        meant = [one.estimator for one in those if one.policy == policy]
        every = [one.estimator for one in estimates if one.policy == policy]
        named.setdefault("" if meant == every else f" ({', '.join(meant)})", []).append(policy)
    return "; ".join(f"{', '.join(policies)}{names}" for names, policies in named.items())


def flat_estimates(estimates: Sequence[Estimate]) -> Iterator[dict[str, Any]]:
    """Yield one row for each estimate and interval."""
    for one in estimates:
        row = {
            "policy": one.policy,
            "estimator": one.estimator,
            "value": one.value,
            "effective_rounds": one.diagnostics.effective_rounds,
            "weight_max": one.diagnostics.weight_max,
            "telling_rounds": one.diagnostics.telling_rounds,
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
    effective, _ = _support(one)
    sound: object = one.diagnostics.sound
    for interval in (*one.intervals,) or (None,):
        ends: tuple[str, float | None, float | None] = ("", None, None)
        if interval is not None:
            ends = (interval.method, interval.low, interval.high)
        yield [*head, *ends, effective, sound]
        head, effective, sound = ["", "", None], None, ""


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
        *_support(one),
        one.diagnostics.sound,
    ]


def _support(one: Estimate) -> tuple[object, object]:
    """Return the effective rounds and the largest weight, of what there is an estimate of."""
    if one.value is None:
        return None, None
    effective = one.diagnostics.effective_rounds
    shown: object = round(effective) if effective >= WHOLE_FROM else round(effective, 1)
    return shown, one.diagnostics.weight_max
