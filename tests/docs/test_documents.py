"""The documents say what is so: targets, commands, links, tests, and the generated references."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from bandit.config import parse_config
from bandit.metrics import METRICS
from bandit.types import Title
from server.api_reference import http_reference
from server.cli.reference import commands
from server.metrics_reference import metrics_reference
from server.openapi import openapi_json
from server.prometheus import PrometheusMetrics
from tests.docs.markdown import ROOT, WRITTEN, anchors, blocks, languages, links
from tests.server.edge_service import EdgeService, edge_app

DOCS = ROOT / "docs"
README = ROOT / "README.md"
MAKEFILE = (ROOT / "Makefile").read_text()

documents = pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)


@documents
def test_every_block_is_in_a_language_that_is_checked(path: Path) -> None:
    assert languages(path) <= {"sh", "bash", "python", "toml", "text"}


@documents
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in links(path):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name) if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@documents
def test_every_make_target_exists(path: Path) -> None:
    text = path.read_text()
    named = re.findall(r"`make (\w+)`", text)
    named += re.findall(r"^make (\w+)", "".join(blocks(path, "sh")), re.MULTILINE)
    targets = set(re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE))
    assert set(named) <= targets


@documents
def test_every_command_exists(path: Path) -> None:
    known = set(commands())
    for line in re.findall(r"`(marquee [^`\n]*)`", path.read_text()):
        words = line.split()
        longest = next(n for n in range(len(words), 0, -1) if " ".join(words[:n]) in known)
        rest = words[longest:]
        assert not rest or rest[0].startswith("-") or rest[0].isupper(), line


@documents
def test_every_module_that_is_to_be_run_exists(path: Path) -> None:
    for name in re.findall(r"`python -m ([\w.]+)", path.read_text()):
        assert importlib.util.find_spec(name) is not None, name


@documents
def test_every_route_that_is_named_exists(path: Path) -> None:
    described = json.loads(openapi_json())["paths"]
    named = re.findall(r"`(?:GET|POST|PUT|PATCH) (/[^`\s]*)`", path.read_text())
    assert set(named) <= set(described)


@documents
def test_every_test_that_is_named_exists(path: Path) -> None:
    for name, test in re.findall(r"\]\(([^)]*test_\w+\.py)\)`::(\w+)`", path.read_text()):
        assert f"def {test}(" in (path.parent / name).read_text(), test


def test_the_failure_cases_name_a_test_each() -> None:
    lines = (DOCS / "failure-cases.md").read_text().splitlines()
    cases = [line for line in lines if line.startswith("| ") and not line.startswith("| fault")]
    assert len(cases) > 15
    for case in cases:
        assert re.search(r"`::test_\w+`", case), case


def test_every_make_target_is_told_by_help_and_the_main_ones_by_the_readme() -> None:
    text = README.read_text()
    for target in ("demo", "serve", "test", "bench"):
        assert f"make {target}" in text
    for target in re.findall(r"^(\w+):(?!.*##).*$", MAKEFILE, re.MULTILINE):
        pytest.fail(f"the target {target} has no description")


def test_the_readmes_configuration_is_valid() -> None:
    (text,) = blocks(README, "toml")
    config = parse_config(tomllib.loads(text))
    assert config.surfaces.artwork.exploration.pmf is not None
    assert config.surfaces.rows.mode == "apprentice"


def test_the_written_description_of_the_api_is_up_to_date_and_valid() -> None:
    written = (DOCS / "openapi.json").read_bytes()
    assert written == openapi_json(), "run `make docs`"
    OpenAPIV31SpecValidator(msgspec.json.decode(written)).validate()


def test_the_written_routes_are_those_that_are_served() -> None:
    written = (DOCS / "http-api.md").read_text()
    assert written == http_reference(), "run `make docs`"
    headings = re.findall(r"^## `([A-Z]+) (\S+)`$", written, re.MULTILINE)
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in edge_app(EdgeService()).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(headings) == served
    assert len(headings) == len(served)


def test_the_written_metrics_are_those_that_are_exposed() -> None:
    written = (DOCS / "metrics.md").read_text()
    assert written == metrics_reference(), "run `make docs`"
    listed = re.findall(r"^\| `(marquee_\w+)` \|", written, re.MULTILINE)
    exposed = re.findall(
        r"^# TYPE (marquee_\w+) (?:counter|gauge|histogram)$",
        PrometheusMetrics().exposition().decode(),
        re.MULTILINE,
    )
    assert listed == list(METRICS)
    assert set(listed) == {name for name in exposed if not name.endswith("_created")}


def test_the_figures_of_the_example_are_true() -> None:
    lines = (ROOT / "examples" / "catalog.jsonl").read_bytes().splitlines()
    titles = [
        msgspec.convert({k: v for k, v in item.items() if k != "kind"}, Title)
        for item in map(msgspec.json.decode, lines)
        if item["kind"] == "title"
    ]
    for path in (README, ROOT / "CHANGELOG.md"):
        assert re.findall(r"(\d+) public-domain\s+films", path.read_text()) == [str(len(titles))]


def test_the_changelog_has_the_version_that_is_installed() -> None:
    version = re.findall(r"^version = (\S+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    released = re.findall(r"^## \[(.+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == "Unreleased"
    assert released[1] == version[0]
