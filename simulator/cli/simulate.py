"""``marquee-sim simulate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from simulator.cli.outputs import Outputs, bounds, cell, check_writable, end, keep, print_table
from simulator.cli.shared import policy_option, run_options, settings_of, typed
from simulator.results import Interval, SimulatedPolicy, Simulation
from simulator.wording import counted
from simulator.worker_options import workers_of

if TYPE_CHECKING:
    from simulator.cluster import Cluster

LEVEL = 0.95


@click.command()
@click.argument("environment")
@policy_option(
    "A policy of `marquee-sim policies`, or a TOML file of production's; several times for several."
)
@click.option(
    "--pages", default=10_000, show_default=True, type=click.IntRange(1), help="Pages of one run."
)
@click.option(
    "--batch",
    default=500,
    show_default=True,
    type=click.IntRange(1),
    help="Pages served before a policy learns of them.",
)
@click.option(
    "--seeds",
    default=10,
    show_default=True,
    type=click.IntRange(1),
    help="Runs of each policy; the bands are over them.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the environment; `marquee-sim environments NAME` lists them.",
)
@click.option(
    "--points",
    default=50,
    show_default=True,
    type=click.IntRange(1),
    help="Points of each curve.",
)
@run_options("The first seed; each run takes the next.")
@click.pass_context
def simulate(
    ctx: click.Context,
    environment: str,
    policies: tuple[str, ...],
    pages: int,
    batch: int,
    seeds: int,
    settings: tuple[str, ...],
    points: int,
    seed: int,
    jobs: int,
    cluster: Cluster | None,
    json_path: Path | None,
    parquet_path: Path | None,
) -> None:
    """Run policies in ENVIRONMENT over seeds: rewards and regrets with bands.

    A seed brings the same viewers to every policy. Regret is what the environment's oracle would
    have earned more, on average, on the same pages. Ctrl-C keeps the seeds that are done.

    \b
    Example:
      marquee-sim simulate homepage --policy uniform --policy linucb --pages 5000 --jobs 4
    """
    from bandit.clock import WallClock
    from simulator.progress import ShownWatch
    from simulator.studies.about import begin
    from simulator.studies.simulate import SimulatePlan
    from simulator.studies.simulate import simulate as run

    outputs = Outputs(json_path, parquet_path)
    check_writable(json_path, parquet_path)
    plan = SimulatePlan(
        environment=environment,
        policies=policies,
        pages=pages,
        batch=batch,
        seeds=tuple(range(seed, seed + seeds)),
        settings=settings_of(settings),
        points=points,
    )
    begun = begin(typed(ctx), seed, WallClock())
    workers = workers_of(ctx, jobs, cluster)
    result = run(plan, begun, jobs=workers, watch=ShownWatch())
    keep(result, _flat(result), outputs)
    if outputs.shows_tables:
        _show(result)
    end(ctx, interrupted=len(result.seeds) < seeds)


def _show(result: Simulation) -> None:
    known = all(one.final_regret is not None for one in result.policies)
    pages = "pages" if known else "rounds offered"
    click.echo(
        f"{result.environment} ({result.description}): {result.pages:,} {pages} in batches of "
        f"{result.batch:,}, {counted(len(result.seeds), 'seeds')} from {result.seeds[0]}"
    )
    if known:
        means = "means over seeds with 95 % intervals; " if len(result.seeds) > 1 else ""
        click.echo(f"{means}regret is what the oracle would have earned more over a run")
    click.echo("")
    first = result.policies[0]
    others = len(result.policies) > 1
    headings = ["policy", f"reward {result.unit}"]
    headings += [f"more than {first.policy}"] if others else []
    headings.append("regret" if known else "accepted a run")
    rows = []
    for one in result.policies:
        row: list[object] = [
            one.policy,
            _over_seeds(one.final_reward_mean, one.final_reward, one.by_seed),
        ]
        if others:
            row.append("" if one is first else _difference(one, first))
        if known:
            row.append(_over_seeds(*one.regret(), one.by_seed))
        else:
            row.append(round(float(np.mean(one.accepted or [result.pages]))))
        rows.append([*row, round(one.pages_per_second)])
    print_table([*headings, f"{pages.split()[0]}/s"], rows)
    if known:
        click.echo(_beside_oracle(result))
    for note in result.notes:
        click.echo(f"note: {note}")


def _difference(one: SimulatedPolicy, first: SimulatedPolicy) -> str:
    """Return how much more a policy earned than the first, seed by seed."""
    from simulator.studies.over_seeds import seed_interval

    gained = np.subtract(one.by_seed, first.by_seed)
    return _over_seeds(float(gained.mean()), seed_interval(gained, LEVEL), one.by_seed)


def _over_seeds(mean: float, interval: Interval, by_seed: Sequence[float]) -> str:
    """Return a mean with its interval, of which one seed alone knows nothing."""
    return f"{cell(mean)} {bounds(interval) if len(by_seed) > 1 else '–'}"


def _beside_oracle(result: Simulation) -> str:
    """Return how much of the oracle's lead over the first policy each other one earned."""
    first, *others = result.policies
    lead = first.regret().mean
    told = f"the oracle earns {cell(lead / result.pages)} more a page than {first.policy}"
    if lead <= 0 or not others:
        return told
    shares = ", ".join(f"{one.policy} {1 - one.regret().mean / lead:.0%}" for one in others)
    return f"{told}; of this lead, others reach: {shares}"


def _flat(result: Simulation) -> Iterator[dict[str, Any]]:
    for one in result.policies:
        for point in one.curve:
            names = point.__struct_fields__
            yield {"policy": one.policy, **{name: getattr(point, name) for name in names}}
