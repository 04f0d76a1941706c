"""What production's learning policy achieves against each baseline, as found.

    python -m simulator.experiments.learned_policy --jobs 4

Production runs by its own code with the configuration's defaults, nothing tuned. All policies meet
the same viewers, seed by seed, so that differences are paired. There is no published figure: these
are ours.
"""

from __future__ import annotations

from typing import Final

import click
import numpy as np

from simulator.experiments.default_config import default_config
from simulator.experiments.telling import Cell, Found, Running, Table, bounds, experiment, shown
from simulator.results import Result, SimulatedPolicy, Simulation
from simulator.studies.over_seeds import seed_interval
from simulator.studies.simulate import Setting, SimulatePlan, simulate
from simulator.wording import counted

LEVEL: Final = 0.95
BASELINES: Final = (
    "uniform",
    "editorial",
    "popularity:epsilon=0.05",
    "segment-ts",
    "linucb",
    "lints",
    "oracle",
)
SIZES: Final = {"homepage": (6_000, 300), "carousel": (4_000, 100)}
"""Pages of a run, and of a batch."""
SETTINGS: Final[dict[str, dict[str, Setting]]] = {
    "homepage": {},
    "carousel": {"users": "synthetic", "population": 2000},
}
HEADINGS: Final = (
    "policy",
    "reward a page",
    "95 % over seeds",
    "production earns more",
    "95 %, paired",
    "in percent",
    "seeds won",
    "regret a page",
)


def against(ours: SimulatedPolicy, one: SimulatedPolicy, pages: int) -> list[Cell]:
    """Return one policy's line beside production's."""
    mean = one.final_reward_mean
    head: list[Cell] = [one.policy, mean, bounds(one.final_reward)]
    regret = one.regret().mean / pages
    if one is ours:
        return [*head, "", "", "", "", regret]
    gained = np.subtract(ours.by_seed, one.by_seed)
    paired = bounds(seed_interval(gained, LEVEL))
    won = f"{int((gained > 0).sum())} of {len(gained)}"
    more = f"{100 * (ours.final_reward_mean / mean - 1):+.1f} %"
    return [*head, float(gained.mean()), paired, more, won, regret]


def standing(result: Simulation) -> Table:
    """Return all policies of an environment, production first."""
    ours = result.policies[0]
    title = (
        f"{result.environment} ({result.description}): {shown(result.pages)} pages in batches of "
        f"{shown(result.batch)}, {counted(len(result.seeds), 'seeds')} from {result.seeds[0]}"
    )
    rows = [against(ours, one, result.pages) for one in result.policies]
    return Table(title=title, headings=list(HEADINGS), rows=rows)


@experiment("learned_policy")
@click.option("--environment", "names", multiple=True, default=tuple(SIZES), show_default=True)
@click.option("--pages", type=click.IntRange(1), help="Of one run; by default as stated.")
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(2))
def main(running: Running, names: tuple[str, ...], pages: int | None, seeds: int) -> Found:
    """Production's learned policy against every baseline, in environments of known truth."""
    tables, results = [], dict[str, Result]()
    with default_config() as production:
        for name in names:
            usual, batch = SIZES[name]
            count = pages or usual
            plan = SimulatePlan(
                environment=name,
                policies=(production, *BASELINES),
                pages=count,
                batch=min(batch, count),
                seeds=tuple(range(running.seed, running.seed + seeds)),
                settings=SETTINGS[name],
            )
            found = simulate(plan, running.begun, jobs=running.jobs, watch=running.watch)
            results[f"learned-{name}"] = found
            tables.append(standing(found))
    notes = [
        "production: the configuration's defaults; all policies learn after each batch",
        "95 % intervals are Student's over seeds; a seed draws the world, viewers and their luck",
    ]
    return Found(tables, notes, results)


if __name__ == "__main__":
    main()
