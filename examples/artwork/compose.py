"""A composition for each subject: where the light falls, what it falls on, where the title goes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from examples.artwork.emblems import emblem
from examples.artwork.figures import action
from examples.artwork.heads import PROFILE_WEAR, bust, portrait, profile, wearing
from examples.artwork.lettering import Box, letter
from examples.artwork.light import LIGHTS, backdrop, vignette
from examples.artwork.palette import (
    HEIGHT,
    PALETTES,
    WIDTH,
    Palette,
    between,
    circle,
    group,
    line,
    mix,
    path,
    rect,
)
from examples.artwork.scenes import SCENES


class Brief(NamedTuple):
    """What an artwork shall show."""

    artwork: str
    """The artwork's id: everything drawn by chance depends on it alone."""
    name: str
    credit: str
    """Small print below the title."""
    subject: str
    palette: str
    mood: str
    genre_hint: str
    setting: str
    emblem: str


class Picture(NamedTuple):
    """A composition: light at ``focus``, ``drawn`` over it, the title in ``box``."""

    focus: tuple[float, float]
    drawn: str
    box: Box
    size_max: float = 30


Composition = Callable[[Brief, Palette, Random], Picture]


def _fade(identity: str, palette: Palette, direction: str, strength: float = 0.85) -> str:
    """Darken one side (``left``, ``right``, ``top`` or ``bottom``) so that lettering stands out."""
    ends = {
        "left": 'x1="0" x2=".62" y1="0" y2="0"',
        "right": 'x1="1" x2=".38" y1="0" y2="0"',
        "top": 'x1="0" x2="0" y1="0" y2=".6"',
        "bottom": 'x1="0" x2="0" y1="1" y2=".45"',
    }[direction]
    return (
        f'<defs><linearGradient id="{identity}" {ends}><stop offset="0" '
        f'stop-color="{palette.dark}" '
        f'stop-opacity="{strength}"/><stop offset="1" stop-color="{palette.dark}" '
        f'stop-opacity="0"/></linearGradient></defs>'
        + rect(0, 0, WIDTH, HEIGHT, f"url(#{identity})")
    )


def _face(brief: Brief, palette: Palette, random: Random) -> Picture:
    right = random.random() < 0.6
    x = 238.0 if right else 82.0
    wear = wearing(brief.genre_hint, random)
    turned = "" if right else "scale(-1 1)"
    drawn = _fade("f", palette, "left" if right else "right", 0.7) + group(
        portrait(wear, palette, random), x, 86, 1.72, turned
    )
    box = Box(14, 14, 150, 152) if right else Box(156, 14, 150, 152, "end")
    return Picture((x, 84), drawn, box)


def _couple(brief: Brief, palette: Palette, random: Random) -> Picture:
    wears = list(PROFILE_WEAR)
    first = wears[int(random.random() * 2) + 1]
    second = ("none", "fedora", "cap")[int(random.random() * 3)]
    rim = mix(palette.accent, palette.glow, 0.25)
    rear = profile(second, mix(palette.dark, palette.mid, 0.3), rim)
    front = profile(first, palette.dark, rim)
    gap = between(random, 44, 54)
    drawn = (
        group(rear, 160 + gap, 66, 1.02, "scale(-1 1)")
        + group(front, 160 - gap, 72, 1.0)
        + _fade("f", palette, "bottom", 0.95)
    )
    return Picture((160, 66), drawn, Box(20, 112, 280, 60, "middle"), 26)


def _group(brief: Brief, palette: Palette, random: Random) -> Picture:
    back = (
        [(84, 0.72), (238, 0.72)] if random.random() < 0.5 else [(58, 0.7), (160, 0.66), (262, 0.7)]
    )
    front = [(160, 1.06)] if len(back) == 2 else [(110, 0.98), (212, 0.98)]
    if len(back) == 2:
        front = [(116, 0.94), (206, 0.94)] if random.random() < 0.5 else front
    drawn = ""
    for places, shade, y in (
        (back, mix(palette.dark, palette.mid, 0.5), 104),
        (front, palette.dark, 118),
    ):
        for x, scale in places:
            sway, lift = between(random, -6, 6), between(random, -7, 7)
            wear = wearing(brief.genre_hint, random)
            drawn += group(bust(wear, shade), x + sway, y + lift, scale)
    return Picture((160, 92), drawn, Box(16, 10, 288, 58, "middle", 0.0), 26)


