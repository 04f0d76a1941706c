"""What the paper starts from: measured figures with their commands, and what is assumed.

Figures were measured on 4 cores of a virtual machine with an Intel Xeon; a core here is one of
these. Assumptions are of nobody's measuring: they are here to be changed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

HTTP: Final = "python -m benchmarks --only http"
LEARNER: Final = "python -m benchmarks --only learner"
MEASURE: Final = "python -m benchmarks.capacity --measure"


class Measured(NamedTuple):
    """A figure, its unit, what it is of, and what measures it again."""

    value: float
    unit: str
    what: str
    command: str


MEASURED: Final[dict[str, Measured]] = {
    "pages_per_worker_s": Measured(
        2652 / 3, "/s", "pages of 240 titles × 8 artworks, by HTTP, one of 3 workers", HTTP
    ),
    "events_per_worker_s": Measured(
        42_570 / 3, "/s", "feedback events, 20 a request, durable, one of 3 workers", HTTP
    ),
    "seen_per_learner_s": Measured(18_720, "/s", "titles seen and learned, one core", LEARNER),
    "seen_per_learner_s_quarter": Measured(
        22_360, "/s", "the same with zero_reward_share 0.25", LEARNER
    ),
    "seen_per_learner_s_tenth": Measured(
        24_310, "/s", "the same with zero_reward_share 0.1", LEARNER
    ),
    "request_bytes": Measured(4_466, "B", "a page asked for, MessagePack", MEASURE),
    "answer_bytes": Measured(13_914, "B", "its answer, MessagePack", MEASURE),
    "event_bytes": Measured(283, "B", "a feedback event as it is sent, with its token", MEASURE),
    "record_bytes": Measured(10_621, "B", "a decision in the log", MEASURE),
    "record_packed_bytes": Measured(3_373, "B", "the same, zlib at level 1", MEASURE),
    "event_record_bytes": Measured(146, "B", "a feedback event in the log", MEASURE),
    "redis_page_bytes": Measured(12_052, "B", "a decision in Redis' memory", MEASURE),
    "redis_event_bytes": Measured(186, "B", "a feedback event in Redis' memory", MEASURE),
    "redis_page_write_us": Measured(7.25, "µs", "Redis' processor time to take one", MEASURE),
    "redis_page_read_us": Measured(3.07, "µs", "and to give it to a learner", MEASURE),
    "redis_event_write_us": Measured(0.25, "µs", "the same of an event, to take", MEASURE),
    "redis_event_read_us": Measured(0.06, "µs", "and to give", MEASURE),
    "forwarded_pages_per_s": Measured(35_550, "/s", "decisions an agent hands over", MEASURE),
    "forwarded_events_per_s": Measured(432_000, "/s", "events an agent hands over", MEASURE),
    "snapshot_packed_bytes": Measured(
        567_700, "B", "models of both surfaces after 3,000 pages, as in Redis", MEASURE
    ),
    "snapshot_bytes": Measured(4_566_800, "B", "the same expanded: no more than that", MEASURE),
    "catalog_packed_bytes": Measured(
        627_450, "B", "catalog of 20,000 artworks, as in Redis", MEASURE
    ),
}


LONG_RECORD_BYTES: Final = 500 + 110 * 240
"""A decision by the rule in ``docs/operations.md``; ids here are as short as ``title-662``."""


def figure(name: str) -> float:
    """Return a measured figure."""
    return MEASURED[name].value


class Load(NamedTuple):
    """What is asked for at the peak, and by whom."""

    decisions_per_s: float = 20e6
    """A decision is the artwork of one title."""
    titles_a_page: int = 240
    seen_a_page: int = 20
    plays_of_seen: float = 0.1
    viewers: float = 250e6
    peak_by_mean: float = 2.5
    """Assumed: how many times the day's mean the peak is."""


class Plan(NamedTuple):
    """How much room is left, and of what machines it is built."""

    zones: int = 3
    utilization_max: float = 0.75
    """Of scorers, once a zone is lost."""
    learner_utilization_max: float = 0.7
    redis_utilization_max: float = 0.5
    """Of Redis' one core."""
    zero_reward_share: float = 0.25
    workers_a_machine: int = 6
    vcpus_a_machine: int = 8
    """Six workers, the agent, and one for all else."""
    partitions_max: int = 64
    """Of one service: ``cluster.partitions``."""
    window_s: float = 605.0
    """``reward.window_s`` and ``reward.clock_leeway_s``."""
    checkpoints_s: float = 4.0
    absence_s: float = 300.0
    """How long a learner may be away before Redis is full."""
    redis_gb: float = 128.0
    redis_memory_share: float = 0.75
    """Of it for streams; the rest for copies on write, buffers and fragments."""
    redis_vcpus: int = 4
    learners_a_machine: int = 6
    learner_vcpus: int = 16
    """Of such a machine: for the memory that comes with them."""
    open_decisions_max: int = 500_000
    """``learner.open_decisions_max``."""
    merge_interval_s: float = 2.0
    poll_interval_s: float = 0.1
    host_silent_s: float = 120.0
    deadline_s: float = 0.5
    """Of a page at the client; after it the default page is shown."""
    connections_a_worker: int = 256
    """Assumed of the callers' pools: no more requests than that wait at a worker."""
    detected_s: float = 2.0
    """Assumed: until the balancer sends nothing more to machines that are gone."""
    link_gbit_s: float = 10.0
    """Assumed: of every machine."""
    log_days: float = 1.0
    """``log.retention_s``, in days."""


class Kafka(NamedTuple):
    """Assumed of a log in Redis' place."""

    broker_mb_s: float = 100.0
    """That one broker takes, before copies."""
    copies: int = 3
    hours_kept: float = 6.0
    broker_vcpus: int = 8


class Prices(NamedTuple):
    """Assumed, in dollars; no offer of anybody's."""

    vcpu_hour: float = 0.04
    memory_gb_month: float = 3.0
    """Of Redis' memory alone; a vCPU comes with 4 GB."""
    disk_gb_month: float = 0.08
    egress_gb: float = 0.01
    """Between zones and to the homepage's own servers, not to viewers."""


HOURS_A_MONTH: Final = 730.0
