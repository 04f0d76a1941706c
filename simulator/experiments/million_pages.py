"""Estimates against the truth on a million logged pages, streamed.

    python -m simulator.experiments.million_pages --jobs 4

Runs of an exploring policy are recorded batch by batch and judged as they come; what is kept is
sums by viewer, so that memory stays the same however long the log is. DR's reward model is fitted
beforehand, on a log of its own.
"""

from __future__ import annotations

from typing import Final

import click
import numpy as np

from bandit.types import FloatArray
from simulator.experiments.overlap import WORLD, staged, truths
from simulator.experiments.telling import (
    Cell,
    Found,
    Running,
    Table,
    bounds,
    experiment,
    percent,
    whole,
)
from simulator.experiments.viewer_sums import (
    ESTIMATORS,
    Judging,
    Logged,
    fitted_model,
    statistic,
    sums_of_run,
)
from simulator.intervals import interval
from simulator.jobs import run_jobs

VIEWERS: Final = WORLD.settings["viewers"]
RUN_PAGES: Final = 10_000
PROMISED: Final = 0.025
"""Within which of the truth estimates are to be."""


@experiment("million_pages")
@click.option("--pages", default=1_000_000, show_default=True, type=click.IntRange(RUN_PAGES))
@click.option("--truth-pages", default=400_000, show_default=True, type=click.IntRange(1))
def main(running: Running, pages: int, truth_pages: int) -> Found:
    """Estimates on a log of a million pages in the homepage environment, and the truth."""
    stage, (_, jobs, watch, _) = staged(WORLD), running
    truth = truths(stage, truth_pages, jobs=jobs, watch=watch)
    tasks = [Logged(running.seed + number, RUN_PAGES) for number in range(pages // RUN_PAGES)]
    judging = Judging(stage, fitted_model(stage), VIEWERS)
    label = f"{pages:,} logged pages"
    done = run_jobs(sums_of_run, judging, tasks, jobs=jobs, watch=watch, label=label, unit="runs")
    parts: list[FloatArray] = whole(done)
    sums = np.sum(parts, axis=0)
    rows: list[list[Cell]] = []
    errors = []
    for place, one in enumerate(stage.cast.judged):
        for which, name in enumerate(ESTIMATORS):
            found = statistic(sums[place, which])
            errors.append(found.value() / truth[place].value - 1)
            ends = bounds(interval("normal", found))
            told = percent(errors[-1], 2)
            rows.append([one.name, name, truth[place].value, found.value(), ends, told])
    headings = ["policy", "estimator", "truth", "estimate", "95 % (viewers)", "relative error"]
    rounds = int(sums[0, 0, -1].sum())
    title = f"{pages:,} pages, {rounds:,} displays, logged by {stage.cast.logs.name}"
    worst = float(np.abs(errors).max())
    unsure = max(one.standard_error / one.value for one in truth)
    notes = [
        f"largest relative error {percent(worst, 2)}; promised {percent(PROMISED)}",
        f"largest standard error of a truth {percent(unsure, 2)}",
        "intervals take a viewer's rounds together, as if viewers were drawn anew",
    ]
    return Found([Table(title=title, headings=headings, rows=rows)], notes)


if __name__ == "__main__":
    main()
