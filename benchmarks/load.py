"""A load generator: closed loop to find the peak, open loop to measure latency below it.

Connections are spread over processes, so that the generator itself is not what saturates. In the
open loop every request has its due time and is sent by the first connection of its process that is
free, as a pool of connections or a proxy would send it. Latency counts from when it was due, not
from when it could be sent, so that a stall is charged to all requests it delays (coordinated
omission; Tene 2013).

Why the first free connection: the kernel spreads sixteen connections unevenly over the server's
workers. A fixed share of the requests for each connection would measure the luck of that spread.
"""

from __future__ import annotations

import http.client
import multiprocessing
import threading
import time
import uuid
from collections.abc import Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from typing import Final, NamedTuple

import numpy as np

from bandit.types import FloatArray

PROCESSES: Final = 2
START_WITHIN_S: Final = 60.0

ID_PLACE: Final = b"decision-id-decision-id-decision"
"""Where a body holds this, each request has an id of its own, as the public client's have."""


class Target(NamedTuple):
    """Where to send requests, what, and with which status each must be answered."""

    port: int
    method: str
    path: str
    headers: dict[str, str]
    bodies: Sequence[bytes]
    status: int


class Pace(NamedTuple):
    """How to send: without ``rate_per_s`` each connection sends as soon as it has its answer."""

    connections: int
    seconds: float
    rate_per_s: float | None = None
    """Over all connections."""


class LoadResult(NamedTuple):
    """What came of one round."""

    requests: int
    errors: int
    seconds: float
    latencies_s: FloatArray

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of the latencies, in milliseconds."""
        return float(np.percentile(self.latencies_s, percent) * 1e3)


class _Schedule:
    """Hands out the requests of one process: their numbers and when they are due."""

    def __init__(self, pace: Pace, place: int, processes: int) -> None:
        self._pace = pace
        self._place = place
        self._processes = processes
        self._lock = threading.Lock()
        self._taken = 0
        self._begin = 0.0

    def start(self) -> None:
        self._begin = time.perf_counter()

    def take(self) -> tuple[int, float] | None:
        """Return the next request's number and due time, None once time is up."""
        with self._lock:
            number = self._taken * self._processes + self._place
            now = time.perf_counter()
            rate = self._pace.rate_per_s
            due = now if rate is None else self._begin + number / rate
            if max(now, due) - self._begin >= self._pace.seconds:
                return None
            self._taken += 1
            return number, due


def run_load(target: Target, pace: Pace) -> LoadResult:
    """Send requests and return what came of them; an answer of another status is an error."""
    spawner = multiprocessing.get_context("spawn")
    results = spawner.Queue()
    shares = np.array_split(np.arange(pace.connections), min(PROCESSES, pace.connections))
    together = spawner.Barrier(len(shares))
    processes = [
        spawner.Process(
            target=_process,
            args=(target, pace, (place, len(shares)), len(share), together, results),
            daemon=True,
        )
        for place, share in enumerate(shares)
    ]
    for process in processes:
        process.start()
    collected = [results.get(timeout=START_WITHIN_S + 2 * pace.seconds) for _ in processes]
    for process in processes:
        process.join()
    latencies = np.concatenate([np.array(times) for _, _, times in collected])
    errors = sum(failed for failed, _, _ in collected)
    # What was under way when time was up counts, and so does its time.
    seconds = max(took for _, took, _ in collected)
    return LoadResult(len(latencies), errors, seconds, latencies)


def _process(
    target: Target,
    pace: Pace,
    place: tuple[int, int],
    connections: int,
    together: Barrier,
    results: Queue[tuple[int, float, list[float]]],
) -> None:
    schedule = _Schedule(pace, *place)
    gate = threading.Barrier(connections + 1, action=schedule.start)
    threads = [_Connection(target, schedule, gate) for _ in range(connections)]
    for thread in threads:
        thread.start()
    together.wait(START_WITHIN_S)
    gate.wait(START_WITHIN_S)
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    errors = sum(thread.errors for thread in threads)
    latencies = [latency for thread in threads for latency in thread.latencies_s]
    results.put((errors, took, latencies))


class _Connection(threading.Thread):
    """One connection that is kept open."""

    def __init__(self, target: Target, schedule: _Schedule, gate: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self._target = target
        self._schedule = schedule
        self._gate = gate
        self.errors = 0
        self.latencies_s: list[float] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._target.port, timeout=30)
        connection.connect()
        self._gate.wait(START_WITHIN_S)
        while (taken := self._schedule.take()) is not None:
            number, due = taken
            time.sleep(max(0.0, due - time.perf_counter()))
            self._request(connection, number)
            self.latencies_s.append(time.perf_counter() - due)
        connection.close()

    def _request(self, connection: http.client.HTTPConnection, number: int) -> None:
        target = self._target
        body = target.bodies[number % len(target.bodies)] if target.bodies else b""
        body = body.replace(ID_PLACE, uuid.uuid4().hex.encode())
        try:
            connection.request(target.method, target.path, body or None, target.headers)
            answer = connection.getresponse()
            answer.read()
            self.errors += answer.status != target.status
        except (OSError, http.client.HTTPException):
            self.errors += 1
            connection.close()
