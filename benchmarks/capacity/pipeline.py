"""From pages that were decided to models that learned them, in one service: a simulation by events.

Agents hand over what their machines decided, once a poll; one Redis takes one thing after the other
and refuses when it is full; each learner takes its part of what all machines have told; models are
merged, published and fetched. Pages go in bundles, a machine's of one poll each.

Learning takes bundles in the order of their times, and none that is later than what every machine
has told, unless a machine has been silent for ``silent_s``: as :mod:`bandit.merge` does.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from typing import Final, NamedTuple

import numpy as np
import simpy
from simpy.events import Event

from bandit.types import FloatArray

Steps = Generator[Event, None, None]
BATCH_S: Final = 0.5
"""Most work that a learner takes at once."""
SAMPLE_S: Final = 0.5
MERGE_S: Final = 0.2
"""Assumed: to merge and publish."""


class Size(NamedTuple):
    """A service and what it is asked."""

    zones: int
    machines: int
    partitions: int
    pages_per_s: float
    learner_pages_per_s: float
    agent_s_a_page: float
    """Time of an agent for a page with its events."""
    redis_write_s: float
    """Redis' time for the same, and for reading it."""
    redis_read_s: float
    page_bytes: float
    """In Redis' memory, events included."""
    redis_bytes: float
    """That Redis holds before it refuses."""
    link_bytes_per_s: float
    snapshot_bytes: float
    cold_bytes: float
    """What a machine that has nothing fetches: catalog and models."""
    kept_s: float
    """How long Redis holds what was learned: windows, and checkpoints."""
    poll_s: float
    merge_interval_s: float
    silent_s: float


class Faults(NamedTuple):
    """What goes wrong when, in seconds."""

    learner_from_s: float = float("inf")
    learner_for_s: float = 0.0
    zone_lost_s: float = float("inf")
    cold_s: float = float("inf")
    """When all machines of a zone start from nothing at once."""


class Learned(NamedTuple):
    """What was seen, sample by sample, and the books at the end."""

    at_s: FloatArray
    age_s: FloatArray
    """Of the oldest model served: since the last page that it has learned."""
    backlog: FloatArray
    """Pages that are decided and not learned."""
    spooled: FloatArray
    """Those of them that Redis was not given."""
    held_bytes: FloatArray
    made: float
    learned: float
    left: float
    """Pages in spools, in Redis or in learners' hands at the end."""
    redis_busy: float
    """Share of its time."""
    redis_wait_max_s: float
    cold_ready_s: float
    """From a zone's cold start until its last machine has all; 0 without one."""

    def age(self, start_s: float, end_s: float) -> FloatArray:
        """Return the ages from one time to another."""
        return self.age_s[(self.at_s >= start_s) & (self.at_s < end_s)]

    def drained_s(self, after_s: float, backlog: float) -> float:
        """Return how long after a time the backlog is, for the last time, above some pages."""
        above = self.at_s[(self.at_s >= after_s) & (self.backlog > backlog)]
        return float(above[-1] - after_s + SAMPLE_S) if len(above) else 0.0


class _Bundle(NamedTuple):
    through_s: float
    pages: float


class _Machine:
    def __init__(self, pages_per_s: float) -> None:
        self.pages_per_s = pages_per_s
        self.is_alive = True
        self.spool: deque[_Bundle] = deque()
        self.spooled = 0.0
        self.made = 0.0
        self.told_s = 0.0
        self.heard_s = 0.0
        self.served_s = 0.0
        self._until_s = 0.0

    def decide(self, now_s: float) -> None:
        """Log what was decided since the last time."""
        pages = (now_s - self._until_s) * self.pages_per_s
        self._until_s = now_s
        if pages and self.is_alive:
            self.spool.append(_Bundle(now_s, pages))
            self.spooled += pages
            self.made += pages


class _Partition:
    def __init__(self) -> None:
        self.waiting: list[_Bundle] = []
        self.through_s = 0.0
        self.in_hand = 0.0
        self.learned = 0.0

    @property
    def left(self) -> float:
        return sum(one.pages for one in self.waiting) + self.in_hand


