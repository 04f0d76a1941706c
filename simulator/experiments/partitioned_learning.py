"""What partitioned learning costs in reward against one learner, by how often models are merged.

    python -m simulator.experiments.partitioned_learning --jobs 4

Records of a homepage are divided among learners by decision id; each learns its share, and every so
many pages their models are merged and the merged one is served. Production runs by its own code
with the configuration's defaults, nothing tuned, and all runs of a seed meet the same viewers.

Two differences are told. Against one learner that publishes after every batch: all that partitioned
learning at this interval costs. And against one that publishes as seldom as the others are merged:
what of it dividing and merging cost, for serving an older model costs one learner as well.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import click
import msgspec
import numpy as np

from bandit.types import FloatArray
from simulator.errors import SimulationError
from simulator.experiments.default_config import default_config
from simulator.experiments.telling import Cell, Found, Running, Table, experiment, percent, shown
from simulator.results import SimulatedPolicy, Simulation
from simulator.studies.over_seeds import band
from simulator.studies.simulate import SimulatePlan, simulate
from simulator.wording import counted

LEVEL: Final = 0.95
MARGIN: Final = 0.01
"""Share of one learner's reward that partitioned learning may cost."""
INTERVALS: Final = (60, 300, 600, 1200)
HEADINGS: Final = (
    "merged every",
    "one learner",
    "one as seldom",
    "merged",
    "than one",
    "95 %, paired",
    f"within {percent(MARGIN, 0)}",
    "than one as seldom",
    "95 %, paired",
    "seeds won",
)


class Gain(NamedTuple):
    """How much more one policy earns than another, as a share; with its interval over seeds."""

    mean: float
    low: float
    high: float

    def told(self) -> str:
        """Return the interval as tables have it, in percent."""
        return f"[{100 * self.low:+.2f}, {100 * self.high:+.2f}]"

    def verdict(self) -> str:
        """Tell whether the loss is within the margin: surely if all of the interval is."""
        if self.low >= -MARGIN:
            return "yes"
        if self.mean >= -MARGIN:
            return "likely"
        return "no" if self.high < -MARGIN else "unlikely"


def gain(ours: SimulatedPolicy, other: SimulatedPolicy) -> Gain:
    """Return how much more ours earns, paired by seed."""
    found = band(_by_seed(ours) / _by_seed(other) - 1.0, LEVEL)
    return Gain(float(found.mean), float(found.low), float(found.high))


def line(
    interval: int, one: SimulatedPolicy, seldom: SimulatedPolicy, merged: SimulatedPolicy
) -> list[Cell]:
    """Return the line of an interval between merges."""
    all_of_it, of_merging = gain(merged, one), gain(merged, seldom)
    won = int((_by_seed(merged) > _by_seed(one)).sum())
    return [
        interval,
        one.final_reward_mean,
        seldom.final_reward_mean,
        merged.final_reward_mean,
        f"{100 * all_of_it.mean:+.2f} %",
        all_of_it.told(),
        all_of_it.verdict(),
        f"{100 * of_merging.mean:+.2f} %",
        of_merging.told(),
        f"{won} of {len(merged.by_seed)}",
    ]


class Asked(NamedTuple):
    """One way to learn."""

    partitions: int
    interval: int
    """Pages between two publications, or merges."""

    def spec(self, production: str, batch: int) -> str:
        """Return the policy as studies name it."""
        return f"{production}:publish_batches={self.interval // batch},partitions={self.partitions}"

    def told(self) -> str:
        """Return the policy's name."""
        if self.partitions == 1:
            return f"one learner, published every {shown(self.interval)} pages"
        return f"{self.partitions} learners, merged every {shown(self.interval)} pages"


def everybody(partitions: int, batch: int, intervals: tuple[int, ...]) -> list[Asked]:
    """Return who is compared: one learner, one that publishes as seldom as each, those merged."""
    seldom = (Asked(1, interval) for interval in intervals)
    merged = (Asked(partitions, interval) for interval in intervals)
    return list(dict.fromkeys((Asked(1, batch), *seldom, *merged)))


def standing(result: Simulation, asked: list[Asked]) -> Table:
    """Return a line for each interval at which learners were merged."""
    found = dict(zip(asked, result.policies, strict=True))
    merged = [one for one in asked if one.partitions > 1]
    title = (
        f"{result.environment} ({result.description}): {merged[0].partitions} learners, "
        f"{shown(result.pages)} pages in batches of {shown(result.batch)}, "
        f"{counted(len(result.seeds), 'seeds')} from {result.seeds[0]}"
    )
    rows = [
        line(one.interval, found[asked[0]], found[Asked(1, one.interval)], found[one])
        for one in merged
    ]
    return Table(title=title, headings=list(HEADINGS), rows=rows)


@experiment("partitioned_learning")
@click.option("--partitions", default=4, show_default=True, type=click.IntRange(2, 64))
@click.option("--pages", default=6_000, show_default=True, type=click.IntRange(1))
@click.option("--batch", default=60, show_default=True, type=click.IntRange(1))
@click.option(
    "--interval",
    "intervals",
    multiple=True,
    default=INTERVALS,
    show_default=True,
    type=click.IntRange(1),
    help="Pages between two merges; a multiple of the batch.",
)
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(2))
def main(
    running: Running,
    partitions: int,
    pages: int,
    batch: int,
    intervals: tuple[int, ...],
    seeds: int,
) -> Found:
    """Partitioned learning against one learner, by how often models are merged."""
    if any(interval % batch for interval in intervals):
        raise SimulationError(
            f"not all of {', '.join(map(str, intervals))} are multiples of {batch}",
            hint="models are merged between batches: give multiples of --batch",
        )
    asked = everybody(partitions, batch, intervals)
    with default_config() as production:
        plan = SimulatePlan(
            environment="homepage",
            policies=tuple(one.spec(production, batch) for one in asked),
            pages=pages,
            batch=batch,
            seeds=tuple(range(running.seed, running.seed + seeds)),
        )
        simulated = simulate(plan, running.begun, jobs=running.jobs, watch=running.watch)
    replace = msgspec.structs.replace
    named = [
        replace(found, policy=one.told())
        for one, found in zip(asked, simulated.policies, strict=True)
    ]
    result = replace(simulated, policies=named)
    notes = [
        f"rewards are means a page; one learner publishes every {batch} pages, one as seldom as "
        "the others are merged; a page is asked for every second",
        f"within {percent(MARGIN, 0)} of one learner: yes or no if the whole interval says so, "
        "likely or unlikely if the mean does",
        "intervals are Student's over seeds; a seed draws the world, viewers and their luck",
    ]
    return Found([standing(result, asked)], notes, {"partitioned-homepage": result})


def _by_seed(policy: SimulatedPolicy) -> FloatArray:
    return np.array(policy.by_seed)


if __name__ == "__main__":
    main()
