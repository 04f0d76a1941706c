"""Heads: seen from the front half lit, as busts against the light, and in profile.

A head's own coordinates have their origin between the eyes' height and the nose; it is 40 wide and
52 high, so that hats and hair fit whoever wears them.
"""

from __future__ import annotations

from random import Random
from typing import Final

from examples.artwork.palette import Palette, circle, line, mix, path, solid

HEAD: Final = "M-20-2C-20-19-12-27 0-27S20-19 20-2C20 9 15 17 9 23Q0 30-9 23C-15 17-20 9-20-2Z"
NECK: Final = "M-10 14L-10 36Q0 44 10 36L10 14Z"
SHOULDERS: Final = "M-66 140V100C-62 54-40 46-11 34Q0 44 11 34C40 46 62 54 66 100V140Z"
LIT: Final = (
    "M1-27C13-27 20-19 20-2C20 9 15 17 9 23Q5 27 0 27L0 21L2 18L-1 16L1 14L0 11L-5 9L-1-5L-3-11Z"
)

HATS: Final = {
    "bowler": "M-21-14C-23-46 23-46 21-14ZM-31-12Q-20-20 0-19T31-12Q0-7-31-12Z",
    "fedora": "M-20-15L-16-38Q-8-36-1-41Q8-36 15-40L20-15ZM-37-8Q-22-22 0-20T37-12"
    "Q10-9-4-10T-37-8Z",
    "stetson": "M-19-14Q-19-45-8-45Q0-38 8-45Q19-45 19-14ZM-46-22Q-24-16 0-17T46-22"
    "Q28-6 0-9T-46-22Z",
    "tophat": "M-18-16L-20-56L20-56L18-16ZM-31-14Q0-21 31-14Q0-8-31-14Z",
    "boater": "M-19-17L-19-33L19-33L19-17ZM-33-13L-33-18L33-18L33-13Z",
    "helmet": "M-26-8C-27-41 27-41 26-8Q0-15-26-8ZM-30-5Q0-14 30-5L27-11Q0-19-27-11Z",
    "crown": "M-21-15L-25-43L-12-30L0-47L12-30L25-43L21-15Q0-20-21-15Z",
    "turban": "M-22-10C-34-34-14-48 4-44C28-42 32-22 22-10Q0-18-22-10Z",
    "bandana": "M-22-10C-24-34 24-34 22-10Q0-17-22-10ZM20-12L36-2L30-14L38-20Z",
    "plume": "M-20-14L-14-30Q0-36 14-30L20-14ZM-40-8Q0-26 40-14Q10-8-40-8ZM8-28Q38-66 54-34"
    "Q36-46 16-20Z",
    "goggles": "M-22-6C-25-36 25-36 22-6L22 2Q0-18-22 2Z",
}

HAIR: Final = {
    "bob": "M-17 16Q-33 14-25-12C-22-38 22-38 25-12Q33 14 17 16Q22-2 15-12Q0-20-15-12Q-22-2-17 16Z",
    "long": "M-15 40Q-37 24-26-10C-22-40 22-40 26-10Q37 24 15 40Q24 4 14-11Q-2-17-15-10"
    "Q-24 6-15 40Z",
    "slick": "M-21 0Q-25-34 2-33Q25-33 21 0Q18-12 12-15Q-8-13-15-17Q-19-12-21 0Z",
    "curls": "M-20 8a8 8 0 0 1-5-13a9 9 0 0 1 3-16a10 10 0 0 1 15-12a11 11 0 0 1 19 1"
    "a10 10 0 0 1 11 13a9 9 0 0 1 2 15a8 8 0 0 1-5 12Q21-6 13-13Q-2-17-13-12Q-21-6-20 8Z",
    "hood": "M-40 70Q-38-44 0-46Q38-44 40 70L24 60Q26-22 0-24Q-26-22-24 60Z",
    "bald": "M-20-8L-31-20Q-28-2-20 3ZM20-8L31-20Q28-2 20 3Z",
}

BARE_LIPPED: Final = frozenset({*HATS, "bald", "slick"} - {"crown", "goggles", "turban"})
"""Wear that goes with plain lips, and with a moustache as often as not."""

GENRE_HEADS: Final = {
    "Adventure": ("bandana", "plume", "turban", "slick", "long"),
    "Animation": ("boater", "bowler", "curls"),
    "Comedy": ("bowler", "boater", "bob", "tophat", "curls"),
    "Crime": ("fedora", "bob", "slick", "fedora"),
    "Documentary": ("hood", "slick"),
    "Drama": ("bob", "slick", "long", "curls"),
    "Fantasy": ("crown", "hood", "turban", "long"),
    "Film noir": ("fedora", "long", "slick", "fedora"),
    "Horror": ("bald", "hood", "tophat", "long", "bald"),
    "Musical": ("tophat", "curls", "bob"),
    "Romance": ("bob", "curls", "slick", "long"),
    "Science fiction": ("goggles", "slick", "bob"),
    "Thriller": ("fedora", "bob", "hood"),
    "War": ("helmet", "goggles", "helmet"),
    "Western": ("stetson", "stetson", "bandana", "long"),
}
"""What the people of a genre wear: names of hats or hair."""

