"""The plan under failures: what the paper says of each figure, and what the simulation finds.

A *slice* is a machine a zone and a third of a service's learners; a *service* is all of one. The
deployment is several such services that share nothing, so that nothing larger need be simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from benchmarks.capacity import pipeline, queueing, serving, sizes
from benchmarks.capacity.arithmetic import (
    Service,
    Traffic,
    failures,
    held_bytes_per_s,
    scorers,
    service,
    traffic,
)
from benchmarks.capacity.inputs import Load, Plan, figure

SHORT_TRY_S: Final = 0.2
CROWDED: Final = 1000
"""Connections that a worker of ours takes at most."""
CALM_S: Final = 20.0
"""Until the first fault of learning; models are fresh by then."""
SETTLED: Final = 2.0
"""A backlog is drained once it is below so many times what it is in calm."""


class Scale(NamedTuple):
    """How much is simulated."""

    machines_a_zone: int
    partitions_share: float
    """Of a service's."""
    phase_s: float
    """Of pages, before and after a fault."""


SLICE: Final = Scale(1, 1 / 3, 6.0)
SERVICE: Final = Scale(2, 1.0, 10.0)
QUICK: Final = Scale(1, 1 / 3, 2.0)


class Finding(NamedTuple):
    """A figure of the paper, and what it may be off by in the simulation."""

    name: str
    unit: str
    what: str
    within: float
    """Share of the paper's figure."""


FINDINGS: Final = (
    Finding("peak_p99", "ms", "slowest page in a hundred at the peak", 0.15),
    Finding("lost_p99", "ms", "the same, a zone lost", 0.15),
    Finding("lost_wait", "ms", "mean wait for a worker, a zone lost", 0.25),
    Finding("blind_default", "%", "default pages until the balancer notices", 0.1),
    Finding("short_try_default", "%", "the same, tries of 0.2 s", 0.15),
    Finding("overload_default", "%", "default pages, two zones lost", 0.1),
    Finding("crowded_default", "%", "the same, 1,000 connections a worker", 0.1),
    Finding("age_mean", "s", "age of the served model, mean", 0.25),
    Finding("age_max", "s", "age of the served model, at most", 0.25),
    Finding("away_backlog", "s", "learner away for 5 minutes: backlog, as time of traffic", 0.05),
    Finding("away_drain", "s", "its time to drain, after the return", 0.1),
    Finding("away_held", "%", "Redis' room for streams in use, at most", 0.05),
    Finding(
        "longer_spooled", "s", "learner away for 10 minutes: traffic that waits on disks", 0.05
    ),
    Finding("longer_drain", "s", "its time to drain, after the return", 0.1),
    Finding("zone_age", "s", "a zone lost: age of the served model, at most", 0.1),
    Finding("zone_drain", "s", "time to drain, once learning goes on without it", 0.1),
    Finding("storm", "ms", "a cold zone fetches all, a machine", 0.25),
)

Say = Callable[[str], None]


class Case(NamedTuple):
    """The plan, worked out."""

    load: Load
    plan: Plan
    coming: Traffic
    one: Service

    @classmethod
    def of(cls, load: Load | None = None, plan: Plan | None = None) -> Case:
        """Work a plan out, by default the one of the page."""
        load, plan = load or Load(), plan or Plan()
        coming = traffic(load)
        return cls(load, plan, coming, service(coming, load, plan))

    @property
    def utilization(self) -> float:
        """Of scorers, with all zones."""
        return scorers(self.coming, self.load, self.plan).utilization


def paper(case: Case) -> dict[str, float]:
    """Return what formulas say of each finding."""
    return _paper_pages(case) | _paper_learning(case)


def _paper_pages(case: Case) -> dict[str, float]:
    plan = case.plan
    size = sizes.fleet(case.coming, case.utilization, 1, plan)
    other = size.feedback_s, size.feedback_per_s / size.pages_per_s
    lost = case.utilization * plan.zones / (plan.zones - 1)
    mean_s, variation = queueing.mixed_service(size.page_s, other, size.variation)
    two_lost = case.utilization * plan.zones / (plan.zones - 2)
    tries = serving.Course(1.0).tries

    def p99(busy: float) -> float:
        found = queueing.response_percentile_s(
            size.workers, busy, size.page_s, other, 99, size.variation
        )
        return found * 1e3

    return {
        "peak_p99": p99(case.utilization),
        "lost_p99": p99(lost),
        "lost_wait": queueing.mean_wait_s(size.workers, lost, mean_s, variation) * 1e3,
        "blind_default": 100 / plan.zones,
        # Whose last try comes after the balancer noticed is answered.
        "short_try_default": 100
        / plan.zones**tries
        * (1 - (tries - 1) * SHORT_TRY_S / plan.detected_s),
        "overload_default": 100 * (1 - 1 / two_lost),
        "crowded_default": 100.0,
    }


