"""What breaks first, as one service grows: up to how many pages a second each part suffices."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.capacity.arithmetic import (
    BITS,
    GB,
    Traffic,
    held_bytes_per_s,
    learners,
    redises,
    wire,
)
from benchmarks.capacity.inputs import Load, Plan


class Limit(NamedTuple):
    """A part, and the pages a second of one service up to which it suffices."""

    part: str
    pages_per_s: float
    remedy: str


def limits(coming: Traffic, load: Load, plan: Plan) -> list[Limit]:
    """Return the limits of one service with one Redis, the lowest first."""
    a_learner = learners(coming, load, plan).pages_per_s * plan.learner_utilization_max
    kept_s = plan.window_s + plan.checkpoints_s + plan.absence_s
    memory = plan.redis_gb * GB * plan.redis_memory_share / kept_s
    core = plan.redis_utilization_max / redises(coming, plan).busy_cores
    link = plan.link_gbit_s * GB / BITS * plan.redis_utilization_max / wire(coming).log
    opened = plan.open_decisions_max / plan.window_s * plan.partitions_max
    found = [
        Limit("one learner", a_learner, "`cluster.partitions`"),
        Limit(
            "Redis' memory",
            memory / held_bytes_per_s(coming) * coming.pages,
            "a shorter window or absence, more memory, another service",
        ),
        Limit("Redis' core", core * coming.pages, "another service"),
        Limit("Redis' link", link * coming.pages, "25 Gbit/s, another service"),
        Limit("64 learners", a_learner * plan.partitions_max, "another service"),
        Limit("open decisions of 64 learners", opened, "`learner.open_decisions_max`"),
    ]
    return sorted(found, key=lambda one: one.pages_per_s)
