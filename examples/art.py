"""Renders every artwork of the example catalog as an SVG file, with a page that shows them all.

``python examples/art.py --out build/art``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape, quoteattr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from examples.artwork.compose import Brief, draw
from examples.catalog_files import Facts, read_facts, read_titles

STYLE: Final = (
    "body{margin:2rem;background:#111;color:#eee;font:15px/1.4 system-ui,sans-serif}"
    "h2{margin:2rem 0 .5rem;font-weight:500}small{color:#999}"
    "div{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:10px}"
    "img{width:100%;border-radius:6px;display:block}"
)


def briefs(facts: Facts) -> Iterator[tuple[str, list[Brief]]]:
    """Yield each title's id with what its artworks shall show."""
    for title in read_titles():
        film = facts.titles[title.id]
        credit = f"{film.year} · {film.director}"
        yield (
            title.id,
            [
                Brief(
                    artwork=artwork.id,
                    name=film.name,
                    credit=credit,
                    setting=film.setting,
                    emblem=film.emblem,
                    **{
                        name: str(artwork.features[name])
                        for name in ("subject", "palette", "mood", "genre_hint")
                    },
                )
                for artwork in title.artworks
            ],
        )


def write_all(out: Path) -> int:
    """Write every artwork and ``index.html`` into ``out``; return how many artworks."""
    out.mkdir(parents=True, exist_ok=True)
    facts = read_facts()
    sections, count = [], 0
    for title_id, wanted in briefs(facts):
        film = facts.titles[title_id]
        images = []
        for brief in wanted:
            (out / f"{brief.artwork}.svg").write_text(draw(brief), encoding="utf-8")
            label = quoteattr(brief.artwork)
            images.append(
                f'<img src="{brief.artwork}.svg" alt={label} title={label} loading="lazy">'
            )
        count += len(wanted)
        sections.append(
            f"<h2>{escape(film.name)} <small>{film.year}, {escape(film.director)}</small></h2>"
            f"<div>{''.join(images)}</div>"
        )
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Example artworks</title>'
        f"<style>{STYLE}</style><h1>Example artworks</h1>{''.join(sections)}</html>\n"
    )
    (out / "index.html").write_text(page, encoding="utf-8")
    return count


def main() -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/art"), help="directory to write to")
    out = parser.parse_args().out
    print(f"{write_all(out)} artworks in {out}; open {out / 'index.html'}")


if __name__ == "__main__":
    main()
