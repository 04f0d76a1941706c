"""A run's results as one HTML file that loads nothing, in light and dark.

The style and the way of drawing are the offline reports'; what stands on the page is laid out here:
promises, comparisons, percentiles, curves, and every figure with its work and command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from markupsafe import Markup

from bandit.files import write_atomically
from benchmarks import drawings
from benchmarks.figures import Curve, Figure, Results
from benchmarks.headlines import COMPARISONS, HEADLINES
from simulator.report import canvas
from simulator.report.page import Picture

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
_PERCENTILE: Final = re.compile(
    r"(?P<before>.+)_p(?P<percent>\d+(_\d+)?)_(?P<unit>ms|s)(?P<after>.*)"
)


class Plot(NamedTuple):
    """A drawing, what it shows in words, and what its colours stand for."""

    name: str
    title: str
    caption: str
    picture: Picture
    legend: Sequence[tuple[str, int]] = ()
    """(label, colour)."""


def write_report(results: Results, path: Path) -> None:
    """Write the report, whole or not at all."""
    write_atomically(path, render(results).encode())


def render(results: Results) -> str:
    """Return the report as HTML."""
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(TEMPLATES), PackageLoader("simulator.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    styles = canvas.StyleSheet()
    sections = [
        ("Side by side", comparisons(results.figures)),
        ("Latency", latencies(results.figures)),
        ("Curves", [_curve(name, one) for name, one in results.curves.items()]),
    ]
    adopted = {
        plot.name: [
            # matplotlib escapes what labels say
            Markup(canvas.adopt(svg, styles))
            for svg in (plot.picture.wide, plot.picture.narrow)
        ]
        for _, plots in sections
        for plot in plots
    }
    sheet = "\n".join(environment.get_template(name).render() for name in ("report.css", "run.css"))
    return environment.get_template("run.html").render(
        results=results,
        promises=_promises(results.figures),
        sections=[section for section in sections if section[1]],
        drawings=adopted,
        parts=_parts(results.figures),
        met=sum(figure.met is True for figure in results.figures.values()),
        targets=sum(figure.met is not None for figure in results.figures.values()),
        number=drawings.told,
        style=Markup(f"{sheet}\n{styles.rules()}\n"),
    )


def _promises(figures: Mapping[str, Figure]) -> list[tuple[str, str, Figure | None]]:
    """Return (name, what it is about, figure) of the headlines, None for what was not measured."""
    return [(name, about, figures.get(name)) for name, about in HEADLINES.items()]


def comparisons(figures: Mapping[str, Figure]) -> list[Plot]:
    """Return a plot of bars for each comparison of which at least two figures were measured."""
    plots = []
    for one in COMPARISONS:
        values = {
            label: figures[name].value for name, label in one.figures.items() if name in figures
        }
        if len(values) > 1:
            better = "Less is better." if one.less_is_better else "More is better."
            ours = list(one.figures.values())[: one.ours]
            picture = drawings.bars(f"bars-{one.name}", values, ours)
            plots.append(Plot(f"bars-{one.name}", one.title, f"{one.caption} {better}", picture))
    return plots


def latencies(figures: Mapping[str, Figure]) -> list[Plot]:
    """Return a plot for each unit in which percentiles were measured."""
    rows: dict[str, dict[str, list[tuple[str, float]]]] = {}
    for name, figure in figures.items():
        found = _PERCENTILE.fullmatch(name)
        if found:
            label = f"{found['before']}{found['after']}".replace("_", " ")
            percent = found["percent"].replace("_", ".").replace("999", "99.9")
            rows.setdefault(found["unit"], {}).setdefault(label, []).append((percent, figure.value))
    plots = []
    for unit, lines in rows.items():
        percents = sorted(
            {percent for points in lines.values() for percent, _ in points}, key=float
        )
        plots.append(
            Plot(
                f"percentiles-{unit}",
                {"ms": "Latency, milliseconds", "s": "Delay, seconds"}[unit],
                "On a logarithmic axis.",
                drawings.percentiles(f"percentiles-{unit}", lines, unit),
                [(f"p{percent}", drawings.percentile_series(percent)) for percent in percents],
            )
        )
    return plots


def _curve(name: str, one: Curve) -> Plot:
    legend = [(label, series % canvas.SERIES_COUNT) for series, label in enumerate(one.lines)]
    picture = drawings.curve(f"curve-{name}", one)
    title = name.replace("_", " ").capitalize()
    caption = f"{one.work[:1].upper()}{one.work[1:]}."
    return Plot(f"curve-{name}", title, caption, picture, legend if len(legend) > 1 else [])


def _parts(figures: Mapping[str, Figure]) -> list[tuple[str, list[tuple[str, Figure]]]]:
    """Return the figures by the command that measured them, in their order."""

    def command(item: tuple[str, Figure]) -> Any:
        return item[1].command

    return [(name, list(items)) for name, items in groupby(figures.items(), command)]
