"""Pages asked of machines in zones, one by one, while a zone is lost: a simulation by events.

A machine is a queue with some workers. A balancer picks one of those it believes to be alive, each
alike; a machine that is gone swallows what it is sent until the balancer has noticed. The caller
gives a page up at its deadline and shows the default page; feedback uses the same workers and has
no deadline, for its senders try again.

What the workers do for a page that was given up is not spared: a server does not know.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, Literal, NamedTuple

import numpy as np
import simpy
from simpy.events import Event

from bandit.types import FloatArray

Steps = Generator[Event, None, None]
_Waited = float | Literal["refused", "lost"]
"""Seconds in a machine's queue; ``lost``: nothing comes back, and the caller's patience decides how
long that takes."""
EVENTS_A_REQUEST: Final = 20


class Size(NamedTuple):
    """The machines, and what is asked of them."""

    zones: int
    machines_a_zone: int
    workers: int
    pages_per_s: float
    """Of all machines."""
    feedback_per_s: float
    """Requests, of all machines."""
    page_s: float
    """Mean time of a worker for a page."""
    feedback_s: float
    variation: float = 0.5
    """Of these times: standard deviation by mean; 0: all are alike, 1: exponential."""
    waiting_max: float = float("inf")
    """Requests that wait at a machine; further ones are refused at once."""


class Course(NamedTuple):
    """What happens when, in seconds."""

    seconds: float
    zones_lost: int = 0
    lost_s: float = float("inf")
    detected_s: float = 2.0
    """Until the balancer notices."""
    deadline_s: float = 0.5
    try_timeout_s: float = 0.5
    tries: int = 3


class Served(NamedTuple):
    """What became of each page, in the order in which they were asked for."""

    asked_s: FloatArray
    took_s: FloatArray
    """Until the answer, or the default page."""
    waited_s: FloatArray
    """In the queue of the machine that answered; 0 of those that were given up."""
    is_default: FloatArray

    def during(self, start_s: float, end_s: float) -> Served:
        """Return the pages that were asked for from one time to another."""
        kept = (self.asked_s >= start_s) & (self.asked_s < end_s)
        return Served(*(column[kept] for column in self))

    @property
    def pages(self) -> int:
        """All that were asked for."""
        return len(self.asked_s)

    @property
    def defaulted(self) -> int:
        """Those that came to the default page."""
        return int(self.is_default.sum())

    @property
    def default_share(self) -> float:
        """The share of default pages."""
        return self.defaulted / self.pages

    def took_ms(self, percentile: float) -> float:
        """Return a percentile of the time of pages that were answered."""
        return float(np.percentile(self.took_s[self.is_default == 0], percentile)) * 1e3

    @property
    def mean_wait_ms(self) -> float:
        """The mean time in the queue, of pages that were answered."""
        return float(self.waited_s[self.is_default == 0].mean()) * 1e3


class _Machine:
    def __init__(self, env: simpy.Environment, workers: int) -> None:
        self.workers = simpy.Resource(env, workers)
        self.is_alive = True


class _Fleet:
    """The machines, the balancer in front of them, and those who ask."""

    def __init__(self, size: Size, course: Course, seed: int) -> None:
        self._size = size
        self._course = course
        self._random = np.random.default_rng(seed)
        self.env = simpy.Environment()
        count = size.zones * size.machines_a_zone
        self._machines = [_Machine(self.env, size.workers) for _ in range(count)]
        self._known = list(self._machines)
        self._rows: list[tuple[float, float, float, float]] = []

    def run(self) -> Served:
        """Run until all that was asked for has come to an end."""
        self.env.process(self._ask(self._size.pages_per_s, is_page=True))
        self.env.process(self._ask(self._size.feedback_per_s, is_page=False))
        if self._course.zones_lost:
            self.env.process(self._lose_zones())
        self.env.run()
        rows = np.array(sorted(self._rows), dtype=np.float64).reshape(-1, 4)
        return Served(*rows.T)

    def _ask(self, per_s: float, *, is_page: bool) -> Steps:
        """Ask at random times (Poisson) to the end of the course."""
        if per_s <= 0:
            return
        while True:
            yield self.env.timeout(float(self._random.exponential(1 / per_s)))
            if self.env.now >= self._course.seconds:
                return
            self.env.process(self._page() if is_page else self._feedback())

    def _lose_zones(self) -> Steps:
        yield self.env.timeout(self._course.lost_s)
        lost = self._machines[: self._course.zones_lost * self._size.machines_a_zone]
        for machine in lost:
            machine.is_alive = False
        yield self.env.timeout(self._course.detected_s)
        self._known = self._machines[len(lost) :]

    def _page(self) -> Steps:
        """Try until there is an answer, or no time left."""
        asked_s = self.env.now
        end_s = asked_s + self._course.deadline_s
        for _ in range(self._course.tries):
            try_end_s = min(end_s, self.env.now + self._course.try_timeout_s)
            waited_s = yield from self._served(self._size.page_s)
            if waited_s == "refused":
                # Another machine is tried at once.
                continue
            if waited_s != "lost" and self.env.now <= try_end_s:
                self._rows.append((asked_s, self.env.now - asked_s, waited_s, 0.0))
                return
            if self.env.now < try_end_s:
                yield self.env.timeout(try_end_s - self.env.now)
            if self.env.now >= end_s:
                break
        self._rows.append((asked_s, min(self.env.now, end_s) - asked_s, 0.0, 1.0))

    def _feedback(self) -> Steps:
        yield from self._served(self._size.feedback_s)

    def _served(self, mean_s: float) -> Generator[Event, None, _Waited]:
        """Be served by one of the machines; return the seconds in its queue, or what went wrong."""
        machine = self._known[int(self._random.integers(len(self._known)))]
        if not machine.is_alive:
            return "lost"
        if len(machine.workers.queue) >= self._size.waiting_max:
            return "refused"
        came_s = self.env.now
        with machine.workers.request() as place:
            yield place
            waited_s = self.env.now - came_s
            yield self.env.timeout(self._service_s(mean_s))
        return waited_s if machine.is_alive else "lost"

    def _service_s(self, mean_s: float) -> float:
        """Draw a time from the gamma distribution with the mean and variation that are given."""
        square = self._size.variation**2
        return mean_s if not square else float(self._random.gamma(1 / square, mean_s * square))


def serve(size: Size, course: Course, *, seed: int) -> Served:
    """Simulate; the same seed gives the same course."""
    return _Fleet(size, course, seed).run()
