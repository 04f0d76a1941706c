"""Alerts and dashboard ask for metrics that exist, in ways that make sense, and each alert has its
recipe."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any, get_args

import pytest
import yaml

from bandit.joiner import ClosedBy
from bandit.types import SURFACES
from server.route_table import ROUTES
from server.status import BEHIND_AFTER_S
from tests.deploy.promql import check
from tests.docs.markdown import ROOT, anchors

DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
OPERATIONS = ROOT / "docs" / "operations.md"

RULES: list[Any] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: Any = json.loads((DEPLOY / "grafana" / "marquee.json").read_text())
TARGETS: list[tuple[str, str, str]] = [
    (panel["title"], target["expr"], target["legendFormat"])
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_is_exposed(rule: Any) -> None:
    summary = rule["annotations"]["summary"]
    check(rule["expr"], frozenset(re.findall(r"\$labels\.(\w+)", summary)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_leads_to_its_recipe(rule: Any) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert ROOT / path == OPERATIONS
    assert anchor == rule["alert"].lower()
    assert anchor in anchors(OPERATIONS)


def test_every_recipe_is_of_an_alert() -> None:
    recipes = re.findall(r"^### (Marquee\w+)$", OPERATIONS.read_text(), re.MULTILINE)
    assert recipes == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize(
    ("title", "expression", "legend"), TARGETS, ids=[title for title, _, _ in TARGETS]
)
def test_a_panel_asks_for_what_is_exposed(title: str, expression: str, legend: str) -> None:
    assert title
    check(expression, frozenset(re.findall(r"\{\{\s*(\w+)\s*\}\}", legend)))


def test_values_that_are_asked_for_exist() -> None:
    known = {
        "route": {route.rule for route in ROUTES},
        "closed_by": set(get_args(ClosedBy)),
        "result": {"accepted", "duplicate", "rejected"},
        "surface": set(SURFACES),
        "status": {"5..", "429"},
        "instance": {"$instance"},
        "job": {"marquee"},
    }
    texts = [rule["expr"] for rule in RULES] + [expression for _, expression, _ in TARGETS]
    asked = [pair for text in texts for pair in re.findall(r'(\w+)=~?"([^"]*)"', text)]
    assert len(asked) > 20
    for label, value in asked:
        assert value in known[label], f"{label}={value}"


def test_the_learner_is_behind_when_the_status_says_so() -> None:
    (rule,) = [rule for rule in RULES if rule["alert"] == "MarqueeLearnerBehind"]
    assert rule["expr"] == f"marquee_learner_lag_seconds > {BEHIND_AFTER_S:.0f}"


def test_a_wrong_expression_is_noticed() -> None:
    for wrong in (
        "rate(marquee_request_seconds[5m])",
        "marquee_requests_total > 5",
        "rate(marquee_open_decisions[5m])",
        "sum by (surface) (rate(marquee_requests_total[5m]))",
        'rate(marquee_requests_total{share="learned"}[5m])',
    ):
        with pytest.raises(AssertionError):
            check(wrong, frozenset())
    with pytest.raises(ValueError, match="unclosed"):
        check("sum(rate(marquee_requests_total[5m])", frozenset())
    with pytest.raises(AssertionError):
        check("sum(rate(marquee_requests_total[5m]))", frozenset({"instance"}))


def test_the_dashboard_is_laid_out_without_overlaps() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_prometheus_takes_its_files() -> None:
    configured = yaml.safe_load((ALERTS.parent / "prometheus.yaml").read_text())
    assert configured["rule_files"] == [ALERTS.name]
    assert configured["scrape_configs"][0]["job_name"] == "marquee"
    promtool = shutil.which("promtool")
    if promtool is not None:
        subprocess.run([promtool, "check", "rules", ALERTS], check=True, timeout=60)
