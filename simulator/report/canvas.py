"""Drawings by matplotlib as SVG elements that take their colours from the page.

A drawing is made in place-holder colours; each becomes a variable of the page's style sheet, which
has one value in light and one in dark. Style attributes become classes of that sheet too, so that
the page needs no inline style and can forbid it. Text stays text, in the page's own font.

A unit is one CSS pixel (matplotlib's point) throughout, from the lower left.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

from simulator.report.page import Picture

WIDE = 860
NARROW = 360

INK, MUTED, LINE, PAPER = "#0f0f01", "#0f0f02", "#0f0f03", "#0f0f04"
SERIES_COUNT = 8
DASHES: tuple[tuple[float, ...], ...] = ((), (5, 2), (1.5, 1.8), (6, 2, 1.5, 2))
"""Dash and gap lengths; told apart without colours."""

_SERIES = [f"#0f0f1{i}" for i in range(SERIES_COUNT)]
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", PAPER: "card"} | {
    color: f"c{i}" for i, color in enumerate(_SERIES)
}
_TAG = re.compile(r"<[^>]*>")
_FONT_FAMILY = re.compile(r"font-family: [^;]*(; )?|font: (?:(\w+) )?([\d.]+px) [^;]*(; )?")
_SETTINGS: dict[Any, Any] = {
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 12,
    "grid.color": LINE,
    "grid.linewidth": 1,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 11.5,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 11.5,
}


def series_color(series: int | None) -> str:
    """Return the place-holder of a series' colour; None is the colour of text."""
    return INK if series is None else _SERIES[series % SERIES_COUNT]


def series_dash(series: int) -> int:
    """Return which dash tells a series from others of its colour."""
    return series // SERIES_COUNT % len(DASHES)


def line_style(dash: int) -> tuple[float, tuple[float, ...] | None]:
    """Return one of ``DASHES`` as matplotlib has it."""
    return (0, DASHES[dash % len(DASHES)] or None)


class StyleSheet:
    """The classes that stand for the style attributes of a page's drawings."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}

    def class_of(self, style: str) -> str:
        """Return the class for the content of a style attribute."""
        return self._classes.setdefault(style, f"s{len(self._classes)}")

    def rules(self) -> str:
        """Return the sheet."""
        return "\n".join(f".{name}{{{style}}}" for style, name in self._classes.items())


def picture(
    name: str, height: Callable[[int], int], draw: Callable[[Drawing, int], None]
) -> Picture:
    """Draw at both widths; ``height`` and ``draw`` are told the width.

    The elements still carry style attributes; :func:`adopt` takes them into a page.
    """
    wide, narrow = (_svg(f"{name}-{width}", width, height(width), draw) for width in (WIDE, NARROW))
    return Picture(wide, narrow)


def box(drawing: Drawing, left: float, bottom: float, right: float, top: float) -> Axes:
    """Return axes that keep these distances from the drawing's edges."""
    width, height = (72 * inches for inches in drawing.get_size_inches())
    axes = drawing.add_axes(
        (
            left / width,
            bottom / height,
            (width - left - right) / width,
            (height - bottom - top) / height,
        )
    )
    axes.tick_params(length=0, pad=6)
    axes.set_axisbelow(True)
    return axes


def adopt(svg: str, styles: StyleSheet) -> str:
    """Return a drawing whose style attributes are classes of a page's sheet."""

    def classed(match: re.Match[str]) -> str:
        return f'class="{styles.class_of(_style(match[1]))}"'

    return _TAG.sub(lambda tag: re.sub(r'style="([^"]*)"', classed, tag[0]), svg)


def _svg(name: str, width: int, height: int, draw: Callable[[Drawing, int], None]) -> str:
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        for setting, value in (_SETTINGS | {"svg.hashsalt": name}).items():
            matplotlib.rcParams[setting] = value
        # The browser's fonts draw the text; matplotlib's only measure it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        drawing = Drawing(figsize=(width / 72, height / 72))
        FigureCanvasSVG(drawing)
        draw(drawing, width)
        text = io.StringIO()
        drawing.savefig(text, format="svg", metadata={"Date": None})
    return _element(text.getvalue(), name, width, height)


def _element(document: str, name: str, width: int, height: int) -> str:
    """Return the content of an SVG document as an element of an HTML page."""
    content = document[document.index("</metadata>") + len("</metadata>") : -len("</svg>\n")]
    content = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", content, flags=re.DOTALL)
    references = re.findall(r'(?:href|clip-path)="[^"]*"', content)
    used = set(re.findall(r"#([\w.]+)", " ".join(references)))
    content = _TAG.sub(lambda tag: _tag(tag[0], name, used), content)
    content = re.sub(r"\n\s*", "\n", content)
    return f'<svg viewBox="0 0 {width} {height}">{content}</svg>'


def _tag(tag: str, name: str, used: set[str]) -> str:
    """Return a tag without needless ids; the others are made unique in the page."""
    tag = tag.replace("xlink:href", "href").replace("\n", " ")
    tag = re.sub(r' transform="rotate\(-0 [^"]*"', "", tag)
    tag = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", tag)
    tag = re.sub(r'href="#', f'href="#{name}-', tag)
    return tag.replace("url(#", f"url(#{name}-")


def _style(style: str) -> str:
    style = _FONT_FAMILY.sub(_font, style)
    for color, variable in _VARIABLES.items():
        style = style.replace(color, f"var(--{variable})")
    return style.strip("; ")


def _font(match: re.Match[str]) -> str:
    weight, size = match[2], match[3]
    if size is None:
        return ""
    return (f"font-weight: {weight}; " if weight else "") + f"font-size: {size}; "
