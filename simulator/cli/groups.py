"""How tables by segment and position look: a line a group, the policies beside each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import click

from simulator.cli.outputs import cell, print_table
from simulator.results import GroupRow

ABREAST: Final = 4
"""More policies than these stand in a further table."""
DOUBTFUL: Final = "*"
GROUPED_BY: Final = {"choices": ("snips", "snips"), "rankings": ("snsips", "snrips")}
"""The estimators of tables by segment and by position, by the kind of data."""


def show_groups(what: str, estimator: str, rows: Sequence[GroupRow]) -> None:
    """Print what each group is worth under each policy, where there is more than one group."""
    groups = list(dict.fromkeys(row.group for row in rows))
    if len(groups) < 2:
        return
    policies = list(dict.fromkeys(row.policy for row in rows))
    found = {(row.group, row.policy): row for row in rows}
    click.echo(f"\nby {what} ({estimator}, normal intervals)")
    tables = math.ceil(len(policies) / ABREAST)
    for number in range(tables):
        # Dealt out evenly, in their order: a table of one policy would look like a slip.
        first, last = (len(policies) * each // tables for each in (number, number + 1))
        shown = policies[first:last]
        print_table(
            (what, "rounds", "logged", *shown),
            [
                (
                    group,
                    found[group, shown[0]].rounds,
                    found[group, shown[0]].logged_mean,
                    *(_estimate(found[group, policy]) for policy in shown),
                )
                for group in groups
            ],
        )
    least = _effective_rounds_min()
    if any(row.estimate is not None and row.effective_rounds < least for row in rows):
        click.echo(f"{DOUBTFUL} rests on fewer than {least} effective rounds")


def _estimate(row: GroupRow) -> str:
    if row.estimate is None:
        return "–"
    doubt = DOUBTFUL if row.effective_rounds < _effective_rounds_min() else ""
    if row.low is None or row.high is None:
        return f"{cell(row.estimate)}{doubt}"
    return f"{cell(row.estimate)} [{cell(row.low)}, {cell(row.high)}]{doubt}"


def _effective_rounds_min() -> int:
    # Asked when it is needed: diagnostics bring SciPy with them, which help texts can do without.
    from simulator.diagnostics.verdicts import EFFECTIVE_ROUNDS_MIN

    return EFFECTIVE_ROUNDS_MIN