def _paper_learning(case: Case) -> dict[str, float]:
    plan, one = case.plan, case.one
    expected = failures(one, case.coming, plan)
    busy = one.learner_utilization
    passing_s = 3 * plan.poll_interval_s + pipeline.MERGE_S
    room_s = plan.redis_gb * 1e9 * plan.redis_memory_share / held_bytes_per_s(case.coming)
    room_s *= case.coming.pages / one.pages_per_s
    kept_s = plan.window_s + plan.checkpoints_s
    longer_s = 2 * plan.absence_s
    cold = figure("catalog_packed_bytes") + figure("snapshot_bytes")
    return {
        "age_mean": plan.merge_interval_s / 2 + passing_s,
        "age_max": plan.merge_interval_s + passing_s,
        "away_backlog": plan.absence_s,
        "away_drain": expected.drain_s,
        "away_held": 100 * (kept_s + plan.absence_s) / room_s,
        "longer_spooled": longer_s - (room_s - kept_s),
        "longer_drain": longer_s * busy / (1 - busy),
        "zone_age": plan.host_silent_s + plan.merge_interval_s / 2 + passing_s,
        "zone_drain": expected.silent_drain_s,
        "storm": cold / (plan.link_gbit_s * 1e9 / 8) * 1e3,
    }


def simulate(case: Case, scale: Scale, seed: int, say: Say) -> dict[str, float]:
    """Return what a simulation finds of each figure."""
    return _simulate_pages(case, scale, seed, say) | _simulate_learning(case, scale, say)


def _simulate_pages(case: Case, scale: Scale, seed: int, say: Say) -> dict[str, float]:
    size = sizes.fleet(case.coming, case.utilization, scale.machines_a_zone, case.plan)
    phase_s = scale.phase_s
    blind_s = phase_s + case.plan.detected_s
    settled_s = blind_s + 0.5
    course = serving.Course(
        settled_s + phase_s, 0, phase_s, case.plan.detected_s, case.plan.deadline_s
    )
    say("a zone is lost at the peak")
    run = serving.serve(size, course._replace(zones_lost=1), seed=seed)
    before = run.during(0.2, phase_s - 0.1)
    after = run.during(settled_s, settled_s + phase_s)
    say("the same, with short tries")
    short = course._replace(zones_lost=1, try_timeout_s=SHORT_TRY_S, seconds=blind_s)
    tried = serving.serve(size, short, seed=seed + 1)
    say("two zones are lost")
    two = course._replace(zones_lost=2, lost_s=0.0, detected_s=0.0, seconds=4.0, tries=1)
    crowded = size._replace(waiting_max=CROWDED * case.plan.workers_a_machine)
    full = serving.serve(size, two, seed=seed + 2).during(2.0, 4.0)
    heap = serving.serve(crowded, two._replace(seconds=6.0), seed=seed + 3).during(4.0, 6.0)
    return {
        "peak_p99": before.took_ms(99),
        "lost_p99": after.took_ms(99),
        "lost_wait": after.mean_wait_ms,
        "blind_default": 100 * run.during(phase_s, blind_s).default_share,
        "short_try_default": 100 * tried.during(phase_s, blind_s).default_share,
        "overload_default": 100 * full.default_share,
        "crowded_default": 100 * heap.default_share,
    }


def _simulate_learning(case: Case, scale: Scale, say: Say) -> dict[str, float]:
    plan, size = case.plan, service_size(case, scale)
    away_s = plan.absence_s
    faults = pipeline.Faults
    say("calm, and a zone that starts from nothing")
    calm = pipeline.learn(size, faults(cold_s=CALM_S), seconds=3 * CALM_S)
    say("the learner is away for 5 minutes")
    away = pipeline.learn(size, faults(CALM_S, away_s), seconds=CALM_S + 4 * away_s)
    say("the learner is away for 10 minutes")
    longer = pipeline.learn(size, faults(CALM_S, 2 * away_s), seconds=CALM_S + 8 * away_s)
    say("learning waits for a zone that is lost")
    zone = pipeline.learn(size, faults(zone_lost_s=CALM_S), seconds=CALM_S + 5 * plan.host_silent_s)
    low = SETTLED * float(np.mean(calm.backlog[20:]))
    silent_until_s = CALM_S + plan.host_silent_s
    return {
        "age_mean": float(calm.age(CALM_S / 2, 3 * CALM_S).mean()),
        "age_max": float(calm.age(CALM_S / 2, 3 * CALM_S).max()),
        "away_backlog": float(away.backlog.max()) / size.pages_per_s,
        "away_drain": away.drained_s(CALM_S + away_s, low),
        "away_held": 100 * float(away.held_bytes.max()) / size.redis_bytes,
        "longer_spooled": float(longer.spooled.max()) / size.pages_per_s,
        "longer_drain": longer.drained_s(CALM_S + 2 * away_s, low),
        "zone_age": float(zone.age_s.max()),
        "zone_drain": zone.drained_s(silent_until_s, low),
        "storm": calm.cold_ready_s / scale.machines_a_zone * 1e3,
    }


def service_size(case: Case, scale: Scale) -> pipeline.Size:
    """Return the service, or the part of it, that is simulated."""
    one = case.one
    machines = scale.machines_a_zone * case.plan.zones
    partitions = max(1, round(one.partitions * scale.partitions_share))
    return sizes.service(case.coming, one, machines, partitions, case.plan)


def disagreements(expected: dict[str, float], found: dict[str, float]) -> list[str]:
    """Return the findings of which a simulation is further from the paper than it may be."""
    return [
        one.name
        for one in FINDINGS
        if abs(found[one.name] - expected[one.name]) > one.within * expected[one.name]
    ]
