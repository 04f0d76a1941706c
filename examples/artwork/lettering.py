"""Sets a title into a box: wraps it, finds the largest size that fits, and letters it.

No font is measured: widths are estimated from the letters, and every line states its length
(``textLength``), so that it fills the same space in whichever font the viewer has.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from examples.artwork.palette import Palette, number

SERIF: Final = "Georgia,'Times New Roman','DejaVu Serif',serif"
SANS: Final = "'Helvetica Neue',Arial,'DejaVu Sans',sans-serif"
NARROW: Final = "'Arial Narrow','Helvetica Neue Condensed','DejaVu Sans Condensed',sans-serif"

_LINES_MAX: Final = 4
_LEADING: Final = 1.04
_EM_WIDTHS: Final = {
    **dict.fromkeys("iIl.,'!:|", 0.3),
    **dict.fromkeys("fjrt- ()", 0.36),
    **dict.fromkeys("mwMW", 0.88),
    **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ&?", 0.68),
}
_EM_WIDTH: Final = 0.55


class Box(NamedTuple):
    """Where lettering goes; ``anchor`` is ``start``, ``middle`` or ``end``, ``valign`` 0 to 1."""

    x: float
    y: float
    width: float
    height: float
    anchor: str = "start"
    valign: float = 1.0


class Face(NamedTuple):
    """How lettering looks: family, weight, slant, case, spacing (em) and width factor."""

    family: str
    weight: int
    italic: bool = False
    upper: bool = True
    spacing: float = 0.02
    widen: float = 1.0


FACES: Final = {
    "Adventure": Face(SERIF, 700, spacing=0.05, widen=1.0),
    "Animation": Face(SANS, 800, upper=False, spacing=0.0, widen=1.06),
    "Comedy": Face(SANS, 800, upper=False, spacing=0.0, widen=1.02),
    "Crime": Face(NARROW, 700, spacing=0.03, widen=0.9),
    "Documentary": Face(SANS, 400, spacing=0.14),
    "Drama": Face(SERIF, 400, upper=False, spacing=0.01, widen=0.9),
    "Fantasy": Face(SERIF, 400, spacing=0.1, widen=0.96),
    "Film noir": Face(NARROW, 700, italic=True, spacing=0.02, widen=0.9),
    "Horror": Face(SERIF, 700, spacing=0.0, widen=1.0),
    "Musical": Face(SERIF, 700, italic=True, upper=False, spacing=0.0, widen=0.95),
    "Romance": Face(SERIF, 400, italic=True, upper=False, spacing=0.0, widen=0.88),
    "Science fiction": Face(SANS, 300, spacing=0.2),
    "Thriller": Face(SANS, 800, spacing=0.03, widen=1.05),
    "War": Face(NARROW, 700, spacing=0.1, widen=0.9),
    "Western": Face(SERIF, 700, spacing=0.08, widen=1.02),
}


def text_width(text: str, face: Face) -> float:
    """Estimate the width of a line, in em."""
    letters = sum(_EM_WIDTHS.get(letter, _EM_WIDTH) for letter in text)
    return letters * face.widen + face.spacing * len(text)


def wrap(words: list[str], lines: int, face: Face) -> list[str]:
    """Break words into so many lines that the widest is as narrow as can be."""
    best = [" ".join(words)]
    least = float("inf")
    for cuts in combinations(range(1, len(words)), lines - 1):
        marks = [0, *cuts, len(words)]
        tried = [" ".join(words[a:b]) for a, b in pairwise(marks)]
        widest = max(text_width(one, face) for one in tried)
        if widest < least:
            best, least = tried, widest
    return best


def fit(name: str, box: Box, face: Face, size_max: float) -> tuple[list[str], float]:
    """Return the lines and the size in which a name fills the box best."""
    words = (name.upper() if face.upper else name).split()
    best: tuple[list[str], float] = ([], 0.0)
    for count in range(1, min(_LINES_MAX, len(words)) + 1):
        lines = wrap(words, count, face)
        widest = max(text_width(one, face) for one in lines)
        # Rounded down: a size rounded up would overfill the box.
        size = int(min(size_max, box.width / widest, box.height / (count * _LEADING)) * 10) / 10
        if size > best[1] * 1.06:
            best = (lines, size)
    return best


def letter(
    name: str, credit: str, box: Box, hint: str, palette: Palette, size_max: float = 30
) -> str:
    """Return the SVG of a title with a line of small print beneath it."""
    face = FACES[hint]
    credit_room = 12.0
    lines, size = fit(name, box._replace(height=box.height - credit_room), face, size_max)
    used = len(lines) * size * _LEADING + credit_room
    top = box.y + (box.height - used) * box.valign
    x = box.x + box.width * {"start": 0.0, "middle": 0.5, "end": 1.0}[box.anchor]
    style = ' font-style="italic"' if face.italic else ""
    spans = "".join(
        f'<tspan x="{number(x)}" y="{number(top + size * (0.86 + index * _LEADING))}" '
        f'textLength="{number(text_width(one, face) * size)}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(one)}</tspan>'
        for index, one in enumerate(lines)
    )
    edge = f'stroke="{palette.dark}" stroke-opacity=".55" paint-order="stroke"'
    small = number(top + used - 2)
    return (
        f'<g text-anchor="{box.anchor}" fill="{palette.ink}" {edge} stroke-width="2.4">'
        f'<text font-family="{face.family}" font-size="{number(size)}" '
        f'font-weight="{face.weight}"{style}>{spans}</text>'
        f'<text x="{number(x)}" y="{small}" font-family="{SANS}" font-size="6.6" '
        f'letter-spacing=".9" fill="{palette.accent}">{escape(credit.upper())}</text></g>'
    )
