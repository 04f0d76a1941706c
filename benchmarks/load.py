"""Load on a server: closed loop to warm it up, open loop to measure latency below its peak.

In the open loop every request has its due time, evenly spaced, and is sent by the connection that
has been free for longest, as a pool of connections or a proxy would send it. Latency counts from
when it was due, not from when it could be sent, so that a stall is charged to all requests that it
delays (coordinated omission; Tene 2013). What was due within the time and not answered until
:data:`GRACE_S` after it counts as an error, with all the time it waited.

The generator (:mod:`benchmarks.load_generator`) is one process, which tells what it cost itself:
its CPU time, and how late it sent what it could have sent in time.

Why connections are dealt out evenly to the server's workers, where those are told: the kernel
spreads a few connections unevenly, so that latency would measure the luck of that spread.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from queue import Empty
from typing import Final, NamedTuple

import numpy as np

from bandit.types import FloatArray

ID_PLACE: Final = b"decision-id-decision-id-decision"
"""Wherever a body holds this, the request has an id of its own, as the public client's have."""

GRACE_S: Final = 10.0
"""How long answers are waited for once time is up."""

START_WITHIN_S: Final = 60.0


class Target(NamedTuple):
    """Where to send requests, what, and with which status each must be answered."""

    port: int
    method: str
    path: str
    headers: dict[str, str]
    bodies: Sequence[bytes]
    status: int
    workers: tuple[int, ...] = ()
    """Process ids between which the open loop's connections are dealt out; may be empty."""


class Pace(NamedTuple):
    """How to send: without ``rate_per_s`` each connection sends as soon as it has its answer."""

    connections: int
    seconds: float
    rate_per_s: float | None = None
    """Over all connections."""


class LoadResult(NamedTuple):
    """What came of one round."""

    errors: int
    seconds: float
    """From the first request to the last answer."""
    due_s: FloatArray
    """(n,) when each request was due, on the system's monotonic clock."""
    latencies_s: FloatArray
    """(n,) from then to its answer."""
    late_s: FloatArray
    """(n,) how long each was due, with a connection free, before it was sent."""
    cpu_s: float
    """The generator's own CPU time."""

    @property
    def requests(self) -> int:
        """How many requests were due."""
        return len(self.latencies_s)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds

    @property
    def cpu_share(self) -> float:
        """The part of one core that the generator took."""
        return self.cpu_s / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of the latencies, in milliseconds."""
        return float(np.percentile(self.latencies_s, percent) * 1e3)

    def checked(self) -> LoadResult:
        """Return the result itself; a benchmark of errors is worth nothing.

        Raises:
            RuntimeError: requests failed, or none was sent.
        """
        if self.errors or not self.requests:
            raise RuntimeError(f"{self.errors} of {self.requests} requests failed")
        return self


def run_load(target: Target, pace: Pace) -> LoadResult:
    """Send requests from a process of its own; an answer of another status is an error.

    Raises:
        RuntimeError: the generator ended without a result.
    """
    spawner = multiprocessing.get_context("spawn")
    results = spawner.Queue()
    process = spawner.Process(target=_generate, args=(target, pace, results), daemon=True)
    process.start()
    try:
        found = results.get(timeout=START_WITHIN_S + pace.seconds + GRACE_S)
    except Empty:
        process.kill()
        raise RuntimeError("the load generator gave no result; its error stands above") from None
    finally:
        process.join()
    result, why = found
    if result is None:
        raise RuntimeError(f"the load generator failed: {why}")
    return LoadResult(*result)


def _generate(
    target: Target, pace: Pace, results: multiprocessing.Queue[tuple[LoadResult | None, str]]
) -> None:
    from benchmarks.load_generator import generate

    try:
        results.put((generate(target, pace), ""))
    except Exception as error:
        results.put((None, repr(error)))
        raise
