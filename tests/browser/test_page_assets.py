"""What the pages are made of: small, ours, and readable in light and in dark."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from server.pages import STATIC

OWN_BYTES_MAX = 200_000
CONTRAST_MIN = 4.5
LEGIBLE = [
    *(("text", f"surface{shade}") for shade in ("", "-1", "-2", "-3")),
    *(("text-2", f"surface{shade}") for shade in ("", "-1", "-2", "-3")),
    *((name, f"surface{shade}") for name in ("good", "bad", "warn") for shade in ("", "-1")),
    ("accent", "surface"),
    ("accent", "surface-1"),
    ("accent-ink", "accent"),
]
DEMO = STATIC / "demo"


def themes() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each block of colours of the theme, by its selector."""
    text = (STATIC / "shared" / "theme.css").read_text(encoding="utf-8")
    for selector, block in re.findall(r"(:root[^{]*)\{([^}]*)\}", text):
        colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block))
        if colours:
            yield selector.strip(), colours


def luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2.2) of ``#rrggbb``."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_reckoned_as_it_is_defined() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_texts_are_legible_in_every_theme() -> None:
    found = list(themes())
    assert len(found) == 3
    poor = {
        (selector, ink, paper): round(contrast(colours[ink], colours[paper]), 2)
        for selector, colours in found
        for ink, paper in LEGIBLE
        if contrast(colours[ink], colours[paper]) < CONTRAST_MIN
    }
    assert poor == {}


def test_dark_is_the_same_by_choice_and_by_the_system() -> None:
    (_, _), (_, chosen), (_, of_system) = themes()
    assert chosen == of_system


def test_the_demo_homepage_is_small_whole_and_asks_for_nothing_else() -> None:
    page = (DEMO / "index.html").read_text(encoding="utf-8")
    named = set(re.findall(r'(?:href|src)="/static/([^"]+)"', page))
    assert all((STATIC / name).is_file() for name in named)
    modules = {f"demo/{path.name}" for path in DEMO.glob("*.js")}
    assert modules <= named, "a module that is not preloaded delays the page"
    files = {*DEMO.iterdir(), *(STATIC / name for name in named)}
    assert sum(path.stat().st_size for path in files) < OWN_BYTES_MAX
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), path.name
        assert "style=" not in text, path.name
