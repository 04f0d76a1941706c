"""What the demo homepage shows: names for all of it, people of every share, known words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from bandit.config import load_config
from bandit.sampling import share_of
from bandit.types import Features
from examples.catalog_files import read_document, read_facts
from examples.demo_files import CONFIG, PAGE, ROWS_A_TITLE, ROWS_SHOWN, DemoPage, page, write_all
from examples.simulated_viewers import homepage
from examples.viewer_countries import COUNTRIES, with_country

DOCUMENT = read_document()
MADE = page(DOCUMENT, read_facts())


def test_all_artworks_and_the_page_are_written(tmp_path: Path) -> None:
    count = write_all(tmp_path)
    art = {path.name for path in (tmp_path / "art").iterdir()}
    assert art == {f"{one.id}.svg" for title in DOCUMENT.titles for one in title.artworks}
    assert count == len(art)
    assert msgspec.json.decode((tmp_path / PAGE).read_bytes(), type=DemoPage) == MADE


def test_rows_hold_titles_of_theirs_that_are_not_everywhere() -> None:
    held = {row.id: set(row.titles) for row in DOCUMENT.rows}
    uses = Counter(title for row in MADE.rows for title in row.titles)
    assert len(MADE.rows) > ROWS_SHOWN
    assert max(uses.values()) <= ROWS_A_TITLE
    for row in MADE.rows:
        assert set(row.titles) <= held[row.id]
        assert len(row.titles) == len(set(row.titles)) >= 6
        assert row.name
    assert set(uses) <= set(MADE.titles)


def test_people_are_in_the_shares_that_they_stand_for() -> None:
    surfaces = load_config(CONFIG, {}).surfaces
    for surface in (surfaces.artwork, surfaces.rows):
        shares = {
            viewer.name: share_of(surfaces.salt, viewer.id, surface.holdout, surface.explore)
            for viewer in MADE.viewers
        }
        assert shares.pop("Hal") == "holdout"
        assert shares.pop("Uma") == "explore"
        assert len(shares) == 4
        assert set(shares.values()) == {"learned"}


def test_contexts_are_in_the_words_of_the_simulated_viewers() -> None:
    known = set(homepage(DOCUMENT, 1).context_names)
    known |= {f"country={country}" for country in COUNTRIES}
    offered = {
        f"{control.name}={choice.value}" for control in MADE.controls for choice in control.values
    }
    assert offered == known
    for viewer in MADE.viewers:
        for name, value in viewer.context.items():
            values = value if isinstance(value, list) else [value]
            assert {f"{name}={one}" for one in values} <= known
    (hour,) = [control for control in MADE.controls if control.kind == "hour"]
    assert len(hour.hours) == len(hour.values)
    assert hour.hours == sorted(hour.hours)


def test_countries_stay_and_tell_something_of_the_taste() -> None:
    def country(viewer: int, favourite: str) -> object:
        context: Features = {"favourite_genres": [favourite, "Western"], "device": "tv"}
        return with_country(context, f"viewer-{viewer}")["country"]

    assert country(1, "Horror") == country(1, "Horror")
    for favourite in ("Comedy", "Horror"):
        lived = Counter(country(viewer, favourite) for viewer in range(600))
        assert set(lived) == set(COUNTRIES)
        (_, most), (_, next_most) = lived.most_common(2)
        assert most == pytest.approx(350, abs=50)
        assert next_most < 90
    assert len({country(viewer, "Comedy") for viewer in range(20)}) > 1
