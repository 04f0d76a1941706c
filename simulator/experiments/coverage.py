"""Coverage and error against the truth, by sample size, in `homepage`.

The uniform policy logs; three targets that prefer some artworks, more and more strongly, are judged
by IPS, SNIPS and DR on every repetition's log, with normal and bootstrap intervals by viewer. Of R
repetitions at a nominal 95 %, coverage itself has a standard error of √(0.95 · 0.05 / R): 1 % at
500. The mean of all repetitions' estimates is the estimate on as many pages as they have together,
a million by default, and has the error to hold against the truth. DR's model is each artwork's mean
reward on a log of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from bandit.types import FloatArray
from simulator.environments.recording import logged_choices
from simulator.environments.registry import make_environment
from simulator.environments.truth import truth
from simulator.estimators.inputs import Inputs
from simulator.estimators.registry import ESTIMATORS
from simulator.experiments.shell import run, shared_options, show
from simulator.experiments.tilted import Tilted
from simulator.intervals.registry import interval
from simulator.jobs import run_jobs
from simulator.logged import LoggedChoices
from simulator.loop import run as run_loop
from simulator.pages import Environment
from simulator.policies.uniform import UniformPolicy
from simulator.progress import ShownWatch

NAMES = ("ips", "snips", "dr")
METHODS = ("normal", "bootstrap")
STRENGTHS = (0.3, 0.6, 1.0)
PILOT_PAGES, PILOT_SEED = 4_000, 1_000_003
PRIOR_DISPLAYS = 20.0
"""Displays that an artwork's mean reward is shrunk towards the overall mean by."""


class Setting(NamedTuple):
    """What all repetitions of one size share."""

    pages: int
    seed: int
    model: FloatArray
    """Predicted reward by artwork."""


def world(pages: int, seed: int) -> Environment:
    """Return the world; its viewers and tastes are the same for all repetitions."""
    return make_environment("homepage", pages=pages, batch=min(pages, 2_000), world_seed=seed)


def rounds(pages: int, world_seed: int, seed: int) -> tuple[Environment, list[LoggedChoices]]:
    """Return what a uniform policy's log holds, by batch."""
    environment = world(pages, world_seed)
    log = run_loop(environment, UniformPolicy(), seed)
    return environment, [logged_choices(environment, *batch) for batch in log]


def pilot(seed: int) -> FloatArray:
    """Return each artwork's mean reward on a log of its own."""
    environment, parts = rounds(PILOT_PAGES, seed, seed + PILOT_SEED)
    items = np.concatenate([part.items() for part in parts])
    reward = np.concatenate([part.reward for part in parts])
    size = int(environment.items.artwork_offsets[-1])
    shown = np.bincount(items, minlength=size)
    earned = np.bincount(items, reward, minlength=size)
    return np.asarray((earned + PRIOR_DISPLAYS * reward.mean()) / (shown + PRIOR_DISPLAYS))


def repetition(setting: Setting, number: int) -> FloatArray:
    """Return (targets, estimators, 1 + 2 · methods): the value and the ends of its intervals."""
    environment, parts = rounds(setting.pages, setting.seed, setting.seed + 1 + number)
    reward = np.concatenate([part.reward for part in parts])
    cluster = np.concatenate([part.cluster for part in parts if part.cluster is not None])
    model = setting.model
    predicted = np.concatenate([model[part.items()] for part in parts])
    found = np.empty((len(STRENGTHS), len(NAMES), 1 + 2 * len(METHODS)))
    for place, target in enumerate(targets(environment)):
        pmfs = [target.pmf(part) for part in parts]
        weight = np.concatenate(
            [
                p[np.arange(len(x)), x.action] / x.propensity
                for p, x in zip(pmfs, parts, strict=True)
            ]
        )
        expected = np.concatenate(
            [(p * model[x.candidates]).sum(axis=1) for p, x in zip(pmfs, parts, strict=True)]
        )
        inputs = Inputs(reward, weight, predicted, expected)
        for column, name in enumerate(NAMES):
            terms = ESTIMATORS[name].terms(inputs, None)
            ends = [interval(m, terms, seed=number, cluster=cluster) for m in METHODS]
            found[place, column] = [terms.value(), *(e for i in ends for e in (i.low, i.high))]
    return found


def targets(environment: Environment) -> list[Tilted]:
    """Return the targets, knowing the environment's artworks."""
    found = [Tilted(strength, number) for number, strength in enumerate(STRENGTHS)]
    for target in found:
        target.reset(environment, 0)
    return found


@click.command()
@click.option("--pages", "sizes", multiple=True, default=(500, 2_000), show_default=True, type=int)
@click.option("--repetitions", default=500, show_default=True, type=click.IntRange(2))
@click.option("--truth-pages", default=200_000, show_default=True, type=click.IntRange(2))
@shared_options
def main(
    sizes: tuple[int, ...],
    repetitions: int,
    truth_pages: int,
    seed: int,
    jobs: int,
    out: Path | None,
) -> None:
    """Count how often intervals hold the truth, and how far estimates are from it."""
    environment = world(truth_pages, seed)
    true = [truth(environment, t, pages=truth_pages, seed=seed + 11) for t in targets(environment)]
    model, lines = pilot(seed), []
    for pages in sizes:
        found = np.stack(
            run_jobs(
                repetition,
                Setting(pages, seed, model),
                range(repetitions),
                jobs=jobs,
                watch=ShownWatch(),
                label=f"{pages:,} pages",
                unit="logs",
            ).done()
        )
        for place, strength in enumerate(STRENGTHS):
            for column, name in enumerate(NAMES):
                lines.append(
                    _line(pages, strength, name, found[:, place, column], true[place].value)
                )
    told = ", ".join(f"{t.value:.5f} ± {t.standard_error:.5f}" for t in true)
    headings = ("pages", "target", "estimator", "rel. error", "of all pages", *METHODS)
    show(f"{repetitions} repetitions; truth of the targets: {told}", headings, lines)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        text = "\n".join(",".join(line) for line in (headings, *lines))
        (out / "coverage.csv").write_text(text + "\n")


def _line(
    pages: int, strength: float, name: str, found: FloatArray, true: float
) -> tuple[str, ...]:
    error = float(np.sqrt(np.mean(np.square(found[:, 0] / true - 1))))
    covered = [
        f"{np.mean((found[:, 1 + 2 * i] <= true) & (true <= found[:, 2 + 2 * i])):.1%}"
        for i in range(len(METHODS))
    ]
    pooled = f"{found[:, 0].mean() / true - 1:+.2%}"
    return (f"{pages}", f"{strength:g}", name, f"{error:.1%}", pooled, *covered)


if __name__ == "__main__":
    run(main)
