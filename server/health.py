"""The answers for probes and scrapers."""

from __future__ import annotations

from server.exchange import Call, Reply
from server.prometheus import PrometheusMetrics
from server.wire import HealthAnswer


def livez(_call: Call) -> Reply:
    """Tell that the process answers; a prober restarts it otherwise."""
    return Reply(HealthAnswer("ok"))


def readyz(call: Call) -> Reply:
    """Tell whether requests may be sent here; a load balancer looks elsewhere otherwise."""
    reasons = call.service.not_ready()
    if reasons:
        return Reply(HealthAnswer("not ready", reasons), status=503)
    return Reply(HealthAnswer("ok"))


def metrics(call: Call) -> Reply:
    """Return the metrics of all processes; nothing where the service exports none."""
    call.service.refresh_metrics()
    exporter = call.service.metrics
    return Reply(exporter.exposition() if isinstance(exporter, PrometheusMetrics) else b"")
