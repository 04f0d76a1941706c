"""The settings of a service that is spread over several machines."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from bandit.config.surfaces import Positive, Section

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class ClusterConfig(Section, frozen=True, kw_only=True):
    """Several machines that learn together, through Redis. Without redis_url this one is alone."""

    redis_url: Annotated[
        str | None,
        Meta(
            description="Redis through which the machines share events, models and catalogs, as in "
            "redis://host:6379/0; setting it turns the cluster on. No page and no feedback ever "
            "waits for it."
        ),
    ] = None
    namespace: Annotated[
        Name, Meta(description="First part of all keys in Redis: one for each service there.")
    ] = "marquee"
    host: Annotated[
        Name | None,
        Meta(
            description="Name of this machine in the cluster; no two may have the same, and it "
            "stays the same over restarts. Unset: the machine's host name."
        ),
    ] = None
    learns: Annotated[
        bool,
        Meta(
            description="Whether this machine may learn. Of those that may, one learns each "
            "partition; the others stand by, and take over what a lost one learned."
        ),
    ] = True
    partitions: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Into how many parts, by decision, events are divided, each with a learner "
            "of its own; their models are merged. The same on all machines, and not to be changed "
            "later: see cluster.md.",
        ),
    ] = 1
    learners: Annotated[
        int,
        Meta(
            ge=1,
            le=16,
            description="How many learners this machine runs if it learns. Each takes one "
            "partition that has none; the others stand by. A change takes a new start.",
        ),
    ] = 1
    merge_interval_s: Annotated[
        Positive,
        Meta(
            description="How often the partitions' models are merged and the outcome published, in "
            "seconds."
        ),
    ] = 2.0
    poll_interval_s: Annotated[
        Positive,
        Meta(description="How often machines look for what is new in Redis, in seconds."),
    ] = 0.1
    lease_s: Annotated[
        Positive,
        Meta(
            description="How long a learner that is lost keeps the right to learn, in seconds; "
            "another machine takes over then."
        ),
    ] = 10.0
    host_silent_s: Annotated[
        Positive,
        Meta(
            description="How long learning waits for the events of a machine that is silent, in "
            "seconds. What it has to tell later is taken when it comes, as late."
        ),
    ] = 120.0
