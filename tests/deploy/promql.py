"""Reading PromQL: which metrics an expression asks for, how, and which labels its answer has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import promql_parser as promql
from prometheus_client.parser import text_string_to_metric_families

from bandit.metrics import METRICS
from server.prometheus import PrometheusMetrics

SCRAPED = frozenset({"instance", "job"})
"""Labels that Prometheus adds."""

_OVER_TIME = ("rate", "increase")
_GRAFANA = {"$__rate_interval": "5m", "$instance": ".*"}


def parsed(text: str) -> promql.Expr:
    """Parse an expression; Grafana's variables get a value."""
    for variable, value in _GRAFANA.items():
        text = text.replace(variable, value)
    expression = promql.parse(text)
    assert isinstance(expression, promql.Expr)
    return expression


@cache
def exposed() -> dict[str, frozenset[str]]:
    """Return the labels of every sample that the service exposes, by the sample's name."""
    metrics = PrometheusMetrics()
    for name, (kind, labels, _) in METRICS.items():
        values = ["x"] * len(labels)
        if kind == "counter":
            metrics.count(name, *values)
        elif kind == "gauge":
            metrics.set(name, *values, to=1.0)
        else:
            metrics.observe(name, *values, value=1.0)
    families = text_string_to_metric_families(metrics.exposition().decode())
    samples = [sample for family in families for sample in family.samples]
    return {sample.name: frozenset(sample.labels) for sample in samples} | {"up": frozenset()}


def is_cumulative(name: str) -> bool:
    """Tell whether a sample only grows, so that its rate is what counts."""
    return re.fullmatch(r".*_(total|bucket|sum|count)", name) is not None


def selectors(expression: promql.Expr, within: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name of every sample that is asked for, and the function it is given to."""
    if isinstance(expression, promql.VectorSelector):
        assert expression.name is not None
        check_matchers(expression)
        yield expression.name, within
    elif isinstance(expression, promql.MatrixSelector):
        yield from selectors(expression.vector_selector, within)
    elif isinstance(expression, promql.Call):
        for argument in expression.args:
            yield from selectors(argument, expression.func.name)
    elif isinstance(expression, promql.BinaryExpr):
        yield from selectors(expression.lhs, within)
        yield from selectors(expression.rhs, within)
    elif isinstance(expression, promql.AggregateExpr | promql.ParenExpr):
        yield from selectors(expression.expr, within)
    else:
        assert isinstance(expression, promql.NumberLiteral), type(expression)


def check_matchers(selector: promql.VectorSelector) -> None:
    """Check that a selector asks for labels that are there."""
    assert selector.name in exposed(), f"{selector.name} is not exposed"
    for matcher in selector.matchers.matchers:
        assert matcher.name in exposed()[selector.name] | SCRAPED, str(selector)


def labels_of(expression: promql.Expr) -> frozenset[str]:
    """Return the labels that an expression's answer has; what it sums by must be there."""
    if isinstance(expression, promql.VectorSelector):
        return exposed()[expression.name or ""] | SCRAPED
    if isinstance(expression, promql.MatrixSelector):
        return labels_of(expression.vector_selector)
    if isinstance(expression, promql.Call):
        known = frozenset().union(*(labels_of(argument) for argument in expression.args))
        return known - {"le"} if expression.func.name == "histogram_quantile" else known
    if isinstance(expression, promql.AggregateExpr):
        inner_labels = labels_of(expression.expr)
        kept = frozenset(expression.modifier.labels if expression.modifier else [])
        assert kept <= inner_labels, f"{expression.prettify()}: {kept - inner_labels}"
        return kept
    if isinstance(expression, promql.BinaryExpr):
        return labels_of(expression.lhs) | labels_of(expression.rhs)
    if isinstance(expression, promql.ParenExpr):
        return labels_of(expression.expr)
    return frozenset()


def check(text: str, placeholders: frozenset[str]) -> None:
    """Check an expression, and that the labels which its legend or summary names are there."""
    expression = parsed(text)
    for name, function in selectors(expression):
        assert (function in _OVER_TIME) == is_cumulative(name), f"{function}({name})"
    assert placeholders <= labels_of(expression), f"{text}: {placeholders - labels_of(expression)}"
