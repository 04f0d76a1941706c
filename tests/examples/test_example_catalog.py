"""The example catalog: made anew it is the same, it loads, and it holds what it promises."""

from __future__ import annotations

from bandit.catalog import check_document
from bandit.config.schema import LimitsConfig
from examples.catalog_files import CATALOG, HERE, read_document, read_facts
from examples.make_catalog import catalog_bytes, facts_bytes, read_films, slug

FILMS = read_films(HERE / "films.csv")
DOCUMENT = read_document()


def test_making_it_again_gives_the_same_bytes() -> None:
    assert CATALOG.read_bytes() == catalog_bytes(FILMS)
    assert (HERE / "facts.json").read_bytes() == facts_bytes(FILMS)


def test_it_passes_the_check_of_catalogs() -> None:
    check_document(DOCUMENT, LimitsConfig())


def test_it_is_as_large_as_promised() -> None:
    assert len(DOCUMENT.titles) >= 120
    assert all(4 <= len(title.artworks) <= 8 for title in DOCUMENT.titles)
    assert len(DOCUMENT.rows) >= 14
    assert all(len(row.titles) >= 5 for row in DOCUMENT.rows)


def test_films_were_published_before_1931_or_are_known_lapses() -> None:
    early = [film for film in FILMS if film.year < 1931]
    later = {film.name for film in FILMS if film.year >= 1931}
    assert len(early) >= 120
    assert {"Night of the Living Dead", "His Girl Friday", "Charade", "Detour"} <= later
    # Later films of other countries mostly had their copyright restored in 1996.
    foreign = {film.name for film in FILMS if film.year >= 1931 and film.country != "United States"}
    assert foreign == {"The Last Man on Earth"}


def test_facts_are_plausible() -> None:
    assert len({film.id for film in FILMS}) == len(FILMS)
    assert all(1895 <= film.year <= 1968 and 1 <= film.minutes <= 300 for film in FILMS)
    assert all(film.genres and film.director and film.country for film in FILMS)
    assert set(read_facts().titles) == {title.id for title in DOCUMENT.titles}
    assert set(read_facts().rows) == {row.id for row in DOCUMENT.rows}


def test_rows_overlap_and_use_most_titles() -> None:
    placed = [title for row in DOCUMENT.rows for title in row.titles]
    assert len(set(placed)) < len(placed)
    assert len(set(placed)) > 0.8 * len(DOCUMENT.titles)


def test_features_leave_out_what_names_a_title() -> None:
    for title in DOCUMENT.titles:
        assert set(title.features) == {"genres", "decade", "country", "hours"}
        for artwork in title.artworks:
            assert set(artwork.features) == {
                "subject",
                "palette",
                "mood",
                "person_shown",
                "genre_hint",
            }


def test_slug_drops_accents_and_signs() -> None:
    assert slug("Häxan: Don't, Ménil!") == "haxan-dont-menil"