class _Service:
    def __init__(self, size: Size, faults: Faults) -> None:
        self._size = size
        self._faults = faults
        self.env = simpy.Environment()
        self._redis = simpy.Resource(self.env, 1)
        each = size.pages_per_s / size.machines
        self._machines = [_Machine(each) for _ in range(size.machines)]
        self._partitions = [_Partition() for _ in range(size.partitions)]
        self._published_s = 0.0
        self._handed = 0.0
        self._busy_s = 0.0
        self._wait_max_s = 0.0
        self._cold_ready_s = 0.0
        self._samples: list[tuple[float, ...]] = []

    def run(self, seconds: float) -> Learned:
        """Run for some time, and add up."""
        for place, machine in enumerate(self._machines):
            offset_s = self._size.poll_s * place / len(self._machines)
            self.env.process(self._forward(machine, offset_s))
            self.env.process(self._follow(machine, offset_s))
        for partition in self._partitions:
            self.env.process(self._learn(partition))
        self.env.process(self._merge())
        self.env.process(self._sample())
        self.env.process(self._lose_zone())
        self.env.process(self._start_cold())
        self.env.run(until=seconds)
        at_s, age_s, backlog, spooled, held = np.array(self._samples, dtype=np.float64).T
        return Learned(
            at_s,
            age_s,
            backlog,
            spooled,
            held,
            made=sum(one.made for one in self._machines),
            learned=sum(one.learned for one in self._partitions),
            left=self._backlog(),
            redis_busy=self._busy_s / seconds,
            redis_wait_max_s=self._wait_max_s,
            cold_ready_s=self._cold_ready_s,
        )

    def _in_redis(self, seconds: float) -> Steps:
        """Have Redis do something, after all that it was asked before."""
        asked_s = self.env.now
        with self._redis.request() as turn:
            yield turn
            self._wait_max_s = max(self._wait_max_s, self.env.now - asked_s)
            self._busy_s += seconds
            yield self.env.timeout(seconds)

    def _over_link(self, size: float) -> Steps:
        yield from self._in_redis(size / self._size.link_bytes_per_s)

    def _forward(self, machine: _Machine, offset_s: float) -> Steps:
        """Hand over what is in a spool, while Redis takes it."""
        yield self.env.timeout(offset_s)
        while machine.is_alive:
            machine.decide(self.env.now)
            while machine.spool and machine.is_alive and not self._is_full():
                yield from self._hand_over(machine, machine.spool.popleft())
            yield self.env.timeout(self._size.poll_s)

    def _hand_over(self, machine: _Machine, bundle: _Bundle) -> Steps:
        yield self.env.timeout(bundle.pages * self._size.agent_s_a_page)
        yield from self._in_redis(bundle.pages * self._size.redis_write_s)
        part = bundle._replace(pages=bundle.pages / len(self._partitions))
        for partition in self._partitions:
            heapq.heappush(partition.waiting, part)
        machine.spooled -= bundle.pages
        self._handed += bundle.pages
        machine.told_s, machine.heard_s = bundle.through_s, self.env.now

    def _is_full(self) -> bool:
        return self._held_bytes() >= self._size.redis_bytes

    def _held_bytes(self) -> float:
        """Return what is in Redis' memory, had the traffic always been what it is."""
        released_s = min(one.through_s for one in self._partitions) - self._size.kept_s
        pages = self._handed - released_s * self._size.pages_per_s
        return pages * self._size.page_bytes

    def _learn(self, partition: _Partition) -> Steps:
        """Take what all machines have told, and learn it."""
        while True:
            yield self.env.timeout(self._absent_s() or self._size.poll_s)
            if self._absent_s():
                continue
            while not self._absent_s():
                through_s = self._take(partition)
                pages = partition.in_hand
                yield from self._in_redis(pages * self._size.redis_read_s)
                yield self.env.timeout(pages / self._size.learner_pages_per_s)
                partition.learned += pages
                partition.in_hand = 0.0
                partition.through_s = max(partition.through_s, through_s)
                if not pages:
                    break

    def _take(self, partition: _Partition) -> float:
        """Take bundles in order; return up to when all is learned once these are."""
        horizon_s, most = self._horizon_s(), BATCH_S * self._size.learner_pages_per_s
        waiting = partition.waiting
        while waiting and waiting[0].through_s <= horizon_s:
            if partition.in_hand >= most:
                # Of the same instant there may be more.
                return waiting[0].through_s - self._size.poll_s
            partition.in_hand += heapq.heappop(waiting).pages
        return horizon_s

    def _horizon_s(self) -> float:
        """Return up to when every machine is complete that was not silent for too long."""
        now_s = self.env.now
        told = [one.told_s for one in self._machines if now_s - one.heard_s <= self._size.silent_s]
        return min(told, default=now_s)

    def _absent_s(self) -> float:
        """Return how long the learners will still be away."""
        faults, now_s = self._faults, self.env.now
        if not faults.learner_from_s <= now_s < faults.learner_from_s + faults.learner_for_s:
            return 0.0
        return faults.learner_from_s + faults.learner_for_s - now_s

    def _merge(self) -> Steps:
        """Gather what all learned, merge and publish it."""
        while True:
            yield self.env.timeout(self._absent_s() or self._size.merge_interval_s)
            if self._absent_s():
                continue
            through_s = min(one.through_s for one in self._partitions)
            for _ in self._partitions:
                yield from self._over_link(self._size.snapshot_bytes)
            yield self.env.timeout(MERGE_S)
            yield from self._over_link(self._size.snapshot_bytes)
            self._published_s = max(self._published_s, through_s)

    def _follow(self, machine: _Machine, offset_s: float) -> Steps:
        """Fetch each model that is published."""
        yield self.env.timeout(offset_s)
        while machine.is_alive:
            if self._published_s > machine.served_s:
                newest_s = self._published_s
                yield from self._over_link(self._size.snapshot_bytes)
                machine.served_s = newest_s
            yield self.env.timeout(self._size.poll_s)

    def _lose_zone(self) -> Steps:
        """Lose a zone for good; its viewers go to the others."""
        if self._faults.zone_lost_s == float("inf"):
            return
        yield self.env.timeout(self._faults.zone_lost_s)
        lost = len(self._machines) // self._size.zones
        for machine in self._machines:
            machine.decide(self.env.now)
        for machine in self._machines[:lost]:
            machine.is_alive = False
        for machine in self._machines[lost:]:
            machine.pages_per_s = self._size.pages_per_s / (len(self._machines) - lost)

    def _start_cold(self) -> Steps:
        """Have a zone's machines fetch everything at once, beside the daily work."""
        if self._faults.cold_s == float("inf"):
            return
        yield self.env.timeout(self._faults.cold_s)
        cold = len(self._machines) // self._size.zones
        fetches = [self.env.process(self._over_link(self._size.cold_bytes)) for _ in range(cold)]
        yield self.env.all_of(fetches)
        self._cold_ready_s = self.env.now - self._faults.cold_s

    def _backlog(self) -> float:
        spooled = sum(one.spooled for one in self._machines)
        return spooled + sum(one.left for one in self._partitions)

    def _sample(self) -> Steps:
        while True:
            yield self.env.timeout(SAMPLE_S)
            alive = [one for one in self._machines if one.is_alive]
            age_s = self.env.now - min(one.served_s for one in alive)
            spooled = sum(one.spooled for one in self._machines)
            row = (self.env.now, age_s, self._backlog(), spooled, self._held_bytes())
            self._samples.append(row)


def learn(size: Size, faults: Faults, *, seconds: float) -> Learned:
    """Simulate one service for some time. Nothing in it is drawn by chance."""
    return _Service(size, faults).run(seconds)
