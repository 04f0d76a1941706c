"""Landscapes in layers, far to near, each darker than the one behind it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from examples.artwork.palette import Palette, between, circle, dots, line, mix, number, path, rect

Scene = Callable[[Palette, Random], str]


def shade(palette: Palette, nearness: float) -> str:
    """Return the colour of a layer: 0 is far off, 1 in front."""
    if nearness < 0.5:
        return mix(mix(palette.glow, palette.mid, 0.6), palette.mid, nearness * 2)
    return mix(palette.mid, palette.dark, nearness * 2 - 1)


def ridge(random: Random, base: float, rise: float, step: float, curved: bool) -> str:
    """Return the outline of hills (curved) or peaks across the picture, closed at the bottom."""
    x = -20.0
    d = f"M-20 {number(base)}"
    while x < 330:
        width = between(random, step * 0.7, step * 1.3)
        peak = base - between(random, rise * 0.4, rise)
        if curved:
            d += f"Q{number(x + width / 2)} {number(peak)} {number(x + width)} {number(base)}"
        else:
            d += f"L{number(x + width * 0.5)} {number(peak)}L{number(x + width)} {number(base)}"
        x += width
    return d + "V190H-20Z"


def _hills(palette: Palette, random: Random) -> str:
    far = path(ridge(random, 122, 26, 90, True), shade(palette, 0.15))
    middle = path(ridge(random, 142, 30, 130, True), shade(palette, 0.5))
    x, dark = between(random, 60, 250), shade(palette, 0.98)
    wagon = path(
        f"M{number(x - 26)} 142q-4-28 4-30q22-7 44 0q8 2 4 30Z", mix(palette.accent, dark, 0.12)
    )
    wagon += path(f"M{number(x - 28)} 140h56l10 3v3h-66Z", dark)
    wheels = "".join(
        f'<circle cx="{number(x + at)}" cy="149" r="8" fill="none" stroke="{dark}" '
        f'stroke-width="2.4"/>' + circle(x + at, 149, 2.2, dark)
        for at in (-17, 17)
    )
    meadow = path("M-10 160Q80 150 170 157T330 154V190H-10Z", shade(palette, 0.9))
    return far + middle + wagon + wheels + meadow


def _mountains(palette: Palette, random: Random) -> str:
    far = path(ridge(random, 128, 66, 70, False), shade(palette, 0.15))
    near = path(ridge(random, 150, 70, 96, False), shade(palette, 0.55))
    return far + near + path(ridge(random, 170, 26, 190, True), shade(palette, 0.95))


def _towers(random: Random, base: float, low: float, high: float) -> str:
    d, x = "", -10.0
    while x < 330:
        width, height = between(random, 14, 30), between(random, low, high)
        d += f"M{number(x)} 190V{number(base - height)}h{number(width * 0.3)}"
        d += f"v-{number(height * 0.12)}h{number(width * 0.4)}v{number(height * 0.12)}"
        d += f"h{number(width * 0.3)}V190Z"
        x += width + between(random, -2, 4)
    return d


def _city(palette: Palette, random: Random) -> str:
    layers = path(_towers(random, 150, 30, 88), shade(palette, 0.2)) + path(
        _towers(random, 168, 20, 64), shade(palette, 0.62)
    )
    windows = "".join(
        f"M{number(between(random, 4, 312))} {number(between(random, 118, 168))}h2v3h-2Z"
        for _ in range(38)
    )
    street = path("M-4 190V172Q160 164 324 172V190Z", shade(palette, 1))
    return layers + path(windows, palette.accent, 'opacity=".8"') + street


def _sea(palette: Palette, random: Random) -> str:
    water = rect(0, 116, 320, 64, shade(palette, 0.45))
    glints = "".join(
        line(
            f"M{number(between(random, 20, 280))} {number(y)}h{number(between(random, 8, 40))}",
            palette.accent,
            1.3,
            'opacity=".5"',
        )
        for y in range(120, 160, 4)
    )
    x = between(random, 70, 230)
    hull = f"M{number(x - 36)} 122h72l-9 14h-52Z"
    sails = (
        f"M{number(x - 2)} 70v48h-30q4-28 30-48ZM{number(x + 3)} 76q26 14 28 42h-28Z"
        f"M{number(x - 1)} 64h3v58h-3Z"
    )
    waves = "M-10 152q20-9 40 0t40 0 40 0 40 0 40 0 40 0 40 0 40 0 40 0V190H-10Z"
    ship = f'<g transform="translate(0 9)">{path(sails, shade(palette, 0.8))}'
    ship += f"{path(hull, shade(palette, 1))}</g>"
    return water + glints + ship + path(waves, shade(palette, 0.95))


def _desert(palette: Palette, random: Random) -> str:
    x = between(random, 40, 200)
    mesa = (
        f"M{number(x)} 190L{number(x + 10)} 88h46l5 16h22l8 86ZM{number(x + 130)} 190l8-74h20l9 74Z"
    )
    dunes = path("M-10 148Q70 116 150 140T330 132V190H-10Z", shade(palette, 0.5))
    front = path("M-10 172Q90 136 190 164T330 158V190H-10Z", shade(palette, 0.92))
    c = 290 if x < 130 else 34
    cactus = line(f"M{c} 168v-44M{c} 150h-12v-14M{c} 144h11v-16", shade(palette, 1), 6)
    return path(mesa, shade(palette, 0.2)) + dunes + front + cactus


def _trees(random: Random, base: float, height: float, step: float) -> str:
    d, x = "", -10.0
    while x < 335:
        tall, half = between(random, height * 0.6, height), step * 0.55
        top = base - tall
        d += f"M{number(x)} {number(top)}l{number(half * 0.6)} {number(tall * 0.4)}"
        d += f"h-{number(half * 0.2)}l{number(half * 0.6)} {number(tall * 0.6)}h-{number(half * 2)}"
        d += f"l{number(half * 0.6)}-{number(tall * 0.6)}h-{number(half * 0.2)}Z"
        x += between(random, step * 0.6, step)
    return d + f"M-10 {number(base - 2)}H330V190H-10Z"


def _forest(palette: Palette, random: Random) -> str:
    return "".join(
        path(_trees(random, base, height, step), shade(palette, near))
        for base, height, step, near in (
            (136, 56, 17, 0.2),
            (156, 70, 27, 0.55),
            (180, 62, 38, 0.95),
        )
    )


def _castle(palette: Palette, random: Random) -> str:
    crag = path(ridge(random, 146, 40, 110, False), shade(palette, 0.25))
    keep = (
        "M-52 0V-42h6v-5h6v5h6v-5h6v5h4V-70l10-22 10 22v24h8v-50l13-30 13 30v50h8"
        "v-4h6v4h6v-4h6v4h4V0Z"
    )
    x = between(random, 120, 210)
    rock = f"M{number(x - 110)} 190Q{number(x - 50)} 122 {number(x)} 122T{number(x + 110)} 190Z"
    drawn = (
        f'<g transform="translate({number(x)} 132) scale(.78)">{path(keep, shade(palette, 0.85))}'
    )
    lamps = path("M-24-56h4v7h-4ZM9-78h5v9h-5ZM9-58h5v9h-5Z", palette.accent)
    return crag + drawn + lamps + "</g>" + path(rock, shade(palette, 0.95))


def _village(palette: Palette, random: Random) -> str:
    houses, x = "", -6.0
    while x < 320:
        w, h = between(random, 24, 40), between(random, 26, 52)
        lean = between(random, -7, 7)
        houses += f"M{number(x)} 190V{number(160 - h)}l{number(w / 2 + lean)}-{number(h * 0.5)}"
        houses += f"L{number(x + w)} {number(160 - h)}V190Z"
        x += w + between(random, -2, 6)
    lamps = "".join(
        f"M{number(between(random, 6, 310))} {number(between(random, 136, 160))}h4v6h-4Z"
        for _ in range(16)
    )
    back = path(ridge(random, 128, 34, 120, True), shade(palette, 0.2))
    lane = path("M-10 176Q160 160 330 176V190H-10Z", shade(palette, 1))
    return back + path(houses, shade(palette, 0.7)) + path(lamps, palette.accent) + lane


def _space(palette: Palette, random: Random) -> str:
    sky = [(between(random, 0, 320), between(random, 0, 130)) for _ in range(30)]
    stars = dots(sky[:18], palette.accent, 1.2, ".9") + dots(sky[18:], palette.accent, 2.4, ".9")
    x = between(random, 70, 250)
    planet = circle(x, 100, 30, shade(palette, 0.3)) + path(
        f"M{number(x - 30)} 100a30 30 0 0 0 60 0Q{number(x)} 116 {number(x - 30)} 100Z",
        shade(palette, 0.6),
    )
    ring = (
        f'<ellipse cx="{number(x)}" cy="100" rx="52" ry="10" fill="none" stroke="{palette.accent}" '
        f'stroke-width="2" transform="rotate(-16 {number(x)} 100)"/>'
    )
    ground = path("M-10 160Q160 126 330 160V190H-10Z", shade(palette, 0.75))
    craters = "".join(
        f'<ellipse cx="{number(between(random, 20, 300))}" '
        f'cy="{number(between(random, 158, 174))}" '
        f'rx="{number(between(random, 7, 18))}" ry="3.4" fill="{shade(palette, 0.95)}"/>'
        for _ in range(6)
    )
    return stars + planet + ring + ground + craters


def _snow(palette: Palette, random: Random) -> str:
    far = path(ridge(random, 130, 52, 80, False), shade(palette, 0.25))
    pale = mix(palette.accent, palette.glow, 0.35)
    drifts = path("M-10 146Q80 118 170 142T330 134V190H-10Z", pale)
    front = path("M-10 170Q100 142 200 164T330 160V190H-10Z", mix(pale, palette.mid, 0.35))
    air = [(between(random, 0, 320), between(random, 0, 180)) for _ in range(36)]
    flakes = dots(air[:20], "#fff", 1.6, ".8") + dots(air[20:], "#fff", 3.2, ".8")
    hut = path("M226 146v-24l20-16 20 16v24Z", shade(palette, 0.95)) + path(
        "M240 146v-12h9v12Z", palette.accent
    )
    return far + drifts + hut + front + flakes


FRONDS: Final = (
    "M0 0q22-20 42 4q-22-10-42-4q16-4 28 24q-20-14-28-24"
    "q-22-20-42 4q22-10 42-4q-16-4-28 24q20-14 28-24"
)
"""The leaves of a palm tree around its top."""


def _jungle(palette: Palette, random: Random) -> str:
    back = path(ridge(random, 130, 36, 60, True), shade(palette, 0.25))
    palms = ""
    for near, base in ((0.55, 164), (0.55, 160), (0.95, 182), (0.95, 182)):
        x, top = between(random, 20, 300), base - between(random, 66, 104)
        colour = shade(palette, near)
        palms += line(f"M{number(x)} {base}q6-40 -4-{number(base - top)}", colour, 5)
        palms += (
            f'<g transform="translate({number(x - 4)} {number(top)})">{path(FRONDS, colour)}</g>'
        )
    return back + palms + path("M-10 172Q80 152 170 168T330 164V190H-10Z", shade(palette, 1))


def _battlefield(palette: Palette, random: Random) -> str:
    bursts = "".join(
        circle(
            between(random, 20, 300),
            between(random, 60, 110),
            between(random, 6, 20),
            palette.accent,
            'opacity=".3"',
        )
        for _ in range(6)
    )
    far = path(ridge(random, 136, 18, 70, True), shade(palette, 0.25))
    near = path(ridge(random, 160, 22, 120, True), shade(palette, 0.85))
    posts, x = "", 10.0
    while x < 320:
        posts += f"M{number(x)} 172l{number(between(random, -6, 6))}-34"
        x += between(random, 34, 52)
    wire = "M-6 146q20 10 40 0t40 0 40 0 40 0 40 0 40 0 40 0 40 0 40 0"
    fence = line(posts, shade(palette, 1), 3.4) + line(wire, shade(palette, 1), 1.2)
    return bursts + far + near + fence


def _stage(palette: Palette, random: Random) -> str:
    floor = path("M-10 150H330V190H-10Z", shade(palette, 0.9))
    boards = line(
        "M160 150L160 180M120 150L96 180M200 150L224 180M80 150L32 180M240 150L288 180",
        palette.mid,
        1,
    )
    spread = number(between(random, 60, 84))
    spot = f'<ellipse cx="160" cy="156" rx="{spread}" ry="9" fill="{palette.accent}" opacity=".8"/>'
    folds = "".join(
        path(f"M{x} -4h16v184q-8 8-16 0Z", shade(palette, 0.55 if index % 2 else 0.8))
        for index, x in enumerate((0, 14, 28, 42, 262, 276, 290, 304))
    )
    swag = path(
        "M-4-4H324V20Q284 46 244 20Q202 46 160 20Q118 46 76 20Q36 46-4 20Z", shade(palette, 0.7)
    )
    return floor + boards + spot + folds + swag


SCENES: Final[dict[str, Scene]] = {
    "battlefield": _battlefield,
    "castle": _castle,
    "city": _city,
    "desert": _desert,
    "forest": _forest,
    "jungle": _jungle,
    "mountains": _mountains,
    "plains": _hills,
    "sea": _sea,
    "snow": _snow,
    "space": _space,
    "stage": _stage,
    "village": _village,
}
