"""Things: one emblem for every object picture, in a box of 100 by 100 around the origin.

Each is a list of (kind, data, colour): ``f`` fills a path, ``s`` strokes one; colours are ``a`` the
body, ``b`` the detail, ``c`` the shade.
"""

from __future__ import annotations

import math
from typing import Final

from examples.artwork.palette import Palette, line, mix, number, solid

Part = tuple[str, str, str]


def _disc(r: float, x: float = 0, y: float = 0) -> str:
    a, b = number(x - r), number(r)
    return f"M{a} {number(y)}a{b} {b} 0 1 0 {number(2 * r)} 0a{b} {b} 0 1 0-{number(2 * r)} 0Z"


def _star(points: int, outer: float, inner: float) -> str:
    corners = []
    for index in range(points * 2):
        radius = inner if index % 2 else outer
        angle = math.pi * index / points - math.pi / 2
        corners.append(f"{number(radius * math.cos(angle))} {number(radius * math.sin(angle))}")
    return "M" + "L".join(corners) + "Z"


def _spokes(count: int, inner: float, outer: float) -> str:
    return "".join(
        f"M{number(inner * math.cos(a))} {number(inner * math.sin(a))}"
        f"L{number(outer * math.cos(a))} {number(outer * math.sin(a))}"
        for a in (2 * math.pi * index / count for index in range(count))
    )


