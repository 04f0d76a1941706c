"""A wrong document is refused with the place and the mend of each fault."""

from __future__ import annotations

import pytest

from bandit.catalog import CatalogDocument, check_document
from bandit.catalog.checking import Places
from bandit.catalog.problems import PROBLEMS_MAX
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogError
from bandit.types import ARTWORKS_MAX, Artwork, Features, Row, Title

LIMITS = LimitsConfig(item_features_max=4)
ART = [Artwork("a1")]
GOOD = Title("t1", ART)
MIXED: Features = {"fine": 1.0, "taste": [1.0, "sweet"]}
MANY: Features = {"vector": [1.0, 2.0, 3.0, 4.0], "year": 1.0}

WRONG: list[tuple[CatalogDocument, str, str, str]] = [
    (CatalogDocument([]), "titles", "no title", "at least one"),
    (CatalogDocument([GOOD, GOOD]), "titles[1].id", "'t1' is taken by titles[0]", "of its own"),
    (CatalogDocument([Title("t1", [])]), "titles[0].artworks", "0 artworks", "between 1 and 64"),
    (
        CatalogDocument([Title("t1", [Artwork(f"a{n}") for n in range(ARTWORKS_MAX + 1)])]),
        "titles[0].artworks",
        "65 artworks",
        "between 1 and 64",
    ),
    (
        CatalogDocument([GOOD, Title("t2", [*ART, Artwork("a2"), *ART])]),
        "titles[1].artworks[2].id",
        "'a1' is taken by titles[1].artworks[0]",
        "of its own",
    ),
    (
        CatalogDocument([Title("t1", ART, MIXED)]),
        "titles[0].features.taste",
        "not both",
        "two features",
    ),
    (
        CatalogDocument([GOOD, Title("t2", [*ART, Artwork("a2", MIXED)])]),
        "titles[1].artworks[1].features.taste",
        "not both",
        "two features",
    ),
    (
        CatalogDocument([Title("t1", [Artwork("a1", MANY)])]),
        "titles[0].artworks[0].features",
        "5 features",
        "fewer",
    ),
    (CatalogDocument([GOOD], [Row("r1", MANY)]), "rows[0].features", "5 features", "fewer"),
    (CatalogDocument([GOOD], [Row("r1"), Row("r1")]), "rows[1].id", "'r1'", "of its own"),
    (
        CatalogDocument([GOOD], [Row("r1", {}, ["t1", "t2"])]),
        "rows[0].titles[1]",
        "'t2', which is not in the catalog",
        "add the title",
    ),
    (CatalogDocument([GOOD], [Row("r1", {}, ["t1", "t1"])]), "rows[0].titles[1]", "twice", "once"),
]


@pytest.mark.parametrize(
    ("document", "place", "text", "mend"),
    WRONG,
    ids=[f"{place}: {text}" for _, place, text, _ in WRONG],
)
def test_fault_is_named_with_place_and_mend(
    document: CatalogDocument, place: str, text: str, mend: str
) -> None:
    with pytest.raises(CatalogError) as caught:
        check_document(document, LIMITS)
    assert caught.value.place == place
    assert str(caught.value).startswith(f"{place}: ")
    assert text in caught.value.message
    assert mend in caught.value.hint


def test_equal_artwork_ids_of_different_titles_are_fine() -> None:
    check_document(
        CatalogDocument([GOOD, Title("t2", ART)], [Row("r1", {}, ["t2", "t1"]), Row("r2")]), LIMITS
    )


def test_all_faults_stand_in_one_error() -> None:
    document = CatalogDocument([GOOD, GOOD, Title("t3", ART, MIXED)], [Row("r1", {}, ["t9"])])
    with pytest.raises(CatalogError) as caught:
        check_document(document, LIMITS)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "titles[1].id",
        "titles[2].features.taste",
        "rows[0].titles[0]",
    ]
    assert all("(" in line for line in lines)
    assert "these 3 places" in caught.value.hint


def test_faults_end_at_the_limit() -> None:
    with pytest.raises(CatalogError) as caught:
        check_document(CatalogDocument([GOOD] * 1000), LIMITS)
    assert len(str(caught.value).splitlines()) == PROBLEMS_MAX
    assert "not looked at" in caught.value.hint


def test_place_of_an_item_can_be_a_line_of_a_file() -> None:
    with pytest.raises(CatalogError) as caught:
        check_document(
            CatalogDocument([GOOD, Title("t2", ART, MIXED)]),
            LIMITS,
            Places(title=lambda index: f"films.jsonl:{index + 10}"),
        )
    assert caught.value.place == "films.jsonl:11 features.taste"
