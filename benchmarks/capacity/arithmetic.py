"""The paper: what a load takes, as pure functions of what was measured and what is assumed.

The deployment is several *services*, each with a Redis, a namespace, learners and viewers of its
own, and machines in every zone: a service cannot use more than one Redis.
"""

from __future__ import annotations

from math import ceil
from typing import Final, NamedTuple

from benchmarks.capacity.inputs import (
    HOURS_A_MONTH,
    LONG_RECORD_BYTES,
    Kafka,
    Load,
    Plan,
    Prices,
    figure,
)

GB: Final = 1e9
DAY_S: Final = 86_400.0
MONTH_S: Final = HOURS_A_MONTH * 3600.0
MICRO: Final = 1e-6
BITS: Final = 8
_LARGER: Final = 1 << (24 - 18)
_SEEN: Final = {
    1.0: "seen_per_learner_s",
    0.25: "seen_per_learner_s_quarter",
    0.1: "seen_per_learner_s_tenth",
}


class Traffic(NamedTuple):
    """What comes in, a second at the peak unless it says otherwise."""

    pages: float
    seen: float
    events: float
    pages_a_day: float
    pages_a_viewer_day: float


class Wire(NamedTuple):
    """Bytes a second at the peak."""

    requests: float
    answers: float
    feedback: float
    log: float
    """Decisions and events, as agents hand them over."""


class Scorers(NamedTuple):
    """Machines that answer."""

    worker_s_a_page: float
    """Time of a worker for a page and its feedback."""
    busy_workers: float
    workers: int
    machines: int
    utilization: float
    utilization_zone_lost: float
    agent_utilization: float
    log_gb_a_day: float
    """Of one machine, at the day's mean."""


class Redises(NamedTuple):
    """How many Redis, by what each is short of."""

    busy_cores: float
    by_rate: int
    held_bytes: float
    by_memory: int
    packed_bytes: float
    """What would be held if agents compressed decisions, as models are."""
    by_packed_memory: int
    long_bytes: float
    """What would be held if decisions were as long as the rule for sizing has them."""
    by_long_memory: int
    by_link: int


class Learners(NamedTuple):
    """Processes that learn."""

    pages_per_s: float
    """That one learner keeps up with."""
    at_least: int
    by_partitions: int
    """Services that are needed because of ``cluster.partitions``."""


class Service(NamedTuple):
    """One of the equal services that the load is divided among."""

    pages_per_s: float
    machines: int
    partitions: int
    learner_utilization: float
    open_decisions: float
    """Of one learner, at most."""
    learner_gb: float
    """Memory of one learner for these."""
    redis_gb: float
    """Held at most, a learner's absence included."""


class FanOut(NamedTuple):
    """Snapshots on their way, of one service."""

    bytes_per_s: float
    share_of_link: float
    large_share_of_link: float
    """The same of models of 24 bits in place of 18, all of whose weights are set."""
    storm_bytes: float
    """What the machines of a cold zone fetch at once, at most."""
    storm_s: float
    whole_bytes_per_s: float
    """If all machines were one service."""
    transactions_per_s: float
    """Of agents: one a machine, partition and poll."""
    whole_transactions_per_s: float


class KafkaSize(NamedTuple):
    """A log of brokers in place of all Redis."""

    brokers: int
    disk_tb: float


class Cost(NamedTuple):
    """Dollars a million pages, everything bought for the peak and kept."""

    scorers: float
    learners: float
    redis: float
    log_disk: float
    traffic: float

    @property
    def total(self) -> float:
        """Return all of it."""
        return sum(self)


class Failures(NamedTuple):
    """What the paper expects of failures; the simulation has to agree."""

    default_pages_of_zone: float
    """Pages that come to nothing while the balancer does not know."""
    backlog_pages: float
    """After the learner's absence, of one service."""
    drain_s: float
    silent_backlog_pages: float
    """While learning waits for the machines of a zone that is gone."""
    silent_drain_s: float


