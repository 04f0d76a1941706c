"""A result as one HTML file that loads nothing, runs no script, and says so to the browser.

The page's policy (``Content-Security-Policy``) forbids everything but its one style sheet, known by
its hash. The same result gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bandit.files import write_atomically
from simulator.report.canvas import DASHES, SERIES_COUNT, StyleSheet, adopt
from simulator.report.comparison import comparison_page
from simulator.report.downloads import csv_uri, json_uri
from simulator.report.evaluation import evaluation_page
from simulator.report.page import Figure, Page
from simulator.report.search import search_page
from simulator.report.simulation import simulation_page
from simulator.report.tables import shown
from simulator.results import Comparison, Evaluation, Result, Search

FOLDED_ROWS = 40
"""Tables with more rows than this are folded, though never cut."""


def write_report(result: Result, path: Path) -> None:
    """Write a result's report, whole or not at all."""
    write_atomically(path, render_report(result).encode())


def render_report(result: Result) -> str:
    """Return a result's report as HTML."""
    page = lay_out(result)
    environment = Environment(
        loader=PackageLoader("simulator.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    styles = StyleSheet()
    drawings = {
        block.name: _drawing(block, styles)
        for section in page.sections
        for block in section.blocks
        if isinstance(block, Figure)
    }
    sheet = environment.get_template("report.css").render() + styles.rules() + "\n"
    return environment.get_template("report.html").render(
        page=page,
        about=result.about,
        style=Markup(sheet),  # noqa: S704 - ours: a template without variables, and colours
        style_hash=_hash(sheet),
        drawings=drawings,
        csv_uri=csv_uri,
        json_uri=json_uri(msgspec.json.format(msgspec.json.encode(result), indent=1)),
        shown=shown,
        dashes=[" ".join(f"{length:g}" for length in dash) for dash in DASHES],
        series_count=SERIES_COUNT,
        folded_rows=FOLDED_ROWS,
    )


def lay_out(result: Result) -> Page:
    """Return what the report of a result consists of."""
    if isinstance(result, Evaluation):
        return evaluation_page(result)
    if isinstance(result, Search):
        return search_page(result)
    if isinstance(result, Comparison):
        return comparison_page(result)
    return simulation_page(result)


def _drawing(figure: Figure, styles: StyleSheet) -> Mapping[str, Markup]:
    return {
        size: Markup(adopt(svg, styles))  # noqa: S704 - matplotlib escapes what labels say
        for size, svg in (("wide", figure.picture.wide), ("narrow", figure.picture.narrow))
    }


def _hash(sheet: str) -> str:
    return base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
