"""What the keys in Redis are called.

Keys of one partition share a hash tag, which shows where a Redis that is divided could be: they
change together.
"""

from __future__ import annotations

import platform
from typing import NamedTuple

import mmh3

from bandit.config.cluster import ClusterConfig
from bandit.types import Surface

GROUP = "learner"
"""The consumer group of each stream: it tells how far a learner has taken it."""


class Origin(NamedTuple):
    """Where records come from: one file of one spool of one machine."""

    host: str
    spool: str
    file: str

    def __str__(self) -> str:
        """Return it as a spool's name in the cluster's log."""
        return f"{self.host}/{self.spool}/{self.file}"

    @classmethod
    def of(cls, name: str) -> Origin:
        """Return the origin that a spool's name in the cluster's log tells."""
        host, spool, file = name.split("/")
        return cls(host, spool, file)


class PartitionNames(NamedTuple):
    """The keys of one partition."""

    prefix: str

    @property
    def hosts(self) -> str:
        """A hash: machine → what it told last, as :class:`bandit.cluster.wire.HostTold`."""
        return f"{self.prefix}:hosts"

    def stream(self, origin: Origin) -> str:
        """Return the stream of an origin's records."""
        return f"{self.prefix}:log:{origin}"

    @property
    def lease(self) -> str:
        """Who learns the partition; it passes by itself."""
        return f"{self.prefix}:lease"

    @property
    def fence(self) -> str:
        """How often the lease changed hands."""
        return f"{self.prefix}:fence"

    @property
    def checkpoint(self) -> str:
        """The learner's newest checkpoint."""
        return f"{self.prefix}:checkpoint"

    @property
    def dead_letters(self) -> str:
        """A stream of what could not be learned."""
        return f"{self.prefix}:dead"

    @property
    def told(self) -> str:
        """A hash: name of a file → what the learner last told of itself in it."""
        return f"{self.prefix}:told"


class Names(NamedTuple):
    """The keys of one service.

    Those of partitions tell how many there are: events that were divided otherwise are others'.
    """

    namespace: str
    partitions: int = 1

    @classmethod
    def of(cls, config: ClusterConfig) -> Names:
        """Return the keys that a configuration asks for."""
        return cls(config.namespace, config.partitions)

    def partition(self, number: int) -> PartitionNames:
        """Return the keys of a partition, counted from 0."""
        of_several = "" if self.partitions == 1 else f".{self.partitions}"
        return PartitionNames(f"{{{self.namespace}:{number}{of_several}}}")

    def all_partitions(self) -> list[PartitionNames]:
        """Return the keys of every partition."""
        return [self.partition(number) for number in range(self.partitions)]

    @property
    def merged(self) -> str:
        """What the partitions' learners learned together."""
        return f"{self.partition(0).prefix}:merged"

    @property
    def turns(self) -> str:
        """A hash: partition → what its learner has to merge."""
        return f"{self.partition(0).prefix}:turns"

    @property
    def machines(self) -> str:
        """A hash: machine → what it is, as :mod:`bandit.cluster.agreement` tells it."""
        return f"{{{self.namespace}}}:machines"

    def pointer(self, surface: Surface) -> str:
        """Return where it is told which snapshot to serve."""
        return f"{{{self.namespace}}}:pointer:{surface}"

    def snapshot(self, surface: Surface, version: str) -> str:
        """Return where a snapshot lies, as a hash: file → content."""
        return f"{{{self.namespace}}}:snapshot:{surface}:{version}"

    def snapshots(self, surface: Surface) -> str:
        """Return the set of the versions that lie in Redis."""
        return f"{{{self.namespace}}}:snapshots:{surface}"

    @property
    def catalog(self) -> str:
        """Which catalog version to serve."""
        return f"{{{self.namespace}}}:catalog"

    def catalog_version(self, version: str) -> str:
        """Return where a catalog version lies."""
        return f"{{{self.namespace}}}:catalog:{version}"


def host_name(config: ClusterConfig) -> str:
    """Return this machine's name in the cluster."""
    return config.host or platform.node()


def partition_of(decision_id: str, partitions: int) -> int:
    """Return the partition of a decision, and of all that is told of it."""
    return int(mmh3.hash(decision_id, signed=False)) % partitions
