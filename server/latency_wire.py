"""What is told of latency over HTTP."""

from __future__ import annotations

import msgspec


class LatencyFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, over all worker processes since the service started.

    ``counts`` has one number for each of the answer's ``bounds_s`` and a last one for what took
    longer. Quantiles lie within their bucket by its width; one beyond the last bound is told as it.
    """

    count: int
    sum_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    counts: list[int]


class LatencyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Latency of a rank request's stages, and of requests by route; only what was observed.

    Two answers' ``counts`` tell, by their difference, of the time between.
    """

    bounds_s: list[float]
    """Upper bounds of the buckets, rising."""
    stages: dict[str, LatencyFigures]
    routes: dict[str, LatencyFigures]
