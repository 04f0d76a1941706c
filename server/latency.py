"""Latency as numbers that a page can show: quantiles of the histograms that Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from bandit.metrics import MetricName
from server.exchange import Call, Reply
from server.latency_wire import LatencyAnswer, LatencyFigures
from server.prometheus import SECONDS_BOUNDS, HistogramCounts, PrometheusMetrics

_ROUTES_LEFT_OUT: Final = frozenset({"/static/<path:name>", "/demo/files/<path:name>"})
"""Files of pages, which say nothing of the service."""


def latency(call: Call) -> Reply:
    """Return the latency of stages and routes; empty where the service exports no metrics."""
    metrics = call.service.metrics
    if not isinstance(metrics, PrometheusMetrics):
        return Reply(LatencyAnswer(bounds_s=list(SECONDS_BOUNDS), stages={}, routes={}))
    answer = LatencyAnswer(
        bounds_s=list(SECONDS_BOUNDS),
        stages=_figures(metrics, "marquee_stage_seconds"),
        routes={
            route: figures
            for route, figures in _figures(metrics, "marquee_request_seconds").items()
            if route not in _ROUTES_LEFT_OUT
        },
    )
    return Reply(answer)


def quantile(fraction: float, bounds: Sequence[float], counts: Sequence[int]) -> float:
    """Return the quantile of a histogram, taking what is in a bucket to be spread evenly.

    Args:
        fraction: of what was observed lies below, 0 to 1.
        bounds: upper bounds of the buckets (B,), rising, above 0.
        counts: observations by bucket (B + 1,), the last one above all bounds; one at least.
    """
    rank = fraction * sum(counts)
    below = 0
    for (low, high), count in zip(pairwise((0.0, *bounds)), counts, strict=False):
        if count and below + count >= rank:
            return low + (high - low) * max(0.0, rank - below) / count
        below += count
    return bounds[-1]


def _figures(metrics: PrometheusMetrics, name: MetricName) -> dict[str, LatencyFigures]:
    return {label: _of(histogram) for label, histogram in sorted(metrics.histograms(name).items())}


def _of(histogram: HistogramCounts) -> LatencyFigures:
    p50_s, p95_s, p99_s = (
        quantile(fraction, SECONDS_BOUNDS, histogram.counts) for fraction in (0.5, 0.95, 0.99)
    )
    return LatencyFigures(
        count=sum(histogram.counts),
        sum_s=histogram.sum,
        p50_s=p50_s,
        p95_s=p95_s,
        p99_s=p99_s,
        counts=histogram.counts,
    )
