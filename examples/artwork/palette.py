"""Colours by palette name, and the few helpers that all drawing shares."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Final, NamedTuple

WIDTH: Final = 320
HEIGHT: Final = 180


class Palette(NamedTuple):
    """The colours of one artwork, each ``#rrggbb``."""

    sky: str
    """The background away from the light."""
    glow: str
    """The background around the light."""
    mid: str
    """Shapes in the distance and second figures."""
    dark: str
    """Silhouettes in front."""
    accent: str
    """Light, lit skin, small shapes that shall stand out."""
    ink: str
    """Lettering upon the background."""


PALETTES: Final = {
    "amber": Palette("#8c2a10", "#f9b248", "#c75a1c", "#2b0d0b", "#ffefbf", "#fff6dc"),
    "crimson": Palette("#3d0710", "#d5353b", "#8f1524", "#190407", "#ffd7a1", "#fff0dd"),
    "emerald": Palette("#06241f", "#3f9c74", "#14594a", "#03110e", "#f0e7a4", "#f4f3d2"),
    "ice": Palette("#2f6f8f", "#d9eef2", "#7fb3c8", "#0e2d40", "#ffffff", "#ffffff"),
    "midnight": Palette("#080f2b", "#3f63a8", "#1d3266", "#04071a", "#f6ebb5", "#f7f3df"),
    "noir": Palette("#0f1013", "#7d8087", "#35373d", "#060607", "#e9e4d6", "#f5f2ea"),
    "rose": Palette("#a8415f", "#fbd3c6", "#d97a88", "#431430", "#fff3e6", "#fffaf3"),
    "sepia": Palette("#6d431f", "#f0d6a4", "#a9743c", "#2a170b", "#fff3d4", "#fff8e8"),
    "violet": Palette("#1b0d45", "#a864c9", "#512a86", "#0d0624", "#ffd6f0", "#fdeefb"),
}


def mix(first: str, second: str, share: float) -> str:
    """Return the colour that lies ``share`` of the way from the first to the second.

    >>> mix("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = zip(bytes.fromhex(first[1:]), bytes.fromhex(second[1:]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def number(value: float) -> str:
    """Write a coordinate with one decimal at most."""
    return f"{round(value, 1):g}"


def between(random: Random, low: float, high: float) -> float:
    """Draw a number, by ``random()`` alone, whose sequence Python promises to keep."""
    return low + (high - low) * random.random()


def path(d: str, fill: str, extra: str = "") -> str:
    """Return a filled path."""
    return f'<path d="{d}" fill="{fill}"{extra and " " + extra}/>'


def solid(d: str, fill: str) -> str:
    """Return subpaths filled one by one, so that none cuts a hole where it overlaps another."""
    parts = "".join(f'<path d="M{part}"/>' for part in d.split("M")[1:])
    return f'<g fill="{fill}">{parts}</g>'


def dots(points: Iterable[tuple[float, float]], colour: str, width: float, opacity: str) -> str:
    """Return round dots, written far shorter than as circles."""
    d = "".join(f"M{number(x)} {number(y)}h0" for x, y in points)
    return line(d, colour, width, f'opacity="{opacity}"')


def line(d: str, stroke: str, width: float, extra: str = "") -> str:
    """Return a stroked path with round ends."""
    return (
        f'<path d="{d}" fill="none" stroke="{stroke}" stroke-width="{number(width)}" '
        f'stroke-linecap="round" stroke-linejoin="round"{extra and " " + extra}/>'
    )


def circle(x: float, y: float, r: float, fill: str, extra: str = "") -> str:
    """Return a filled circle."""
    return (
        f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(r)}" '
        f'fill="{fill}"{extra and " " + extra}/>'
    )


def rect(x: float, y: float, w: float, h: float, fill: str, extra: str = "") -> str:
    """Return a filled rectangle."""
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(w)}" height="{number(h)}" '
        f'fill="{fill}"{extra and " " + extra}/>'
    )


def group(content: str, x: float, y: float, scale: float = 1.0, extra: str = "") -> str:
    """Return content moved and scaled."""
    moved = f"translate({number(x)} {number(y)}){extra and ' ' + extra}"
    if scale != 1.0:
        moved += f" scale({round(scale, 2):g})"
    return f'<g transform="{moved}">{content}</g>'
