"""A load generator: closed loop to find the peak, open loop to measure latency below it.

Connections are spread over processes, so that the generator itself is not what saturates. In the
open loop every request has its due time; latency counts from then on, not from when the request
could be sent, so that a stall is charged to all requests it delays (coordinated omission; Tene
2013).
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


def run_load(target: Target, pace: Pace) -> LoadResult:
    """Send requests and return what came of them; an answer of another status is an error."""
    spawner = multiprocessing.get_context("spawn")
    results = spawner.Queue()
    shares = np.array_split(np.arange(pace.connections), min(PROCESSES, pace.connections))
    together = spawner.Barrier(len(shares))
    processes = [
        spawner.Process(
            target=_process, args=(target, pace, share.tolist(), together, results), daemon=True
        )
        for share in shares
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
    places: list[int],
    together: Barrier,
    results: Queue[tuple[int, float, list[float]]],
) -> None:
    gate = threading.Barrier(len(places) + 1)
    connections = [_Connection(target, pace, place, gate) for place in places]
    for connection in connections:
        connection.start()
    together.wait(START_WITHIN_S)
    gate.wait(START_WITHIN_S)
    began = time.perf_counter()
    for connection in connections:
        connection.join()
    took = time.perf_counter() - began
    errors = sum(connection.errors for connection in connections)
    latencies = [latency for connection in connections for latency in connection.latencies_s]
    results.put((errors, took, latencies))


class _Connection(threading.Thread):
    """One connection that is kept open."""

    def __init__(self, target: Target, pace: Pace, place: int, gate: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self._target = target
        self._pace = pace
        self._place = place
        self._gate = gate
        self.errors = 0
        self.latencies_s: list[float] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._target.port, timeout=30)
        connection.connect()
        self._gate.wait(START_WITHIN_S)
        begin = time.perf_counter()
        number = 0
        while True:
            now = time.perf_counter()
            due = self._due(begin, number) or now
            if max(now, due) - begin >= self._pace.seconds:
                break
            time.sleep(max(0.0, due - now))
            self._request(connection, self._place + number * self._pace.connections)
            self.latencies_s.append(time.perf_counter() - due)
            number += 1
        connection.close()

    def _due(self, begin: float, number: int) -> float | None:
        if self._pace.rate_per_s is None:
            return None
        connections = self._pace.connections
        return begin + (number * connections + self._place) / self._pace.rate_per_s

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