def traffic(load: Load) -> Traffic:
    """Turn decisions into pages, events and viewers' habits."""
    pages = load.decisions_per_s / load.titles_a_page
    seen = pages * load.seen_a_page
    a_day = pages / load.peak_by_mean * DAY_S
    return Traffic(pages, seen, seen * (1 + load.plays_of_seen), a_day, a_day / load.viewers)


def wire(coming: Traffic) -> Wire:
    """Weigh what travels."""
    return Wire(
        coming.pages * figure("request_bytes"),
        coming.pages * figure("answer_bytes"),
        coming.events * figure("event_bytes"),
        coming.pages * figure("record_bytes") + coming.events * figure("event_record_bytes"),
    )


def divided(coming: Traffic, count: int) -> Traffic:
    """Return what comes to one of so many equal services."""
    return coming._replace(
        pages=coming.pages / count, seen=coming.seen / count, events=coming.events / count
    )


def scorers(coming: Traffic, load: Load, plan: Plan) -> Scorers:
    """Size the machines so that they suffice without one of the zones."""
    per_page = worker_s_a_page(coming)
    busy = coming.pages * per_page
    left = (plan.zones - 1) / plan.zones
    needed = busy / plan.utilization_max / left
    a_zone = ceil(needed / plan.workers_a_machine / plan.zones)
    machines = a_zone * plan.zones
    workers = machines * plan.workers_a_machine
    agent = coming.pages / figure("forwarded_pages_per_s")
    agent += coming.events / figure("forwarded_events_per_s")
    log_day = wire(coming).log / load.peak_by_mean * DAY_S
    return Scorers(
        per_page,
        busy,
        workers,
        machines,
        busy / workers,
        busy / workers / left,
        agent / machines / left,
        log_day / machines / GB,
    )


def worker_s_a_page(coming: Traffic) -> float:
    """Return the time of a worker for a page with its feedback."""
    events_a_page = coming.events / coming.pages
    return 1 / figure("pages_per_worker_s") + events_a_page / figure("events_per_worker_s")


def redises(coming: Traffic, plan: Plan) -> Redises:
    """Count Redis by processor, by memory and by link, and tell which decides."""
    page_us = figure("redis_page_write_us") + figure("redis_page_read_us")
    event_us = figure("redis_event_write_us") + figure("redis_event_read_us")
    cores = (coming.pages * page_us + coming.events * event_us) * MICRO
    kept_s = plan.window_s + plan.checkpoints_s + plan.absence_s
    held = held_bytes_per_s(coming) * kept_s
    saved = figure("record_bytes") - figure("record_packed_bytes")
    packed = held - coming.pages * saved * kept_s
    added = LONG_RECORD_BYTES - figure("record_bytes")
    longer = held + coming.pages * added * kept_s
    room = plan.redis_gb * GB * plan.redis_memory_share
    link = plan.link_gbit_s * GB / BITS * plan.redis_utilization_max
    return Redises(
        cores,
        ceil(cores / plan.redis_utilization_max),
        held,
        ceil(held / room),
        packed,
        ceil(packed / room),
        longer,
        ceil(longer / room),
        ceil(wire(coming).log / link),
    )


def held_bytes_per_s(coming: Traffic) -> float:
    """Return what a second of traffic takes in Redis' memory."""
    pages = coming.pages * figure("redis_page_bytes")
    return pages + coming.events * figure("redis_event_bytes")


def seen_per_learner_s(share: float) -> float:
    """Return how many titles seen a learner takes in, by the share of zero rewards it learns.

    Raises:
        KeyError: that share was not measured.
    """
    return figure(_SEEN[share])


def learners(coming: Traffic, load: Load, plan: Plan) -> Learners:
    """Count learners, and the services that they need."""
    each = seen_per_learner_s(plan.zero_reward_share)
    at_least = ceil(coming.seen / each / plan.learner_utilization_max)
    return Learners(each / load.seen_a_page, at_least, ceil(at_least / plan.partitions_max))


