"""Latency is told as quantiles of the histograms."""

from __future__ import annotations

import msgspec
import pytest

from bandit.config.schema import Config
from server.latency import quantile
from server.latency_wire import LatencyAnswer
from server.prometheus import SECONDS_BOUNDS, PrometheusMetrics
from tests.server.edge_service import EdgeService, edge_app


@pytest.mark.parametrize(
    ("fraction", "counts", "expected"),
    [
        (0.5, [10, 0, 0], 0.5),
        (0.5, [0, 10, 0], 2.0),
        (0.95, [0, 10, 0], 2.9),
        (0.5, [5, 5, 0], 1.0),
        (0.6, [5, 5, 0], 1.4),
        (0.99, [0, 0, 4], 3.0),
        (0.0, [0, 10, 0], 1.0),
    ],
)
def test_quantiles_lie_in_their_bucket(fraction: float, counts: list[int], expected: float) -> None:
    assert quantile(fraction, (1.0, 3.0), counts) == pytest.approx(expected)


def test_an_answer_has_what_was_observed_and_nothing_else() -> None:
    service = EdgeService(Config())
    metrics = service.metrics
    assert isinstance(metrics, PrometheusMetrics)
    for seconds in (0.0015, 0.0015, 0.004, 99.0):
        metrics.observe("marquee_stage_seconds", "decide", value=seconds)
    metrics.observe("marquee_request_seconds", "/static/<path:name>", value=0.001)
    client = edge_app(service).test_client()
    assert client.get("/v1/status").status_code == 200
    answer = msgspec.json.decode(client.get("/v1/latency").data, type=LatencyAnswer)
    assert answer.bounds_s == list(SECONDS_BOUNDS)
    (decide,) = answer.stages.values()
    assert decide.count == 4
    assert decide.sum_s == pytest.approx(99.007)
    assert [decide.counts[place] for place in (2, 4, -1)] == [2, 1, 1]
    assert 0.001 < decide.p50_s <= 0.002
    assert decide.p99_s == SECONDS_BOUNDS[-1]
    assert set(answer.routes) == {"/v1/status"}
    assert answer.routes["/v1/status"].count == 1
