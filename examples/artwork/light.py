"""Backgrounds: a gradient from the palette, and the light that a mood throws on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Final

from examples.artwork.palette import (
    HEIGHT,
    WIDTH,
    Palette,
    between,
    circle,
    dots,
    line,
    mix,
    number,
    path,
    rect,
)

Light = Callable[[Palette, float, float, Random], str]


def backdrop(palette: Palette, x: float, y: float) -> str:
    """Return a radial gradient with its light at (x, y), in pixels."""
    stops = (
        (0, palette.glow),
        (0.45, mix(palette.glow, palette.sky, 0.55)),
        (1, palette.sky),
    )
    inner = "".join(f'<stop offset="{at}" stop-color="{colour}"/>' for at, colour in stops)
    return (
        f'<defs><radialGradient id="g" gradientUnits="userSpaceOnUse" cx="{number(x)}" '
        f'cy="{number(y)}" r="230">{inner}</radialGradient></defs>'
        + rect(0, 0, WIDTH, HEIGHT, "url(#g)")
    )


def vignette(palette: Palette, strength: float) -> str:
    """Return a darkening towards the edges."""
    return (
        '<defs><radialGradient id="v" r=".75"><stop offset=".55" '
        f'stop-color="{palette.dark}" stop-opacity="0"/><stop offset="1" '
        f'stop-color="{palette.dark}" stop-opacity="{strength:g}"/></radialGradient></defs>'
        + rect(0, 0, WIDTH, HEIGHT, "url(#v)")
    )


def _rays(x: float, y: float, count: int, turn: float) -> str:
    wedges = []
    for index in range(count):
        start = turn + index * 2 * math.pi / count
        end = start + math.pi / count
        corners = " ".join(
            f"L{number(x + 400 * math.cos(a))} {number(y + 400 * math.sin(a))}"
            for a in (start, end)
        )
        wedges.append(f"M{number(x)} {number(y)}{corners}Z")
    return "".join(wedges)


def _bright(palette: Palette, x: float, y: float, random: Random) -> str:
    rays = path(_rays(x, y, 14, between(random, 0, 0.4)), palette.accent, 'opacity=".16"')
    return rays + circle(x, y, 58, palette.accent, 'opacity=".35"')


def _dark(palette: Palette, x: float, y: float, random: Random) -> str:
    top = x + between(random, -70, 70)
    beam = f"M{number(top - 8)} -4L{number(top + 8)} -4L{number(x + 88)} 184L{number(x - 88)} 184Z"
    shade = rect(0, 0, WIDTH, HEIGHT, palette.dark, 'opacity=".42"')
    return shade + path(beam, palette.glow, 'opacity=".34"') + vignette(palette, 0.7)


def _tense(palette: Palette, x: float, y: float, random: Random) -> str:
    slope = between(random, -26, -12)
    slats = "".join(
        f"M-10 {number(top)}L330 {number(top + slope)}v9L-10 {number(top + 9)}Z"
        for top in range(-6, 220, 18)
    )
    return path(slats, palette.dark, 'opacity=".34"') + circle(
        x, y, 62, palette.accent, 'opacity=".2"'
    )


def _playful(palette: Palette, x: float, y: float, random: Random) -> str:
    dots = []
    for _ in range(22):
        colour = palette.accent if random.random() < 0.5 else palette.glow
        dots.append(
            circle(
                between(random, 0, WIDTH),
                between(random, 0, HEIGHT),
                between(random, 1.5, 8),
                colour,
                f'opacity="{between(random, 0.2, 0.55):.2f}"',
            )
        )
    return circle(x, y, 74, palette.mid, 'opacity=".55"') + "".join(dots)


def _tender(palette: Palette, x: float, y: float, random: Random) -> str:
    bokeh = "".join(
        circle(
            between(random, 0, WIDTH),
            between(random, 0, HEIGHT * 0.9),
            between(random, 8, 26),
            palette.accent,
            f'opacity="{between(random, 0.05, 0.17):.2f}"',
        )
        for _ in range(13)
    )
    return circle(x, y, 70, palette.accent, 'opacity=".28"') + bokeh


def _epic(palette: Palette, x: float, y: float, random: Random) -> str:
    rays = path(_rays(x, y, 24, between(random, 0, 0.2)), palette.glow, 'opacity=".18"')
    rings = "".join(
        circle(x, y, radius, palette.accent, f'opacity="{opacity}"')
        for radius, opacity in ((84, ".13"), (66, ".2"), (50, ".85"))
    )
    return rays + rings


def _eerie(palette: Palette, x: float, y: float, random: Random) -> str:
    moon = circle(x, y, 46, palette.accent, 'opacity=".12"') + circle(
        x, y, 36, palette.accent, 'opacity=".8"'
    )
    mist = "".join(
        line(
            f"M{number(between(random, -60, 60))} {top}q70 {number(between(random, -12, 12))} 140 0"
            f"t190 0",
            palette.glow,
            between(random, 5, 12),
            'opacity=".22"',
        )
        for top in range(70, 176, 21)
    )
    return moon + mist + vignette(palette, 0.55)


def _dreamlike(palette: Palette, x: float, y: float, random: Random) -> str:
    rings = "".join(
        f'<circle cx="{number(x)}" cy="{number(y)}" r="{radius}" fill="none" '
        f'stroke="{palette.accent}" stroke-width="{width}" opacity=".2"/>'
        for radius, width in ((54, 9), (76, 6), (98, 4), (122, 3), (148, 2))
    )
    stars = "".join(
        dots(
            [(between(random, 4, WIDTH - 4), between(random, 4, 110)) for _ in range(12)],
            palette.accent,
            width,
            ".8",
        )
        for width in (1.2, 2.4)
    )
    return rings + circle(x, y, 40, palette.glow, 'opacity=".8"') + stars


LIGHTS: Final[dict[str, Light]] = {
    "bright": _bright,
    "dark": _dark,
    "dreamlike": _dreamlike,
    "eerie": _eerie,
    "epic": _epic,
    "playful": _playful,
    "tender": _tender,
    "tense": _tense,
}