def services(coming: Traffic, load: Load, plan: Plan) -> int:
    """Return how many services there must be: whatever is short first decides."""
    found = redises(coming, plan)
    return max(
        found.by_rate, found.by_memory, found.by_link, learners(coming, load, plan).by_partitions
    )


def service(coming: Traffic, load: Load, plan: Plan) -> Service:
    """Size one service of those that the load is divided among."""
    count = services(coming, load, plan)
    part = divided(coming, count)
    machines = scorers(part, load, plan).machines
    rate = learners(coming, load, plan).pages_per_s
    partitions = ceil(part.pages / rate / plan.learner_utilization_max)
    opened = part.pages / partitions * plan.window_s
    a_page = figure("record_bytes") + coming.events / coming.pages * figure("event_record_bytes")
    return Service(
        part.pages,
        machines,
        partitions,
        part.pages / partitions / rate,
        opened,
        opened * a_page / GB,
        redises(coming, plan).held_bytes / count / GB,
    )


def fan_out(one: Service, count: int, plan: Plan) -> FanOut:
    """Weigh snapshots: each machine fetches each one, out of its service's Redis."""
    link = plan.link_gbit_s * GB / BITS
    bytes_per_s = one.machines * figure("snapshot_packed_bytes") / plan.merge_interval_s
    storm = one.machines / plan.zones * figure("snapshot_bytes")
    a_partition = one.machines / plan.poll_interval_s
    return FanOut(
        bytes_per_s,
        bytes_per_s / link,
        one.machines * figure("snapshot_bytes") * _LARGER / plan.merge_interval_s / link,
        storm,
        storm / link,
        bytes_per_s * count,
        a_partition * one.partitions,
        a_partition * count * plan.partitions_max,
    )


def kafka(coming: Traffic, load: Load, assumed: Kafka) -> KafkaSize:
    """Size brokers by what they take and keep."""
    log = wire(coming).log
    kept = log / load.peak_by_mean * assumed.hours_kept * 3600 * assumed.copies
    return KafkaSize(ceil(log / (assumed.broker_mb_s * 1e6)), kept / 1e12)


def cost(coming: Traffic, load: Load, plan: Plan, prices: Prices) -> Cost:
    """Price everything, bought for the peak, by the pages of a month."""
    count, one = services(coming, load, plan), service(coming, load, plan)
    month = coming.pages_a_day * MONTH_S / DAY_S / 1e6
    vcpu_month = prices.vcpu_hour * HOURS_A_MONTH
    machines = count * one.machines
    learner_vcpus = count * learner_machines(one, plan) * plan.learner_vcpus
    disk_gb = wire(coming).log / load.peak_by_mean * DAY_S * plan.log_days / GB
    moved_gb = sum(wire(coming)) / load.peak_by_mean * MONTH_S / GB
    memory = plan.redis_gb * prices.memory_gb_month
    return Cost(
        machines * plan.vcpus_a_machine * vcpu_month / month,
        learner_vcpus * vcpu_month / month,
        count * (plan.redis_vcpus * vcpu_month + memory) / month,
        disk_gb * prices.disk_gb_month / month,
        moved_gb * prices.egress_gb / month,
    )


def learner_machines(one: Service, plan: Plan) -> int:
    """Return the machines that learn of a service: what is needed, and one to stand by."""
    return ceil(one.partitions / plan.learners_a_machine) + 1


def failures(one: Service, coming: Traffic, plan: Plan) -> Failures:
    """Say what failures come to."""
    busy = one.learner_utilization
    backlog, silent = one.pages_per_s * plan.absence_s, one.pages_per_s * plan.host_silent_s
    return Failures(
        coming.pages / plan.zones * plan.detected_s,
        backlog,
        plan.absence_s * busy / (1 - busy),
        silent,
        plan.host_silent_s * busy / (1 - busy),
    )
