"""Makes what the demo homepage shows: every artwork as an SVG file, and ``page.json``.

``python -m examples.demo_files --out build/demo``

``page.json`` has names of rows and titles, the page to ask for, the people one may be, and what of
their context can be changed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bandit.catalog import CatalogDocument
from bandit.config import load_config
from examples.art import briefs
from examples.artwork.compose import draw
from examples.catalog_files import HERE, Facts, read_document, read_facts
from examples.demo_viewers import Control, DemoViewer, controls, demo_viewers

CONFIG: Final = HERE / "marquee.toml"
ROWS_SHOWN: Final = 12
TITLES_A_ROW: Final = 12
ROWS_A_TITLE: Final = 2
PAGE: Final = "page.json"


class DemoTitle(msgspec.Struct, frozen=True):
    """What is told of a title besides its artwork."""

    name: str
    year: int
    country: str
    director: str
    genres: tuple[str, ...]
    minutes: int


class DemoRow(msgspec.Struct, frozen=True):
    """A row to ask for."""

    id: str
    name: str
    titles: list[str]


class DemoPage(msgspec.Struct, frozen=True):
    """All of ``page.json``."""

    rows: list[DemoRow]
    rows_shown: int
    titles: dict[str, DemoTitle]
    viewers: list[DemoViewer]
    controls: list[Control]


def page(document: CatalogDocument, facts: Facts) -> DemoPage:
    """Return what the homepage shows of a catalog."""
    titles = {
        title.id: msgspec.convert(facts.titles[title.id], DemoTitle, from_attributes=True)
        for title in document.titles
    }
    genres = sorted({genre for title in titles.values() for genre in title.genres})
    return DemoPage(
        rows=_rows(document, facts),
        rows_shown=ROWS_SHOWN,
        titles=titles,
        viewers=demo_viewers(load_config(CONFIG, {}).surfaces),
        controls=controls(genres),
    )


def _rows(document: CatalogDocument, facts: Facts) -> list[DemoRow]:
    """Put titles on rows, none on more than two: one a row in turn, rows with few titles first."""
    placed: dict[str, list[str]] = {row.id: [] for row in document.rows}
    uses = {title.id: 0 for title in document.titles}
    for _ in range(TITLES_A_ROW):
        for row in sorted(document.rows, key=lambda row: len(row.titles)):
            free = [
                title
                for title in row.titles
                if uses[title] < ROWS_A_TITLE and title not in placed[row.id]
            ]
            if free:
                title = min(free, key=uses.__getitem__)
                uses[title] += 1
                placed[row.id].append(title)
    return [DemoRow(row.id, facts.rows[row.id], placed[row.id]) for row in document.rows]


def write_all(out: Path) -> int:
    """Write the files into ``out``, which takes a fraction of a second; return how many artworks.

    Nothing is kept from run to run: what is shown is always what these files say.
    """
    art = out / "art"
    art.mkdir(parents=True, exist_ok=True)
    facts = read_facts()
    count = 0
    for _, wanted in briefs(facts):
        for brief in wanted:
            (art / f"{brief.artwork}.svg").write_text(draw(brief), encoding="utf-8")
        count += len(wanted)
    (out / PAGE).write_bytes(msgspec.json.encode(page(read_document(), facts)))
    return count


def main() -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="directory to write to")
    out = parser.parse_args().out
    print(f"{write_all(out)} artworks and {PAGE} in {out}; set pages.demo_directory to it")


if __name__ == "__main__":
    main()