EMBLEMS: Final[dict[str, tuple[Part, ...]]] = {
    "bat": (
        ("f", "M0-14L-6-26L-9-14C-24-34-42-30-52-22C-42-18-40-8-42 2C-34-4-28-2-24 8"
              "C-18 2-12 4-6 16L0 30"
         "L6 16C12 4 18 2 24 8C28-2 34-4 42 2C40-8 42-18 52-22C42-30 24-34 9-14L6-26Z", "a"),
        ("f", "M-6-8L-2-6L-6-4ZM6-8L2-6L6-4Z", "b"),
    ),
    "book": (
        ("f", "M-46-26Q-22-36 0-22Q22-36 46-26V30Q22 20 0 34Q-22 20-46 30Z", "a"),
        ("s", "M0-22V34M-36-14Q-22-18-10-12M-36-2Q-22-6-10 0M-36 10Q-22 6-10 12M36-14Q22-18 10-12"
         "M36-2Q22-6 10 0M36 10Q22 6 10 12", "c"),
    ),
    "bottle": (
        ("f", "M-9-46H9V-18C10-10 26 0 26 22Q26 42 16 44H-16Q-26 42-26 22C-26 0-10-10-9-18Z", "a"),
        ("f", "M-23 14Q0 4 23 14Q25 38 15 40H-15Q-25 38-23 14Z", "b"),
        ("f", "M-11-52H11V-44H-11Z" + _disc(3, -6, 24) + _disc(2, 6, 18) + _disc(2.4, 4, 31), "c"),
    ),
    "camera": (
        ("f", "M-40-10H16V36H-40ZM16 2L44-12V38L16 24Z"
         + _disc(17, -28, -28) + _disc(17, 4, -28), "a"),
        ("f", _disc(7, -28, -28) + _disc(7, 4, -28) + _disc(11, -12, 13), "c"),
        ("f", _disc(6, -12, 13), "b"),
    ),
    "candle": (
        ("f", "M-14-10H14V34H-14ZM-34 34H34Q30 46 0 46T-34 34Z", "a"),
        ("f", "M0-50C14-32 10-20 0-16C-10-20-14-32 0-50Z", "b"),
        ("s", "M0-14V-8M-14 0Q-10 14-12 18M10-10Q12 6 6 12", "c"),
    ),
    "car": (
        ("f", "M-52 20V2Q-50-6-38-6L-24-30H14L26-6L48 0Q54 4 52 20Z", "a"),
        ("f", "M-28-8L-20-24H-6V-8ZM0-8V-24H11L19-8Z"
         + _disc(13, -30, 22) + _disc(13, 30, 22), "c"),
        ("f", _disc(5, -30, 22) + _disc(5, 30, 22) + _disc(4, 49, 6), "b"),
    ),
    "castle": (
        ("f", "M-40 44V-18H-34V-26H-26V-18H-20V-26H-12V2H-8V-36L0-54"
              "L8-36V2H12V-26H20V-18H26V-26H34V-18H40V44Z", "a"),
        ("f", "M-9 44V26Q0 12 9 26V44ZM-30-6H-24V6H-30ZM24-6H30V6H24ZM-3-26H3V-14H-3Z", "c"),
    ),
    "clock": (
        ("f", _disc(46), "a"),
        ("f", _disc(38), "c"),
        ("s", _spokes(12, 31, 35), "a"),
        ("s", "M0 0L-6-28M0 0L20 12", "b"),
        ("f", _disc(4), "b"),
    ),
    "crown": (
        ("f", "M-42 28L-48-22L-22 0L0-36L22 0L48-22"
              "L42 28Z" + _disc(6, -48, -26) + _disc(6, 0, -42) + _disc(6, 48, -26), "a"),
        ("f", "M-42 32H42V42H-42Z" + _disc(5, 0, 14) + _disc(4, -22, 16) + _disc(4, 22, 16), "b"),
    ),
    "dinosaur": (
        ("f", "M-54 26C-36 24-34-4-10-10C8-14 14-22 16-38C18-52 42-52 46-38L34-32C28-30 32-14 28-2"
         "C26 8 22 12 20 16L22 42H10L8 22H-10L-12 42H-24L-24 18C-34 28-44 32-54 26Z", "a"),
        ("f", _disc(2.4, 32, -42), "b"),
        ("s", "M-20 0Q-8-4 4-4M-12 8Q-4 4 6 6", "c"),
    ),
    "eye": (
        ("f", "M-52 0Q0-50 52 0Q0 50-52 0Z", "a"),
        ("f", _disc(22), "b"),
        ("f", _disc(11), "c"),
        ("s", "M-38-26L-46-38M-20-36L-24-50M0-40V-54M20-36L24-50M38-26L46-38", "a"),
    ),
    "gear": (
        ("f", "".join(f"M{number(40 * math.cos(t) - 7)} {number(40 * math.sin(t) - 7)}h14v14h-14Z"
                      for t in (math.pi * k / 5 for k in range(10))) + _disc(38), "a"),
        ("f", _disc(25), "c"),
        ("s", _spokes(5, 8, 28), "a"),
        ("f", _disc(10), "b"),
    ),
    "gun": (
        ("f", "M-50-22H46V-6H10L6 6H-10L-22 36H-46L-34-4L-50-8ZM-42-28H-34V-22H-42Z"
              "M38-28H44V-22H38Z", "a"),
        ("f", "M-12-20H10V-4H-12Z", "b"),
        ("s", "M-8 6Q-2 16 6 6M-38 20L-28 24M-36 12L-25 16", "c"),
    ),
    "hand": (
        ("f", "M-24 50V16L-42-8Q-44-18-34-14L-22 0V-38Q-17-46-12-38V-8L-8-46Q-2-54 3-46L3-8"
              "L10-42Q17-48 20-40"
         "L16-6L26-28Q34-32 35-24L26 14L22 50Z", "a"),
        ("s", "M-16 12Q0 2 16 10M-18 22Q-4 14 4 32", "c"),
    ),
    "hat": (
        ("f", "M-28 14C-32-44 32-44 28 14ZM-50 18Q-30 6 0 8T50 18Q30 34 0 32T-50 18Z", "a"),
        ("f", "M-29 4Q0-4 29 4L28 14Q0 6-28 14Z", "b"),
    ),
    "heart": (
        ("f", "M0 44C-60 4-44-40-18-38Q-4-36 0-22Q4-36 18-38C44-40 60 4 0 44Z", "a"),
        ("s", "M-26-26Q-36-18-32-4", "b"),
    ),
    "helmet": (
        ("f", "M-42 12C-46-48 46-48 42 12Q52 16 52 22Q0 8-52 22Q-52 16-42 12Z", "a"),
        ("s", "M-28-12C-24-28-12-32-4-33", "b"),
        ("s", "M-36 22Q-20 52 0 48T36 22", "c"),
    ),
    "horseshoe": (
        ("f", "M-24 46H-40C-58-60 58-60 40 46H24C40-34-40-34-24 46Z", "a"),
        ("f", _disc(3, -36, 26) + _disc(3, -37, 2) + _disc(3, -24, -20) + _disc(3, 0, -29)
         + _disc(3, 24, -20)
         + _disc(3, 37, 2) + _disc(3, 36, 26), "c"),
    ),
    "house": (
        ("f", "M-40 44V-10L-46-8L-4-46L8-36V-46H18V-28L44-6L38-10L30 44Z", "a"),
        ("f", "M-8 44V20H10V44Z", "c"),
        ("f", "M-28-2H-14V12H-28ZM14-4H26V10H14ZM-8-24H4V-14H-8Z", "b"),
    ),
    "key": (
        ("f", _disc(22, 0, -26) + "M-5-8H5V48H-5ZM5 22H20V30H5ZM5 36H16V44H5Z", "a"),
        ("f", _disc(11, 0, -26), "c"),
    ),
    "lantern": (
        ("s", "M-16-34Q0-62 16-34", "a"),
        ("f", "M-22-34H22L16-24H-16ZM-26 36H26V46H-26ZM-18-24H18L24 36H-24Z", "a"),
        ("f", "M-12-18H12L17 30H-17Z", "c"),
        ("f", "M0-12C14 4 10 18 0 24C-10 18-14 4 0-12Z", "b"),
    ),
    "leaf": (
        ("f", "M-4 50C-50 20-40-30 8-50C46-16 44 26-4 50Z", "a"),
        ("s", "M-10 54Q0 10 8-40M-2 26L-24 10M2 10L-22-10M2 20L28 2M5-6L28-20M5-8L-10-24", "c"),
    ),
    "magnifier": (
        ("f", _disc(32, -10, -12) + "M12 20L20 12L48 38Q46 48 38 46Z", "a"),
        ("f", _disc(25, -10, -12), "c"),
        ("s", "M-26-18Q-22-30-10-31", "b"),
    ),
    "mask": (
        ("f", "M-48-24Q-22-36 0-24Q22-36 48-24C50 10 30 46 0 48C-30 46-50 10-48-24Z", "a"),
        ("f", "M-36-8Q-22-20-8-6Q-22 4-36-8ZM36-8Q22-20 8-6Q22 4 36-8ZM-22 20Q0 34 22 20"
              "Q14 38 0 38T-22 20Z", "c"),
        ("s", "M-36-18Q-22-26-10-17M36-18Q22-26 10-17", "b"),
    ),
    "moon": (
        ("f", _disc(46), "a"),
        ("f", _disc(8, -20, -18) + _disc(5, 16, -26) + _disc(6, 24, 10) + _disc(4, -28, 12), "b"),
        ("f", _disc(6, -10, 4) + "M-16 24Q2 36 22 24Q10 42-16 24Z", "c"),
        ("f", "M6-14L30-30L36-22L14-4Z", "c"),
    ),
    "note": (
        ("f", _disc(13, -24, 32) + _disc(13, 24, 22)
         + "M-17 32V-34L37-46V22H29V-28L-9-20V32Z", "a"),
        ("s", "M-40-20Q-48-30-40-40M44-10Q52-16 48-28", "b"),
    ),
    "octopus": (
        ("f", "M-26 4C-36-56 36-56 26 4Q16 14 0 12T-26 4Z", "a"),
        ("s5", "M-22 6Q-32 34-50 24M-12 10Q-16 42-34 46M0 12Q-4 40 8 50M12 10Q20 40 34 40M22 6"
               "Q34 28 50 18", "a"),
        ("f", _disc(5, -10, -8) + _disc(5, 10, -8), "b"),
        ("f", _disc(2, -9, -8) + _disc(2, 11, -8), "c"),
    ),
    "plane": (
        ("f", "M-54-6L-40-8L-30 0C0-8 30-6 48 4Q54 10 44 14C10 20-20 16-40 8L-54 10L-48 2Z", "a"),
        ("f", "M-16-26H28V-20H-16ZM-14 20H28V26H-14Z", "a"),
        ("s", "M-6-22L0 0M20-22V2M-4 14V22M20 14V22M52-14V32", "b"),
    ),
    "ring": (
        ("f", _disc(32, 0, 14), "a"),
        ("f", _disc(24, 0, 14), "c"),
        ("f", "M-18-38L-10-50H10L18-38L0-16Z", "b"),
        ("s", "M-18-38H18M-6-38L0-18L6-38", "c"),
    ),
    "rocket": (
        ("f", "M0-54C24-32 24 4 14 26H-14C-24 4-24-32 0-54ZM-15 4L-32 34L-12 26ZM15 4L32 34"
              "L12 26Z", "a"),
        ("f", _disc(9, 0, -16), "c"),
        ("f", "M-9 28H9L0 54Z" + _disc(5, 0, -16), "b"),
    ),
    "rose": (
        ("s", "M0 6Q-6 30 2 52M0 32Q14 30 22 18M-1 38Q-16 36-22 26", "b"),
        ("f", "M22 18Q10 18 4 32Q18 32 22 18ZM-22 26Q-12 24-4 38Q-18 38-22 26Z", "b"),
        ("f", "M0 10C-34 8-36-30-16-38Q-6-50 4-42Q24-46 28-28C34-6 20 10 0 10Z", "a"),
        ("s", "M-16-22Q0-38 16-24Q20-8 2-6Q-14-8-8-18Q0-26 8-18", "b"),
    ),
    "ship": (
        ("f", "M-48 20H48L34 42H-34ZM-2-50H3V20H-2Z", "a"),
        ("f", "M-6-44V14H-42Q-38-24-6-44ZM8-36Q38-18 40 14H8Z", "b"),
        ("s", "M-52 48q9-8 18 0t17 0 17 0 17 0 17 0 17 0", "a"),
    ),
    "skull": (
        ("f", "M-38-8C-40-56 40-56 38-8C38 6 30 12 24 16V36H-24V16C-30 12-38 6-38-8Z", "a"),
        ("f", _disc(11, -16, -6) + _disc(11, 16, -6) + "M0 6L6 18H-6Z", "c"),
        ("s", "M-12 24V36M0 24V36M12 24V36", "c"),
    ),
    "star": (("f", _star(5, 50, 20), "a"), ("f", _star(5, 26, 10.5), "b")),
    "sword": (
        ("f", "M-6-24L0-54L6-24V20H-6ZM-28 20H28V28H-28ZM-5 28H5V44H-5Z" + _disc(7, 0, 48), "a"),
        ("s", "M0-42V16", "c"),
        ("f", _disc(3.4, 0, 24) + _disc(3, 0, 48), "b"),
    ),
    "train": (
        ("f", "M-50 18V-36H-18V-30H-22V-10H28V-34L24-44H44L40-34V-10Q50-8 50 6V18Z", "a"),
        ("f", "M-42-26H-28V-12H-42Z" + _disc(6, 46, -2), "b"),
        ("f", _disc(14, -32, 26) + _disc(10, 4, 30) + _disc(10, 32, 30), "c"),
        ("s", "M-32 26H4H32M50 18L58 36H40", "a"),
    ),
    "wheel": (
        ("f", _disc(48), "a"),
        ("f", _disc(38), "c"),
        ("s5", _spokes(10, 8, 40), "a"),
        ("f", _disc(11), "a"),
        ("f", _disc(5), "b"),
    ),
}  # fmt: skip


def emblem(name: str, palette: Palette, ground: str) -> str:
    """Return the named thing; ``ground`` is the colour behind it, for its hollows."""
    colours = {"a": palette.accent, "b": mix(palette.glow, palette.mid, 0.45), "c": ground}
    parts = []
    for kind, data, colour in EMBLEMS[name]:
        if kind == "f":
            parts.append(solid(data, colours[colour]))
        else:
            parts.append(line(data, colours[colour], 5.5 if kind == "s5" else 3))
    return "".join(parts)
