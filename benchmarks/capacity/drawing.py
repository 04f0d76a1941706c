"""The picture of the page: what the three failures of learning do to the age of models served."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.capacity import pipeline
from benchmarks.capacity.simulation import CALM_S, Case, Scale, service_size

SECONDS: Final = 1_800.0
COLORS: Final = ("#2f6f9f", "#c2552d", "#4d8a4d")


def draw(case: Case, scale: Scale, path: Path) -> None:
    """Simulate the failures and draw two panels as SVG: age of models, and what waits."""
    size, plan = service_size(case, scale), case.plan
    courses = {
        "learner away for 5 minutes": pipeline.Faults(CALM_S, plan.absence_s),
        "for 10 minutes: Redis is full": pipeline.Faults(CALM_S, 2 * plan.absence_s),
        "a zone lost": pipeline.Faults(zone_lost_s=CALM_S),
    }
    # Ids and dates would make each drawing another file.
    with mpl.rc_context({"svg.hashsalt": "capacity", "svg.fonttype": "none", "font.size": 9}):
        drawing = Figure(figsize=(7.2, 2.8), layout="constrained")
        ages, waiting = drawing.subplots(1, 2)
        for color, (label, faults) in zip(COLORS, courses.items(), strict=True):
            run = pipeline.learn(size, faults, seconds=SECONDS)
            minutes = run.at_s[::8] / 60
            ages.plot(minutes, run.age_s[::8] / 60, color=color, lw=1.6, label=label)
            millions = run.backlog[::8] / size.pages_per_s * case.coming.pages / 1e6
            waiting.plot(minutes, millions, color=color, lw=1.6)
        ages.set_title("age of the models served, minutes", fontsize=9, loc="left")
        waiting.set_title("pages not learned yet, millions, all services", fontsize=9, loc="left")
        for axes in (ages, waiting):
            axes.set_xlabel("minutes")
            axes.set_ylim(bottom=0)
            axes.set_xlim(0, SECONDS / 60)
            axes.grid(color="#dddddd", lw=0.6)
            axes.spines[["top", "right"]].set_visible(False)
        drawing.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
        drawing.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")
