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
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PROCESSES = 2


class Target(NamedTuple):
    """Where to send requests, and what."""

    port: int
    path: str
    headers: dict[str, str]
    bodies: Sequence[bytes]


class LoadResult(NamedTuple):
    """What came of one round."""

    requests: int
    errors: int
    seconds: float
    latencies_s: np.ndarray

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of the latencies, in milliseconds."""
        return float(np.percentile(self.latencies_s, percent) * 1e3)


def run_load(
    target: Target, *, connections: int, seconds: float, rate_per_s: float | None = None
) -> LoadResult:
    """Send requests over ``connections`` connections for ``seconds``.

    With ``rate_per_s`` the loop is open: requests fall due at that constant rate over all
    connections. Without, each connection sends its next request as soon as it has its answer.
    """
    spawner = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[int, list[float]]] = spawner.Queue()
    start_at = time.time() + 1.0
    shares = [len(part) for part in np.array_split(np.arange(connections), PROCESSES)]
    rate = None if rate_per_s is None else rate_per_s / connections
    processes = [
        spawner.Process(target=_process, args=(target, share, seconds, rate, start_at, results))
        for share in shares
        if share
    ]
    for process in processes:
        process.start()
    collected = [results.get(timeout=seconds + 60) for _ in processes]
    for process in processes:
        process.join()
    latencies = np.concatenate([np.array(times) for _, times in collected])
    errors = sum(failed for failed, _ in collected)
    return LoadResult(len(latencies), errors, seconds, latencies)


def _process(
    target: Target,
    connections: int,
    seconds: float,
    rate_per_s: float | None,
    start_at: float,
    results: multiprocessing.Queue[tuple[int, list[float]]],
) -> None:
    latencies: list[float] = []
    errors = [0]
    threads = [
        threading.Thread(
            target=_connection,
            args=(target, place, connections, seconds, rate_per_s, start_at, latencies, errors),
        )
        for place in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((errors[0], latencies))


def _connection(
    target: Target,
    place: int,
    connections: int,
    seconds: float,
    rate_per_s: float | None,
    start_at: float,
    latencies: list[float],
    errors: list[int],
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=30)
    connection.connect()
    time.sleep(max(0.0, start_at - time.time()))
    begin = time.perf_counter()
    number = 0
    while True:
        now = time.perf_counter()
        due = now if rate_per_s is None else begin + (number + place / connections) / rate_per_s
        if max(now, due) - begin >= seconds:
            break
        time.sleep(max(0.0, due - now))
        body = target.bodies[(place + number * connections) % len(target.bodies)]
        connection.request("POST", target.path, body, target.headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status >= 400:
            errors[0] += 1
        latencies.append(time.perf_counter() - due)
        number += 1
    connection.close()
