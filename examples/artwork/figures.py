"""Whole figures in movement, drawn as thick limbs: light, quick and legible when small.

A figure's coordinates have their origin between the hips; it is about 120 high.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from examples.artwork.palette import Palette, between, circle, group, line, mix, number, path

Figure = Callable[[Palette], str]


def _body(torso: str, limbs: tuple[str, ...], head: tuple[float, float], fill: str) -> str:
    return line("".join(limbs), fill, 8) + line(torso, fill, 19) + circle(*head, 10.5, fill)


def _runner(palette: Palette) -> str:
    body = _body(
        "M0 0L12-36",
        ("M0 2L26 18L14 46L26 48", "M-2 2L-24 26L-52 30L-56 22", "M14-40L36-22L54-32",
         "M10-40L-16-34L-28-14"),
        (22, -60),
        palette.dark,
    )  # fmt: skip
    coat = path("M4-44L-14 2L-40 16L-18 20L8 6Z", palette.dark)
    hat = path("M8-64L34-72L36-68L10-60ZM13-66L16-78L29-80L31-70Z", palette.dark)
    return coat + body + hat


def _fencer(palette: Palette, fill: str) -> str:
    body = _body(
        "M0 0L6-38",
        ("M2 2L34 14L36 46L46 47", "M-4 2L-26 22L-50 46L-60 44", "M8-42L34-42L54-50",
         "M4-42L-20-50L-26-70"),
        (12, -62),
        fill,
    )  # fmt: skip
    cape = path("M2-48C-24-40-40-16-62-10C-40 2-18 4-2-6Z", mix(fill, palette.mid, 0.35))
    hat = path(
        "M-6-68Q12-78 32-66Q12-64-6-68ZM4-70Q12-82 22-70ZM4-72Q-18-92-24-70Q-10-80 6-68Z", fill
    )
    return cape + body + hat + line("M52-50L116-74", palette.accent, 2.2)


def _duel(palette: Palette) -> str:
    far = group(_fencer(palette, mix(palette.dark, palette.mid, 0.4)), 118, 4, 0.86, "scale(-1 1)")
    return group(far + _fencer(palette, palette.dark), -34, 10, 0.8)


def _leaper(palette: Palette) -> str:
    body = _body(
        "M0 0L4-38",
        ("M2 2L32-8L54 10L62 4", "M-4 2L-28 18L-48 2L-58 6", "M8-42L32-58L50-78",
         "M2-42L-26-50L-44-70"),
        (6, -62),
        palette.dark,
    )  # fmt: skip
    hat = group(
        path("M-12 0L-11-12L11-12L12 0ZM-19 3L-19 0L19 0L19 3Z", palette.dark),
        18,
        -88,
        1,
        "rotate(18)",
    )
    return group(body + hat, 0, 14, 0.9)


def _rider(palette: Palette) -> str:
    horse = (
        path("M-52-8C-40-26 10-22 34-26C42-46 58-60 74-62L78-70L82-61L98-44Q96-34 86-38"
             "C74-36 66-24 56-4C40 10-30 14-52-8Z", palette.dark)
        + "".join(
            line(leg, palette.dark, 7)
            for leg in ("M46-4L72 6L66 28", "M38 2L58 22L84 26", "M-44-4L-62 18L-88 20",
                        "M-38 2L-52 30L-74 40")
        )
        + line("M-50-10C-70-18-82-6-98-12", palette.dark, 7)
    )  # fmt: skip
    rider = (
        line("M-4-30L4-62", palette.dark, 16)
        + line("M4-62L26-52L44-44", palette.dark, 6)
        + line("M0-60L-20-76L-14-98", palette.dark, 6)
        + line("M0-26L16-4L8 16", palette.dark, 8)
        + circle(8, -80, 9.5, palette.dark)
        + path("M-14-84Q8-94 30-86Q10-80-14-84ZM-1-88Q0-102 8-99Q18-102 18-88Z", palette.dark)
    )
    return group(horse + rider, 8, 12, 0.84)


def _dancers(palette: Palette) -> str:
    second = mix(palette.accent, palette.glow, 0.25)
    man = _body(
        "M-16 0L-12-42",
        ("M-16 2L-22 28L-34 50", "M-12 2L4 24L2 50", "M-10-44L14-50L34-64",
         "M-14-44L-2-24L14-22"),
        (-6, -64),
        palette.dark,
    )  # fmt: skip
    woman = (
        path("M16-42L28-40C26-18 52 8 66 40C44 52 20 48 6 40C14 12 12-14 16-42Z", second)
        + line("M24-42L40-52L34-64", second, 6)
        + line("M18-40L0-38L-14-30", second, 6)
        + line("M44 40L58 54", second, 5)
        + circle(24, -58, 9.5, second)
        + path("M14-62C14-74 36-76 34-56C30-64 22-66 14-62Z", palette.dark)
    )
    return man + woman


def _looming(palette: Palette) -> str:
    cloak = path(
        "M0-84C18-84 22-62 18-52C60-40 56 20 70 62L-70 62C-56 20-60-40-18-52C-22-62-18-84 0-84Z",
        palette.dark,
    )
    arms = line("M-28-34L-66-62L-74-96", palette.dark, 10) + line(
        "M28-34L66-62L74-96", palette.dark, 10
    )
    claws = "".join(
        line(f"M{x}-94L{x + dx}-114", palette.dark, 3) for x in (-74, 74) for dx in (-14, -5, 5, 14)
    )
    eyes = path("M-9-68L-2-65L-9-63ZM9-68L2-65L9-63Z", palette.accent)
    return group(cloak + arms + claws + eyes, 0, 4, 0.84)


def _biplane(palette: Palette) -> str:
    body = path("M-78-6C-40-16 30-18 58-8Q66 0 58 8C30 14-40 8-78 2Z", palette.dark)
    tail = path("M-80-4L-96-30L-78-30L-60-8Z", palette.dark)
    wings = path("M-10-40L46-44L52-36L-4-32ZM-16 14L46 16L50 24L-12 24Z", palette.dark)
    struts = line("M4-34L0 16M40-38L40 18", palette.dark, 2.4)
    propeller = line("M66-30L66 30", palette.accent, 2.4, 'opacity=".75"')
    return body + tail + wings + struts + circle(10, -18, 8, palette.dark) + propeller


def _rocket(palette: Palette) -> str:
    flame = path("M-58-12L-104 0L-58 12L-78 0Z", palette.accent)
    body = path("M-60-16C-20-26 30-24 76 0C30 24-20 26-60 16Z", palette.dark)
    fins = path("M-60-14L-84-38L-34-20ZM-60 14L-84 38L-34 20Z", palette.mid)
    return flame + fins + body + circle(24, 0, 8, palette.accent) + circle(-4, 0, 6, palette.glow)


FIGURES: Final[dict[str, tuple[tuple[Figure, float], ...]]] = {
    "Adventure": ((_duel, -4), (_duel, 4), (_rider, -6)),
    "Animation": ((_leaper, 0), (_dancers, 0)),
    "Comedy": ((_leaper, -6), (_runner, 0)),
    "Crime": ((_runner, 0),),
    "Documentary": ((_runner, 0),),
    "Drama": ((_runner, 0), (_dancers, 0)),
    "Fantasy": ((_duel, 0), (_leaper, -8)),
    "Film noir": ((_runner, 0),),
    "Horror": ((_looming, 0),),
    "Musical": ((_dancers, 0), (_leaper, 0)),
    "Romance": ((_dancers, 0),),
    "Science fiction": ((_rocket, -26),),
    "Thriller": ((_runner, 0), (_looming, 0)),
    "War": ((_biplane, -16), (_biplane, 14), (_runner, 0)),
    "Western": ((_rider, -4), (_rider, 4)),
}
"""What moves in a genre's action pictures, and by how many degrees it is turned."""

_IN_THE_AIR: Final = (_biplane, _rocket)


def action(hint: str, palette: Palette, x: float, random: Random) -> str:
    """Return a moving figure at ``x`` with lines of speed and the ground under it."""
    options = FIGURES[hint]
    figure, angle = options[int(random.random() * len(options))]
    flying = figure in _IN_THE_AIR
    streaks = "".join(
        line(
            f"M{number(x - between(random, 20, 84))} {number(y)}h{number(between(random, 24, 60))}",
            palette.accent,
            between(random, 0.8, 2.2),
            'opacity=".35"',
        )
        for y in (between(random, 24, 150) for _ in range(9))
    )
    ground = "" if flying else path("M-10 158Q160 146 330 158V190H-10Z", palette.dark)
    shadow = (
        ""
        if flying
        else f'<ellipse cx="{number(x)}" cy="157" rx="74" ry="6" fill="{palette.dark}"/>'
    )
    drawn = group(figure(palette), x, 92 if flying else 104, 1.05, f"rotate({angle})")
    return streaks + ground + shadow + drawn
