"""What is simulated: the planned deployment's sizes, in the terms of the simulations."""

from __future__ import annotations

from benchmarks.capacity import pipeline, serving
from benchmarks.capacity.arithmetic import BITS, GB, MICRO, Service, Traffic, worker_s_a_page
from benchmarks.capacity.inputs import Plan, figure


def fleet(coming: Traffic, utilization: float, machines_a_zone: int, plan: Plan) -> serving.Size:
    """Return machines that are busy to the share that is given."""
    workers = plan.zones * machines_a_zone * plan.workers_a_machine
    pages = utilization * workers / worker_s_a_page(coming)
    requests = coming.events / coming.pages / serving.EVENTS_A_REQUEST
    return serving.Size(
        plan.zones,
        machines_a_zone,
        plan.workers_a_machine,
        pages,
        pages * requests,
        1 / figure("pages_per_worker_s"),
        serving.EVENTS_A_REQUEST / figure("events_per_worker_s"),
        waiting_max=plan.connections_a_worker * plan.workers_a_machine,
    )


def service(
    coming: Traffic, one: Service, machines: int, partitions: int, plan: Plan
) -> pipeline.Size:
    """Return a service, or a part of it with as many partitions as are given."""
    part = partitions / one.partitions
    events = coming.events / coming.pages
    agent_s = 1 / figure("forwarded_pages_per_s") + events / figure("forwarded_events_per_s")
    write_us = figure("redis_page_write_us") + events * figure("redis_event_write_us")
    read_us = figure("redis_page_read_us") + events * figure("redis_event_read_us")
    pages = one.pages_per_s * part
    return pipeline.Size(
        zones=plan.zones,
        machines=machines,
        partitions=partitions,
        pages_per_s=pages,
        learner_pages_per_s=one.pages_per_s / one.partitions / one.learner_utilization,
        agent_s_a_page=agent_s,
        redis_write_s=write_us * MICRO,
        redis_read_s=read_us * MICRO,
        page_bytes=figure("redis_page_bytes") + events * figure("redis_event_bytes"),
        redis_bytes=plan.redis_gb * GB * plan.redis_memory_share * part,
        link_bytes_per_s=plan.link_gbit_s * GB / BITS,
        snapshot_bytes=figure("snapshot_packed_bytes"),
        cold_bytes=figure("catalog_packed_bytes") + figure("snapshot_bytes"),
        kept_s=plan.window_s + plan.checkpoints_s,
        poll_s=plan.poll_interval_s,
        merge_interval_s=plan.merge_interval_s,
        silent_s=plan.host_silent_s,
    )