PROFILE: Final = (
    "M-70 118C-66 74-34 72-27 52C-45 40-51 10-44-15C-37-45-8-55 14-47C28-42 33-30 33-20"
    "C33-14 30-11 32-7C36 1 42 7 43 11C43 15 36 15 35 17C35 20 39 21 38 24C36 26 36 26 37 28"
    "C39 31 35 33 34 35C36 40 36 45 30 48C22 51 12 48 8 53C6 66 12 72 32 80C48 88 52 102 54 118Z"
)
PROFILE_WEAR: Final = {
    "none": "",
    "bun": "M-30-24C-62-48-78-8-50 6C-48-6-44-16-30-24Z",
    "waves": "M22-46C-4-66-56-54-54-12C-58 8-66 34-44 54C-34 60-26 56-24 46C-36 28-20 6-6-4"
    "C2-16 10-26 22-46Z",
    "fedora": "M-48-24L-38-62Q-14-74 20-62L34-30ZM-66-14Q-40-36 0-34T60-26Q20-20-10-20T-66-14Z",
    "cap": "M-48-20C-50-66 26-66 34-28L56-22Q30-20 4-26T-48-20Z",
}


def wearing(hint: str, random: Random) -> str:
    """Choose what a person of a genre wears."""
    options = GENRE_HEADS[hint]
    return options[int(random.random() * len(options))]


def bust(wear: str, fill: str) -> str:
    """Return head, wear and shoulders as one silhouette."""
    return solid(HEAD + NECK + SHOULDERS + HATS.get(wear, "") + HAIR.get(wear, ""), fill)


def _eyes(wear: str, palette: Palette, lit: str, shade: str) -> str:
    if wear == "goggles":
        rims = "".join(circle(x, -3, 8, palette.dark) for x in (-9, 9))
        return rims + circle(-9, -3, 5.4, palette.mid) + circle(9, -3, 5.4, palette.glow)
    if wear == "bald":
        hollows = "".join(circle(x, -3, 6, palette.dark) for x in (-8, 8))
        return hollows + "".join(circle(x, -3, 2, palette.accent) for x in (-8, 8))
    right = path("M3-3Q9-9 15-3Q9 1 3-3Z", palette.dark) + circle(9.5, -3.6, 1.1, lit)
    left = path("M-3-3Q-9-9-15-3Q-9 1-3-3Z", lit, 'opacity=".8"') + circle(-9, -3.6, 2.2, shade)
    brows = line("M3-10Q9-14 16-9", palette.dark, 1.7) + line("M-3-10Q-9-14-16-9", lit, 1.3)
    return right + left + brows


def _mouth(wear: str, palette: Palette, shade: str, random: Random) -> str:
    if wear not in BARE_LIPPED:
        return path(
            "M-7 16.5Q-3 14 0 15.5Q3 14 7 16.5Q0 21.5-7 16.5Z", mix("#c4252f", palette.mid, 0.25)
        )
    lips = path("M-7 17Q0 15 7 17Q0 19.4-7 17Z", mix(shade, palette.mid, 0.3))
    moustache = (
        "M-5 13.4L5 13.4L4 10L-4 10Z"
        if wear == "bowler"
        else "M-10 14Q-5 8 0 11Q5 8 10 14Q4 12 0 13Q-4 12-10 14Z"
    )
    return lips + (path(moustache, palette.dark) if random.random() < 0.6 else "")


def portrait(wear: str, palette: Palette, random: Random) -> str:
    """Return a face from the front, one half in light."""
    lit = mix(palette.accent, palette.glow, 0.18)
    shade = mix(palette.dark, palette.mid, 0.45)
    cloth = mix(palette.dark, palette.mid, 0.16)
    parts = [path(HAIR[wear], palette.dark)] if wear in ("long", "hood") else []
    parts += [
        path(SHOULDERS, cloth),
        path("M11 34C40 46 62 54 66 100L54 100C52 62 36 52 11 40Z", lit, 'opacity=".35"'),
        path(NECK, mix(shade, palette.dark, 0.3)),
        path("M1 24L10 19L10 36Q6 40 3 40Z", lit, 'opacity=".8"'),
        path(HEAD, shade),
        path(LIT, lit),
        _eyes(wear, palette, lit, shade),
        _mouth(wear, palette, shade, random),
    ]
    if wear == "bald":
        parts.append(path("M-4 17L-2.4 23L-1 17ZM2 17L3.6 23L5 17Z", palette.accent))
    if wear in HATS:
        parts.append(path(HATS[wear], palette.dark))
        parts.append(line("M-18-19Q0-25 18-19", palette.glow, 2.4, 'opacity=".75"'))
    elif wear not in ("long", "hood"):
        parts.append(path(HAIR[wear], shade if wear == "bald" else palette.dark))
    elif wear == "long":
        parts.append(path("M-21 0Q-26-33 2-33Q25-33 21 0Q17-18 4-22Q-14-18-21 0Z", palette.dark))
    return "".join(parts)


def profile(wear: str, fill: str, rim: str) -> str:
    """Return a head and shoulders in profile, facing right, with a rim of light on the face."""
    edge = (
        "M14-47C28-42 33-30 33-20C33-14 30-11 32-7C36 1 42 7 43 11C43 15 36 15 35 17C35 20 39 21 "
        "38 24C36 26 36 26 37 28C39 31 35 33 34 35C36 40 36 45 30 48C22 51 12 48 8 53"
    )
    return solid(PROFILE + PROFILE_WEAR[wear], fill) + line(edge, rim, 1.6, 'opacity=".9"')
