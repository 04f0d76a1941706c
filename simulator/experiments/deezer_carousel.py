"""Deezer's carousels: regrets of the policies that Bendada, Salha and Bontempelli (2020) compare.

    python -m simulator.experiments.deezer_carousel --jobs 4

Their comparison is 100 rounds of 20,000 sessions with 974,960 users in 100 segments: some 200
sessions a segment and round. The files that can be had hold nine users of one segment, so the
population here is synthetic, drawn around the nine (``--users nine``: these alone), and a round has
by default 200 sessions a segment, as theirs; ``--full`` takes 20,000 a round. Regrets are of
expected reward and cascades as documented, without the two faults of the published code.

The repository's README gives the policies with their settings and a figure, whose curves it does
not tell in numbers; of its policies with linear models it says that they were changed later. Linear
policies here are Gaussian and know each playlist's features, which theirs do not.
"""

from __future__ import annotations

from typing import Final

import click

from simulator.experiments.telling import Cell, Found, Running, Table, bounds, experiment, shown
from simulator.results import Simulation
from simulator.studies.simulate import Setting, SimulatePlan, simulate

POLICIES: Final = {
    "uniform": "random",
    "segment-etc:displays=100": "etc-seg-explore",
    "segment-etc:displays=20": "etc-seg-exploit",
    "segment-greedy:epsilon=0.1": "epsilon-greedy-explore",
    "segment-greedy:epsilon=0.01": "epsilon-greedy-exploit",
    "segment-kl-ucb": "kl-ucb-seg",
    "segment-ts:successes=1,failures=1": "ts-seg-naive",
    "segment-ts:successes=1,failures=99": "ts-seg-pessimistic",
    "lints": "",
    "linucb": "",
}
"""Our specs, and the names that they have in the published code; none where it has no such."""
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
            names[one.policy] or "not there",
            round(one.regret().mean),
            bounds(one.regret().interval),
            f"{one.regret().mean / regret_of_random:.1%}",
            one.final_reward_mean,
            round(one.pages_per_second),
        ]
        for place, one in enumerate(ordered, 1)
    ]


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
        policies=tuple(POLICIES),
        pages=rounds * batch,
        batch=batch,
        seeds=tuple(range(running.seed, running.seed + seeds)),
        settings=settings,
    )
    result = simulate(plan, running.begun, jobs=running.jobs, watch=running.watch)
    title = (
        f"cumulated regret after {rounds} rounds of {shown(batch)} sessions, {users} users, "
        f"{len(result.seeds)} seeds"
    )
    notes = [
        "published: regret over 100 rounds as a figure; its values are not told in numbers, and "
        "what the paper's text says of their order was not verified here",
    ]
    table = Table(title=title, headings=list(HEADINGS), rows=ranked(result))
    return Found([table], notes, {f"deezer-{users}": result})


if __name__ == "__main__":
    main()
