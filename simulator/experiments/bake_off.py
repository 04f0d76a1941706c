"""A contextual bandit bake-off over scikit-learn's data, after Bietti, Agarwal and Langford (2021).

    python -m simulator.experiments.bake_off --jobs 4

Classes are actions, and only the chosen one is told right or wrong. A policy's progressive
validation loss is its share of wrong choices over a run, each made before the example was learned
from. As in the paper, two policies are compared data set by data set: one wins where its loss is
less by more than chance allows, here by a paired t-test over seeds at the level ``alpha``.
"""

from __future__ import annotations

from itertools import combinations
from typing import Final, NamedTuple

import click
import numpy as np

from simulator.experiments.default_config import default_config
from simulator.experiments.telling import Cell, Found, Running, Table, experiment
from simulator.results import Result, Simulation
from simulator.studies.over_seeds import seed_interval
from simulator.studies.simulate import SimulatePlan, simulate
from simulator.wording import counted

DATA: Final = ("digits", "iris", "wine", "breast_cancer")
POLICIES: Final = (
    "uniform",
    "popularity",
    "linucb-disjoint:alpha=0",
    "linucb-disjoint:alpha=0,epsilon=0.05",
    "linucb-disjoint:alpha=0.5",
    "lints-disjoint",
)
TITLES: Final = {
    "linucb-disjoint:alpha=0": "greedy",
    "linucb-disjoint:alpha=0,epsilon=0.05": "ε-greedy 0.05",
    "linucb-disjoint:alpha=0.5": "linucb (optimism)",
    "lints-disjoint": "linear Thompson",
}
PUBLISHED: Final = (
    "published (abstract, JMLR 22:133): optimism under uncertainty (RegCB) works best overall, "
    "a simple greedy baseline is a surprisingly close second, Online Cover third; over some 500 "
    "data sets of OpenML with VW's linear models, which are not these"
)


class Record(NamedTuple):
    """How often one policy was better, or worse, than others."""

    wins: int
    losses: int


def records(results: list[Simulation], alpha: float) -> dict[str, Record]:
    """Return each policy's significant wins and losses over all data sets and other policies."""
    wins = dict.fromkeys((one.policy for one in results[0].policies), 0)
    losses = dict(wins)
    for result in results:
        for first, second in combinations(result.policies, 2):
            gained = np.subtract(second.by_seed, first.by_seed)
            found = seed_interval(gained, 1 - alpha)
            if found.low > 0 or found.high < 0:
                better, worse = (second, first) if found.low > 0 else (first, second)
                wins[better.policy] += 1
                losses[worse.policy] += 1
    return {name: Record(wins[name], losses[name]) for name in wins}


def lines(results: list[Simulation], found: dict[str, Record]) -> list[list[Cell]]:
    """Return one line a policy: its loss on each data set, its wins and its losses."""
    rows: list[list[Cell]] = []
    for place, (name, record) in enumerate(found.items()):
        losses = [1 - result.policies[place].final_reward_mean for result in results]
        rows.append([TITLES.get(name, name), *losses, record.wins, record.losses])
    return sorted(rows, key=lambda row: -(int(row[-2] or 0) - int(row[-1] or 0)))


@experiment("bake_off")
@click.option("--data", "names", multiple=True, default=DATA, show_default=True)
@click.option("--examples", default=2000, show_default=True, type=click.IntRange(1))
@click.option("--batch", default=10, show_default=True, type=click.IntRange(1))
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(2))
@click.option("--alpha", default=0.05, show_default=True, type=click.FloatRange(0, 1))
def main(
    running: Running, names: tuple[str, ...], examples: int, batch: int, seeds: int, alpha: float
) -> Found:
    """Progressive validation losses of policies on classification data."""
    results: dict[str, Simulation] = {}
    with default_config() as production:
        for name in names:
            plan = SimulatePlan(
                environment="supervised",
                policies=(*POLICIES, production),
                pages=examples,
                batch=batch,
                seeds=tuple(range(running.seed, running.seed + seeds)),
                settings={"data": name},
            )
            results[name] = simulate(plan, running.begun, jobs=running.jobs, watch=running.watch)
    found = records(list(results.values()), alpha)
    headings = ["policy", *names, f"wins (α = {alpha:g})", "losses"]
    title = (
        f"progressive validation loss: {examples} examples, learned {batch} at a time, "
        f"{counted(seeds, 'seeds')}"
    )
    table = Table(title=title, headings=headings, rows=lines(list(results.values()), found))
    kept: dict[str, Result] = {f"bake-off-{name}": one for name, one in results.items()}
    return Found([table], [PUBLISHED], kept)


if __name__ == "__main__":
    main()
