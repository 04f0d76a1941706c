"""Reports are one lawful, self-contained page whose figures come with their numbers."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from simulator.report import render_report, write_report
from simulator.report.downloads import csv_text
from simulator.report.page import Column, Figure, Table
from simulator.report.write import lay_out
from simulator.results import Result
from tests.simulator.report_results import evaluation, every_result, simulation

VOID = {"meta", "br", "link", "img"}
HOSTILE = (
    '<script>alert(1)</script>"><img src=x onerror=alert(1)>',
    '=HYPERLINK("x") $\\frac{1}{0}$ style="x" --> ]]>',
    "&lt;b&gt; {{ 7 * 7 }} \u0007\n名前",
)

results = pytest.mark.parametrize("result", every_result().values(), ids=every_result().keys())


_RENDERED: dict[int, str] = {}


def rendered(result: Result) -> str:
    """Return a parameter's report, made once for all tests."""
    if id(result) not in _RENDERED:
        _RENDERED[id(result)] = render_report(result)
    return _RENDERED[id(result)]


class Outline(HTMLParser):
    """Checks that tags are balanced, and gathers what tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    def with_tag(self, *tags: str) -> Iterator[dict[str, str]]:
        return (attributes for tag, attributes in self.found if tag in tags)


def tables(result: Result) -> dict[str, Table]:
    blocks = [block for section in lay_out(result).sections for block in section.blocks]
    found = [b.numbers if isinstance(b, Figure) else b for b in blocks]
    return {table.name: table for table in found if isinstance(table, Table)}


def downloads(outline: Outline) -> dict[str, str]:
    return {
        link["download"]: unquote(link["href"].partition(",")[2])
        for link in outline.with_tag("a")
        if "download" in link
    }


@results
def test_a_report_is_lawful_html_with_unique_ids(result: Result) -> None:
    outline = Outline(rendered(result))
    ids = [attributes["id"] for _, attributes in outline.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [a["href"] for a in outline.with_tag("a", "use") if a["href"].startswith("#")]
    assert targets
    assert {target[1:] for target in targets} <= set(ids)


@results
def test_a_report_loads_and_runs_nothing(result: Result) -> None:
    text = rendered(result)
    outline = Outline(text)
    assert "http://" not in text
    assert "https://" not in text
    tags = {tag for tag, _ in outline.found}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "image", "base"}
    assert not any(key.startswith("on") for _, found in outline.found for key in found)
    for attributes in outline.with_tag("a", "use"):
        assert attributes["href"].startswith(("#", "data:text/csv;", "data:application/json;"))
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []


@results
def test_the_pages_policy_allows_its_own_style_alone(result: Result) -> None:
    text = rendered(result)
    (sheet,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    (policy,) = (m["content"] for m in Outline(text).with_tag("meta") if "http-equiv" in m)
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert all("style" not in attributes for _, attributes in Outline(text).found)
    assert "prefers-color-scheme: dark" in sheet


@results
def test_every_figure_and_table_can_be_downloaded_with_its_very_numbers(result: Result) -> None:
    found = downloads(Outline(rendered(result)))
    assert msgspec.json.decode(found.pop("result.json"), type=type(result)) == result
    wanted = tables(result)
    assert set(found) == {f"{name}.csv" for name in wanted}
    for name, table in wanted.items():
        head, *rows = csv.reader(io.StringIO(found[f"{name}.csv"], newline=""))
        assert head == [column.key for column in table.columns]
        assert len(rows) == len(table.rows)
        for row, raw in zip(rows, table.rows, strict=True):
            for cell, value in zip(row, raw, strict=True):
                if isinstance(value, int | float) and not isinstance(value, bool):
                    assert float(cell) == value


@results
def test_every_figure_is_described_and_every_table_headed(result: Result) -> None:
    outline = Outline(rendered(result))
    figures = list(outline.with_tag("figure"))
    assert figures
    assert len(list(outline.with_tag("figcaption"))) == len(figures)
    pictures = [a for a in outline.with_tag("div") if a.get("role") == "img"]
    assert len(pictures) == len(figures)
    assert all(len(picture["aria-label"]) > 30 for picture in pictures)
    assert len(list(outline.with_tag("caption"))) == len(list(outline.with_tag("table")))
    assert all(a["scope"] in ("col", "row") for a in outline.with_tag("th"))


@results
def test_the_command_and_versions_are_told(result: Result) -> None:
    words = "".join(Outline(rendered(result)).words)
    assert result.about.command in words
    for name, version in result.about.versions.items():
        assert name in words
        assert version in words


@results
def test_the_same_result_gives_the_same_bytes(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(result, path)
    assert path.read_text() == rendered(result)


@pytest.mark.parametrize("result", [evaluation(HOSTILE), simulation(HOSTILE)], ids=["log", "run"])
def test_hostile_names_are_text(result: Result) -> None:
    outline = Outline(render_report(result))
    assert not {tag for tag, _ in outline.found} & {"script", "img", "b"}
    words = "".join(outline.words)
    assert HOSTILE[0] in words
    assert "{{ 7 * 7 }}" in words
    for name, text in downloads(outline).items():
        if name.endswith(".csv"):
            cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
            assert not [c for c in cells if c.startswith(("=", "@", "+"))]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a)", "\t=1", " =1", "\r=1"])
def test_text_that_a_spreadsheet_would_run_is_disarmed(text: str) -> None:
    table = Table("t", "T", (Column("a", "A"), Column("b", "B", "number")), [(text, -1.5)])
    (_, (cell, number)) = csv.reader(io.StringIO(csv_text(table), newline=""))
    assert cell == "'" + text
    assert number == "-1.5"
    assert csv_text(table).count("'") == 1


def test_an_estimate_that_could_not_be_made_is_told() -> None:
    made = evaluation(("a",))
    missing = [
        msgspec.structs.replace(estimate, value=None, intervals=[]) for estimate in made.estimates
    ]
    words = "".join(Outline(render_report(msgspec.structs.replace(made, estimates=missing))).words)
    assert "No estimate could be made" in words
    assert "no estimate" in words


def test_the_headline_prefers_sound_estimates() -> None:
    page = lay_out(evaluation())
    assert "learned: boosting has the highest estimate" in page.headline
    assert "soundly judged" in page.headline
