"""Deezer's carousels: regrets of the policies that Bendada, Salha and Bontempelli (2020) compare.

    python -m simulator.experiments.deezer_carousel --jobs 4

Theirs are 100 rounds of 20,000 sessions, 200 a segment. The users that can be had are nine of one
segment: those here are drawn around them (``--users nine``: these alone), 200 sessions a segment
and round by default. The paper's findings in words (section 4.1.1) are held against ours as pairs;
linear policies here know each playlist's features, which theirs do not, and are no part of that.
"""

from __future__ import annotations

from typing import Final

import click
import numpy as np

from simulator.experiments.deezer_published import POLICIES, PUBLISHED
from simulator.experiments.telling import Cell, Found, Running, Table, bounds, experiment, shown
from simulator.results import Simulation
from simulator.studies.over_seeds import seed_interval
from simulator.studies.simulate import Setting, SimulatePlan, simulate
from simulator.wording import counted

LINEAR: Final = ("lints", "linucb")
LEVEL: Final = 0.95
SESSIONS_A_SEGMENT: Final = 200
SEGMENTS: Final = {"synthetic": 9, "nine": 1}
FULL: Final = 20_000
HEADINGS: Final = (
    "place",
    "policy",
    "published as",
    "regret",
    "95 % over seeds",
    "of random's",
    "streams a session",
    "sessions/s",
)


def ranked(result: Simulation) -> list[list[Cell]]:
    """Return one line a policy, the least regret first."""
    regret_of_random = result.policies[0].regret().mean
    names = dict(zip((one.policy for one in result.policies), POLICIES.values(), strict=False))
    ordered = sorted(result.policies, key=lambda one: one.regret().mean)
    return [
        [
            place,
            one.policy,
            names.get(one.policy, "not there"),
            round(one.regret().mean),
            bounds(one.regret().interval),
            f"{one.regret().mean / regret_of_random:.1%}",
            one.final_reward_mean,
            round(one.pages_per_second),
        ]
        for place, one in enumerate(ordered, 1)
    ]


def beside_published(result: Simulation) -> list[list[Cell]]:
    """Return one line for each published pair: whether ours is ordered so, paired by seed."""
    by_name = dict(zip(POLICIES.values(), result.policies, strict=False))
    rows: list[list[Cell]] = []
    for first, second in PUBLISHED:
        gained = np.subtract(by_name[first].by_seed, by_name[second].by_seed)
        found = seed_interval(gained, LEVEL)
        ours = "yes" if found.low > 0 else "no" if found.high < 0 else "cannot be told"
        rows.append([first, second, "yes", ours, float(gained.mean()), bounds(found)])
    return rows


@experiment("deezer_carousel")
@click.option("--users", default="synthetic", show_default=True, type=click.Choice([*SEGMENTS]))
@click.option("--rounds", default=100, show_default=True, type=click.IntRange(1))
@click.option("--sessions", type=click.IntRange(1), help="Of a round; by default 200 a segment.")
@click.option("--full", is_flag=True, help="20,000 sessions a round.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--data", default="", help="Directory of Deezer's two files.")
def main(
    running: Running,
    users: str,
    rounds: int,
    sessions: int | None,
    full: bool,
    seeds: int,
    data: str,
) -> Found:
    """Cumulated regret of the policies of RecSys 2020's carousels."""
    batch = FULL if full else sessions or SESSIONS_A_SEGMENT * SEGMENTS[users]
    settings: dict[str, Setting] = {"users": users, "directory": data}
    plan = SimulatePlan(
        environment="carousel",
        policies=(*POLICIES, *LINEAR),
        pages=rounds * batch,
        batch=batch,
        seeds=tuple(range(running.seed, running.seed + seeds)),
        settings=settings,
    )
    result = simulate(plan, running.begun, jobs=running.jobs, watch=running.watch)
    title = (
        f"cumulated regret after {rounds} rounds of {shown(batch)} sessions, {users} users, "
        f"{counted(len(result.seeds), 'seeds')}"
    )
    headings = ["first", "second", "published", "ours", "streams a session more", "95 %, paired"]
    tables = [
        Table(title=title, headings=list(HEADINGS), rows=ranked(result)),
        Table(
            title="does the first do better than the second?",
            headings=headings,
            rows=beside_published(result),
        ),
    ]
    return Found(tables, [], {f"deezer-{users}": result})


if __name__ == "__main__":
    main()
