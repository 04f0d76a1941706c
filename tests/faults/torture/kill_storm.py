"""The kill storm: several services at once, each in a process of its own with a plan of its own.

Half of them only ever see their clock jump forward: their models must come out, bit for bit, as an
undisturbed learner's. The others' clocks step back as well; then some records are taken later than
they would have been otherwise, and their counts must add up all the same.
"""

from __future__ import annotations

import multiprocessing
import statistics
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec

from tests.faults.disks import can_mount
from tests.faults.torture.plan import Plan, draw_plan
from tests.faults.torture.rows import Options, Row
from tests.faults.torture.storm import Report, Storm

KILLS = 1000
_KILLS_QUICK = 30
_SERVICES = 4
_KILLS_A_SECOND = 2.5
"""What four cores manage with ease, the reckoning at the end included."""
_PATIENCE = 2.0
"""How many times longer than on four idle cores it may take before it is cut short."""
_SPARE = 1.06
"""Some victims die before they are killed: a plan has a few kills more than are asked for."""

LEFT_OUT = "no disk can be mounted here: full and read-only disks were left out; be root"

_TEST = "tests/faults/torture/kill_storm.py"


def kills_in(options: Options) -> int:
    """Return how many kills are asked for: fewer only where that was wished."""
    if options.quick:
        return _KILLS_QUICK
    return min(KILLS, int(options.seconds * _KILLS_A_SECOND))


def draw_plans(options: Options) -> list[Plan]:
    """Draw what is done to each service."""
    services, kills = 1 if options.quick else _SERVICES, kills_in(options)
    each = int(kills * _SPARE / services) + 1
    return [
        draw_plan(
            options.seed * 100 + number,
            each,
            steps_back=bool(number % 2),
            disks=can_mount(),
            guarded=number >= services // 2,
        )
        for number in range(services)
    ]


def run(options: Options) -> Iterator[Row]:
    """Let the storm loose and reckon up."""
    if options.replay is not None:
        plans = msgspec.json.decode(options.replay.read_bytes(), type=list[Plan])
        yield from carry_out(plans, options, 1)
        return
    plans = draw_plans(options)
    options.schedule.parent.mkdir(parents=True, exist_ok=True)
    options.schedule.write_bytes(msgspec.json.format(msgspec.json.encode(plans)))
    yield from carry_out(plans, options, kills_in(options))


def carry_out(plans: list[Plan], options: Options, kills: int) -> Iterator[Row]:
    """Carry out plans at once, and tell of them together."""
    for plan in plans:
        without = "" if plan.disks else f"; {LEFT_OUT}"
        print(f"service {plan.seed}: {plan.kills} kills in {len(plan.lives)} lives{without}")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(plans), mp_context=context) as pool:
        reports = list(
            pool.map(
                _one,
                plans,
                [options.directory / f"service{number}" for number in range(len(plans))],
                [_PATIENCE * options.seconds] * len(plans),
            )
        )
    yield from rows_of(reports, kills)


def _one(plan: Plan, directory: Path, seconds: float) -> Report:
    """Be the process that drives one service."""
    return Storm(directory, plan, compare_models=not plan.steps_back).run(seconds)


def rows_of(reports: list[Report], kills: int) -> Iterator[Row]:
    """Sum up: what was killed and what was lost, then how long each kind took to come back."""
    findings = [finding for report in reports for finding in report.findings]
    killed: Counter[str] = Counter()
    others: Counter[str] = Counter()
    ready: dict[str, list[float]] = {}
    for report in reports:
        killed.update(report.kills)
        others.update(report.others)
        for kind, times in report.ready_s.items():
            ready.setdefault(kind, []).extend(times)
    if not all(report.disks for report in reports):
        findings.append(LEFT_OUT)
    if killed.total() < kills:
        findings.append(f"{killed.total()} kills of {kills} in the time there was")
    for finding in findings:
        print(f"  {finding}")
    figures: dict[str, float | str] = {
        "kills": killed.total(),
        **{f"kills of {kind}": count for kind, count in sorted(killed.items())},
        **dict(sorted(others.items())),
        "decisions acknowledged": sum(report.decisions for report in reports),
        "events acknowledged": sum(report.events for report in reports),
        "pages served and told not to be logged": sum(report.unlogged for report in reports),
        "events refused for now": sum(report.refused for report in reports),
        "MB of a state's disk": max(report.state_megabytes for report in reports),
        "events stored twice and learned once": sum(report.twice for report in reports),
        "pages and events in tries without an answer": sum(report.retried for report in reports),
        "findings": "; ".join(findings) or "nothing lost, nothing twice, all counts agree",
        "seconds": round(max(report.took_s for report in reports), 1),
    }
    yield Row(
        "kill storm: log, learner and metrics agree with the clients", _TEST, not findings, figures
    )
    for kind, times in sorted(ready.items()):
        yield Row(f"time to ready after kill -9 of {kind}", _TEST, bool(times), _spread(times))


def _spread(times: list[float]) -> dict[str, float | str]:
    return {
        "kills": len(times),
        "p50 s": round(statistics.median(times), 2),
        "max s": round(max(times), 2),
    }
