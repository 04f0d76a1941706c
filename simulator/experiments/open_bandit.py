"""The Open Bandit Dataset's two policies, each judged on the other's log.

    python -m simulator.experiments.open_bandit --data DIRECTORY --jobs 4

Both policies ran side by side, so the mean of a policy's own log is the value that estimates from
the other's log are to find (Saito, Aihara, Matsutani and Narita, 2021, arXiv 2008.07146). The small
version has 10,000 rows and some 50 clicks a log: what is to be found is itself known to a third or
so, and an estimate within it is all that can be asked for. Thompson sampling's probabilities are
the frequencies of its own log by item and position.

The peer's figures are of the same files and the same probabilities (tests/peers/obp_open_bandit.py
tells how they came about). Where a reward model is used, models differ, and so do the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from simulator.datasets.registry import open_source
from simulator.experiments.open_bandit_peer import PEER
from simulator.experiments.telling import Cell, Found, Running, Table, bounds, experiment, shown
from simulator.results import DataSummary, Evaluation, Result
from simulator.studies.asked import asked_estimators
from simulator.studies.evaluate import evaluate
from simulator.studies.plans import JudgePlan, LogPlan
from simulator.studies.rounds import read_rounds, summary

ESTIMATORS: Final = ("ips", "snips", "dm", "dr", "sndr", "switch-dr=10", "dros=100", "mrdr")
DIRECTIONS: Final = (("random", "bts"), ("bts", "random"))
"""Who logged, and who is judged."""
HEADINGS: Final = (
    "estimator",
    "estimate",
    "95 %, normal",
    "95 %, bootstrap",
    "relative error",
    "obp 0.5.7",
    "its relative error",
)


def lines(found: Evaluation, truth: DataSummary, peer: Mapping[str, float]) -> list[list[Cell]]:
    """Return one line an estimator."""
    rows: list[list[Cell]] = []
    for one in found.estimates:
        theirs = peer.get(one.estimator)
        told = ["", ""] if theirs is None else [shown(theirs), _error(theirs, truth)]
        value = "none" if one.value is None else shown(one.value)
        ends = [bounds(each) for each in one.intervals]
        error = "" if one.value is None else _error(one.value, truth)
        rows.append([one.estimator, value, *ends, error, *told])
    return rows


def _error(value: float, truth: DataSummary) -> str:
    return f"{abs(value / truth.logged_mean - 1):.1%}"


def _location(data: Path | None, policy: str, campaign: str) -> str:
    name = f"obd/{policy}/{campaign}"
    return name if data is None else str(data / name)


@experiment("open_bandit")
@click.option("--campaign", "campaigns", multiple=True, default=("men", "women"), show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="Directory that holds obd/.")
def main(running: Running, campaigns: tuple[str, ...], data: Path | None) -> Found:
    """Estimators on the Open Bandit Dataset against the value of the policy's own log."""
    seed, jobs, watch, begun = running
    asked = asked_estimators(ESTIMATORS, "artwork")
    plan = JudgePlan(estimators=asked, intervals=("normal", "bootstrap"), seed=seed)
    tables, results = [], dict[str, Result]()
    for campaign in campaigns:
        for logging, judged in DIRECTIONS:
            here, there = (_location(data, name, campaign) for name in (logging, judged))
            policy = "uniform" if judged == "random" else f"log:{there}"
            log_plan = LogPlan(seed=seed)
            source = open_source(here)
            found = evaluate(source, [policy], log_plan, plan, begun, jobs=jobs, watch=watch)
            own = open_source(there)
            truth = summary(own, read_rounds(own, log_plan, watch), plan)
            interval = truth.logged_interval
            title = (
                f"{campaign}: {judged} judged on the log of {logging}; its own log earned "
                f"{shown(truth.logged_mean)} {'' if interval is None else bounds(interval)}"
            )
            peer = PEER.get((campaign, judged), {})
            rows = lines(found, truth, peer)
            tables.append(Table(title=title, headings=list(HEADINGS), rows=rows))
            results[f"open-bandit-{campaign}-{logging}-to-{judged}"] = found
    return Found(tables, NOTES, results)


NOTES: Final = [
    "published by the peer's examples (examples/obd/README.md), for the campaign `all` of the "
    "small version, random → bts, mean relative error over 20 bootstrap runs and its standard "
    "deviation: DM 0.180 (0.115), IPW 0.333 (0.350), DR 0.304 (0.348); that campaign's file is "
    "not in the copy at hand, so it is no row of these tables",
    "the paper's own tables, of 26 million rows: not verified here",
]

if __name__ == "__main__":
    main()
