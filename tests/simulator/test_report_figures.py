"""What is drawn is what can be downloaded: marks, whiskers, curves, bars, and labels of axes."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle

from simulator.report import canvas, render_report
from simulator.report.forest import shortened
from simulator.report.numbers import tick
from simulator.report.page import Figure, Picture, Table
from simulator.report.write import lay_out
from simulator.results import Result
from tests.simulator.report_results import comparison, evaluation, every_result, simulation

Drawn = dict[str, tuple[Figure, list[Axes]]]


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Callable[[Result], Drawn]:
    """Return what lays a result out and keeps its wide drawings."""

    def drawn(result: Result) -> Drawn:
        kept: dict[str, list[Axes]] = {}

        def keep(
            name: str, height: Callable[[int], int], paint: Callable[[Drawing, int], None]
        ) -> Picture:
            drawing = Drawing(figsize=(canvas.WIDE / 72, height(canvas.WIDE) / 72))
            FigureCanvasSVG(drawing)
            paint(drawing, canvas.WIDE)
            kept[name] = drawing.axes
            return Picture("", "")

        monkeypatch.setattr(canvas, "picture", keep)
        blocks = [block for section in lay_out(result).sections for block in section.blocks]
        return {b.name: (b, kept[b.name]) for b in blocks if isinstance(b, Figure)}

    return drawn


def column(table: Table, key: str) -> int:
    return [found.key for found in table.columns].index(key)


def marks(axes: Axes) -> list[float]:
    found = [np.asarray(x.get_xdata(), float) for x in axes.lines if x.get_marker() == "o"]
    return [float(place) for places in found for place in places]


def whiskers(axes: Axes) -> list[tuple[float, float]]:
    found = []
    for line in axes.lines:
        xs, ys = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        if line.get_marker() in ("None", None, "") and len(xs) == 2 and ys[0] == ys[1]:
            found.append((float(xs[0]), float(xs[1])))
    return found


@pytest.mark.parametrize(
    ("result", "name"),
    [
        (evaluation(), "estimates"),
        (comparison(), "difference"),
        (simulation(), "gains"),
        (simulation(), "rewards"),
    ],
    ids=["estimates", "difference", "gains", "rewards"],
)
def test_a_forest_draws_the_numbers_that_it_offers(
    draw: Callable[[Result], Drawn], result: Result, name: str
) -> None:
    figure, (axes,) = draw(result)[name]
    left, right = axes.get_xlim()
    offered_marks, offered_whiskers = [], []
    for row in figure.numbers.rows:
        cell = dict(zip((c.key for c in figure.numbers.columns), row, strict=True))
        low, high, value = cell["low"], cell["high"], cell["value"]
        if cell["label"] and isinstance(low, float) and isinstance(high, float) and low < high:
            offered_whiskers.append((max(low, left), min(high, right)))
        if cell["label"] and isinstance(value, float):
            offered_marks.append(value)
    assert sorted(set(marks(axes))) == sorted(set(offered_marks))
    assert sorted(whiskers(axes)) == sorted(offered_whiskers)


def test_curves_draw_the_numbers_that_they_offer(draw: Callable[[Result], Drawn]) -> None:
    result = simulation()
    for name in ("regret", "reward"):
        figure, (axes,) = draw(result)[name]
        offered: dict[str, list[tuple[float, float]]] = {}
        for policy, pages, value, *_ in figure.numbers.rows:
            assert isinstance(pages, int)
            assert isinstance(value, float)
            offered.setdefault(str(policy), []).append((pages, value))
        lines = [np.asarray(line.get_xydata()).tolist() for line in axes.lines]
        assert lines == [[list(point) for point in line] for line in offered.values()]
        bands = [c.get_paths()[0].vertices for c in axes.collections]
        lows = [row[3] for row in figure.numbers.rows]
        assert set(lows) <= {y for band in bands for y in np.asarray(band)[:, 1].tolist()}


def test_bars_are_as_high_as_the_counts_offered(draw: Callable[[Result], Drawn]) -> None:
    figure, panels = draw(evaluation())["weights"]
    policies = list(dict.fromkeys(row[0] for row in figure.numbers.rows))
    assert len(panels) == len(policies) == 3
    for axes, policy in zip(panels, policies, strict=True):
        counts = [row[3] for row in figure.numbers.rows if row[0] == policy]
        assert [bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)] == counts
        edges = [row[1] for row in figure.numbers.rows if row[0] == policy]
        labels = [text.get_text() for text in axes.get_xticklabels()]
        first = edges[0]
        assert isinstance(first, float)
        assert labels[0] == tick(first)


def test_calibration_draws_the_bins_that_it_offers(draw: Callable[[Result], Drawn]) -> None:
    figure, (axes,) = draw(evaluation())["calibration"]
    lines = [np.asarray(x.get_xydata()) for x in axes.lines if x.get_marker() == "o"]
    assert [tuple(line[0].tolist()) for line in lines] == [row[:2] for row in figure.numbers.rows]


@pytest.mark.parametrize("result", every_result().values(), ids=every_result().keys())
def test_labels_of_axes_are_plain(draw: Callable[[Result], Drawn], result: Result) -> None:
    for _, panels in draw(result).values():
        for axes in panels:
            axes.figure.draw_without_rendering()  # type: ignore[union-attr]
            for axis in (axes.xaxis, axes.yaxis):
                assert axis.get_offset_text().get_text() == ""
                for label in axis.get_ticklabels():
                    assert re.fullmatch(r"(−?[\d.]*[kMG]?|[−\d.·]*10⁻[⁰-⁹¹²³]+)", label.get_text())


def test_no_mathematics_of_the_drawing_library_is_left_in_a_page() -> None:
    text = render_report(evaluation())
    assert "mathdefault" not in text
    assert "$" not in text


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0"),
        (1.7e-18, "0"),
        (0.30000000000000004, "0.3"),
        (-0.002, "−0.002"),
        (0.0001, "0.0001"),
        (1e-5, "10⁻⁵"),
        (-6.4e-7, "−6.4·10⁻⁷"),
        (999.0, "999"),
        (1500.0, "1.5k"),
        (20_000.0, "20k"),
        (2.5e6, "2.5M"),
        (-3e9, "−3G"),
    ],
)
def test_ticks_are_short(value: float, told: str) -> None:
    assert tick(value) == told


def test_long_labels_keep_both_ends() -> None:
    names = [f"/srv/configs/production/candidate-{i:03}.toml" for i in range(12)]
    short = [shortened(name) for name in names]
    assert all(len(name) == 30 for name in short)
    assert len(set(short)) == len(names)
    assert shortened("a\nb") == "a b"