def _action(brief: Brief, palette: Palette, random: Random) -> Picture:
    x = between(random, 206, 224)
    drawn = _fade("f", palette, "left", 0.7) + action(brief.genre_hint, palette, x, random)
    return Picture((x, 82), drawn, Box(14, 14, 124, 138, "start", 0.45), 28)


def _landscape(brief: Brief, palette: Palette, random: Random) -> Picture:
    x = between(random, 90, 230)
    drawn = SCENES[brief.setting](palette, random)
    inset = 56 if brief.setting == "stage" else 20
    box = Box(inset, 14, WIDTH - 2 * inset, 66, "middle", 0.3)
    return Picture((x, 92), drawn + _fade("f", palette, "top", 0.55), box, 28)


def _object(brief: Brief, palette: Palette, random: Random) -> Picture:
    ground = mix(palette.dark, palette.sky, 0.35)
    centred = len(brief.name) <= 16
    x, y, scale = (160, 70, 0.92) if centred else (236, 88, 1.12)
    ring = circle(
        x, y, 66 * scale, ground, f'stroke="{palette.accent}" stroke-width="1.6"'
    ) + circle(
        x, y, 71 * scale, "none", f'stroke="{palette.accent}" stroke-width=".7" opacity=".7"'
    )
    drawn = ring + group(emblem(brief.emblem, palette, ground), x, y, 0.9 * scale)
    if centred:
        return Picture((x, y), drawn, Box(20, 136, 280, 38, "middle"), 24)
    return Picture((x, y), drawn, Box(16, 16, 136, 148, "start", 0.5), 28)


def _frame(palette: Palette) -> str:
    edge = f'stroke="{palette.accent}" fill="none"'
    corners = "M10 30V10H30M290 10H310V30M310 150V170H290M30 170H10V150"
    return (
        f'<path d="M16 16H304V164H16Z" {edge} stroke-width=".8" opacity=".8"/>'
        f'<path d="{corners}" {edge} stroke-width="2.4"/>'
    )


def _typography(brief: Brief, palette: Palette, random: Random) -> Picture:
    panel = rect(0, 0, WIDTH, HEIGHT, palette.dark, 'opacity=".42"')
    small = group(emblem(brief.emblem, palette, mix(palette.dark, palette.sky, 0.4)), 160, 38, 0.34)
    rules = line("M46 38H128M192 38H274", palette.accent, 1)
    fan = path("M160 184L60 -10H120ZM160 184L200 -10H260Z", palette.glow, 'opacity=".12"')
    drawn = fan + panel + _frame(palette) + rules + small
    return Picture((160, between(random, 70, 110)), drawn, Box(30, 58, 260, 98, "middle", 0.5), 52)


COMPOSITIONS: Final[dict[str, Composition]] = {
    "action": _action,
    "couple": _couple,
    "face": _face,
    "group": _group,
    "landscape": _landscape,
    "object": _object,
    "typography": _typography,
}


def draw(brief: Brief) -> str:
    """Return the artwork as an SVG document of 320 by 180, the same for the same brief.

    Raises:
        KeyError: the brief names a subject, palette, mood, genre, setting or emblem not known here.
    """
    seed = hashlib.sha256(f"art\0{brief.artwork}".encode()).digest()
    random = Random(int.from_bytes(seed[:8], "big"))
    palette = PALETTES[brief.palette]
    picture = COMPOSITIONS[brief.subject](brief, palette, random)
    light = LIGHTS[brief.mood](palette, *picture.focus, random)
    label = f"{brief.name}: {brief.subject}, {brief.palette}, {brief.mood}"
    lettering = letter(
        brief.name, brief.credit, picture.box, brief.genre_hint, palette, picture.size_max
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="t"><title id="t">{escape(label)}</title>'
        f"{backdrop(palette, *picture.focus)}{light}{picture.drawn}"
        f"{vignette_for(brief.mood, palette)}{lettering}</svg>\n"
    )


def vignette_for(mood: str, palette: Palette) -> str:
    """Return a soft darkening of the edges, where the mood's light brings none of its own."""
    return "" if mood in ("dark", "eerie") else vignette(palette, 0.35)
