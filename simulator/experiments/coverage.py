"""How often intervals hold the truth, and how far estimates are from it, by sample size.

    python -m simulator.experiments.coverage --jobs 4

Logs of a homepage are drawn again and again; on each, every policy is judged by every estimator as
``marquee-sim evaluate`` does it, rounds of one viewer taken together. An interval of nominal 95 %
should hold the truth in 95 % of the repetitions, within what chance allows.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import click
import numpy as np
from scipy import stats

from bandit.types import FloatArray
from simulator.environments.recording import logged_choices
from simulator.experiments.overlap import WORLD, Stage, staged, truths
from simulator.experiments.telling import Cell, Found, Running, Table, experiment, percent, whole
from simulator.jobs import run_jobs
from simulator.loop import run
from simulator.pages import Truth
from simulator.reward_models import cross_fit
from simulator.studies.asked import asked_estimators
from simulator.studies.choice_case import ChoiceCase
from simulator.studies.judging import estimated
from simulator.studies.plans import JudgePlan

LEVEL: Final = 0.95
INTERVALS: Final = ("normal", "bootstrap")
HEADINGS: Final = ("pages", "policy", "estimator", *INTERVALS, "mean relative error", "bias")


class Drawn(NamedTuple):
    """One log to be drawn."""

    pages: int
    seed: int
    estimators: tuple[str, ...]


def repetition(stage: Stage, task: Drawn) -> FloatArray:
    """Return (policies, estimators, 1 + 2 · intervals): value, then both ends of each interval."""
    environment = stage.world.environment(task.pages, task.pages)
    logs = stage.cast.logs.policy()
    logged = logged_choices(environment, *next(run(environment, logs, task.seed)))
    asked = asked_estimators(task.estimators, "artwork")
    plan = JudgePlan(estimators=asked, intervals=INTERVALS, level=LEVEL, seed=task.seed)
    fitted = cross_fit(logged, plan.model, seed=task.seed) if "dr" in task.estimators else None
    found = []
    for one in stage.cast.judged:
        case = ChoiceCase(logged, one.target(), plan, fitted)
        for word in asked:
            estimate = estimated(one.name, word, case).estimate
            ends = [end for each in estimate.intervals for end in (each.low, each.high)]
            found.append([np.nan if estimate.value is None else estimate.value, *ends])
    return np.array(found).reshape(len(stage.cast.judged), len(asked), -1)


def covered(truth: float, found: FloatArray) -> list[float]:
    """Return how often each interval held the truth, of (repetitions, 1 + 2 · intervals)."""
    low, high = found[:, 1::2], found[:, 2::2]
    return [float(share) for share in ((low <= truth) & (truth <= high)).mean(axis=0)]


def binomial_band(repetitions: int, share: float = 0.95) -> tuple[float, float]:
    """Return between which shares an honest interval's coverage lies, with such a probability."""
    low, high = stats.binom.interval(share, repetitions, LEVEL)
    return float(low) / repetitions, float(high) / repetitions


def lines(task: Drawn, stage: Stage, truth: list[Truth], found: FloatArray) -> list[list[Cell]]:
    """Return one line a policy and estimator, of (repetitions, policies, estimators, …)."""
    rows: list[list[Cell]] = []
    for place, one in enumerate(stage.cast.judged):
        for which, word in enumerate(task.estimators):
            ratio = found[:, place, which, 0] / truth[place].value
            shares = covered(truth[place].value, found[:, place, which])
            error = percent(float(np.abs(ratio - 1).mean()))
            bias = percent(float(ratio.mean()) - 1, 2)
            rows.append([task.pages, one.name, word, *map(percent, shares), error, bias])
    return rows


@experiment("coverage")
@click.option("--pages", "sizes", multiple=True, default=(50, 100, 200, 400), show_default=True)
@click.option("--repetitions", default=500, show_default=True, type=click.IntRange(2))
@click.option("--truth-pages", default=100_000, show_default=True, type=click.IntRange(1))
@click.option("--estimators", default="ips,snips,dr", show_default=True)
def main(
    running: Running, sizes: tuple[int, ...], repetitions: int, truth_pages: int, estimators: str
) -> Found:
    """Coverage and relative error against sample size, in the homepage environment."""
    stage, (_, jobs, watch, _) = staged(WORLD), running
    truth = truths(stage, truth_pages, jobs=jobs, watch=watch)
    words = tuple(estimators.split(","))
    rows: list[list[Cell]] = []
    for size in sizes:
        tasks = [Drawn(size, running.seed + number, words) for number in range(repetitions)]
        label = f"logs of {size} pages"
        done = run_jobs(repetition, stage, tasks, jobs=jobs, watch=watch, label=label, unit="logs")
        found: list[FloatArray] = whole(done)
        rows += lines(tasks[0], stage, truth, np.stack(found))
    low, high = binomial_band(repetitions)
    title = f"{repetitions} logs of {stage.cast.logs.name}; nominal coverage {percent(LEVEL, 0)}"
    notes = [
        f"of honest intervals, 95 % would cover between {percent(low)} and {percent(high)}",
        *(
            f"{policy.name}: truth {one.value:.5f} a display, standard error "
            f"{one.standard_error:.5f}"
            for policy, one in zip(stage.cast.judged, truth, strict=True)
        ),
    ]
    return Found([Table(title=title, headings=list(HEADINGS), rows=rows)], notes)


if __name__ == "__main__":
    main()
