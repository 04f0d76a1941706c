"""Writes ``docs/metrics.md`` from the table of metrics: ``python -m server.metrics_reference``."""

from __future__ import annotations

from typing import Final

import click

from bandit.metrics import METRICS, MetricName
from server.prometheus import GAUGE_MODES, GaugeMode

_HEAD: Final = """# Metrics

<!-- Written by `python -m server.metrics_reference`; change bandit/metrics.py instead. -->

`GET /metrics` gives these in Prometheus' text format, for all processes at once, whichever of them
answers. Counters and histograms are sums over all processes that ever ran since the service
started; a gauge says below what stands for all processes that are alive.

| metric | kind | labels | meaning |
|---|---|---|---|
"""

_COMBINED: Final[dict[GaugeMode, str]] = {
    "livesum": "gauge, the sum",
    "livemin": "gauge, the least",
    "livemax": "gauge, the greatest",
    "livemostrecent": "gauge, the latest",
}


def metrics_reference() -> str:
    """Return the description of every metric in Markdown."""
    return _HEAD + "".join(_line(name) for name in METRICS)


def _line(name: MetricName) -> str:
    kind, labels, text = METRICS[name]
    told = _COMBINED[GAUGE_MODES[name]] if kind == "gauge" else kind
    named = ", ".join(f"`{label}`" for label in labels) or "none"
    return f"| `{name}` | {told} | {named} | {text} |\n"


if __name__ == "__main__":
    click.echo(metrics_reference(), nl=False)
