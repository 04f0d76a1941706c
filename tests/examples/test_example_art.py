"""The drawings: every artwork is a small, well-formed, accessible SVG, and always the same one."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from examples.art import briefs, write_all
from examples.artwork.compose import COMPOSITIONS, Brief, draw
from examples.artwork.lettering import FACES, Box, fit, text_width
from examples.artwork.light import LIGHTS
from examples.artwork.palette import PALETTES
from examples.artwork.scenes import SCENES
from examples.catalog_files import read_facts

SVG = "{http://www.w3.org/2000/svg}"
BYTES_MAX = 6 * 1024
BRIEFS = [brief for _, wanted in briefs(read_facts()) for brief in wanted]
SAMPLE = BRIEFS[0]


@pytest.fixture(scope="module")
def drawings() -> dict[str, str]:
    return {brief.artwork: draw(brief) for brief in BRIEFS}


def test_every_artwork_is_small_well_formed_and_titled(drawings: dict[str, str]) -> None:
    assert len(drawings) == len(BRIEFS)
    for brief in BRIEFS:
        drawn = drawings[brief.artwork]
        assert len(drawn.encode()) < BYTES_MAX, brief.artwork
        root = ET.fromstring(drawn)
        title = root.find(f"{SVG}title")
        assert title is not None
        assert title.text is not None
        assert title.text.startswith(brief.name)
        assert root.get("aria-labelledby") == title.get("id")
        assert root.get("viewBox") == "0 0 320 180"


def test_nothing_comes_from_elsewhere(drawings: dict[str, str]) -> None:
    for drawn in drawings.values():
        assert "href" not in drawn
        assert "<image" not in drawn
        assert "nan" not in drawn


def test_the_same_brief_gives_the_same_drawing_and_artworks_differ(
    drawings: dict[str, str],
) -> None:
    assert all(draw(brief) == drawings[brief.artwork] for brief in BRIEFS[:50])
    assert len(set(drawings.values())) == len(drawings)


@pytest.mark.parametrize("subject", sorted(COMPOSITIONS))
@pytest.mark.parametrize("hint", sorted(FACES))
def test_every_subject_can_be_drawn_for_every_genre(subject: str, hint: str) -> None:
    for mood, palette, setting in zip(
        sorted(LIGHTS), sorted(PALETTES), sorted(SCENES), strict=False
    ):
        brief = SAMPLE._replace(
            artwork=f"x.{subject}-{mood}",
            subject=subject,
            genre_hint=hint,
            mood=mood,
            palette=palette,
            setting=setting,
        )
        ET.fromstring(draw(brief))


def test_names_are_escaped() -> None:
    root = ET.fromstring(draw(SAMPLE._replace(name='<b> & "Q"', credit="1920 · A & <B>")))
    title = root.find(f"{SVG}title")
    assert title is not None
    assert (title.text or "").startswith('<b> & "Q"')
    assert root.find(f".//{SVG}b") is None


def test_lettering_stays_in_its_box() -> None:
    box = Box(10, 10, 120, 60)
    for brief in BRIEFS:
        face = FACES[brief.genre_hint]
        lines, size = fit(brief.name, box, face, 30)
        assert size > 4, brief.name
        assert " ".join(lines).lower() == brief.name.lower()
        assert max(text_width(line, face) for line in lines) * size <= box.width + 1e-6
        assert len(lines) * size <= box.height


def test_all_files_are_written_with_a_contact_sheet(tmp_path: Path) -> None:
    assert write_all(tmp_path) == len(BRIEFS)
    sheet = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert all(f'src="{brief.artwork}.svg"' in sheet for brief in BRIEFS)
    assert (tmp_path / f"{SAMPLE.artwork}.svg").read_text(encoding="utf-8") == draw(SAMPLE)


def test_an_unknown_subject_is_refused() -> None:
    with pytest.raises(KeyError):
        draw(Brief(**{**SAMPLE._asdict(), "subject": "smell"}))
