"""Versions of documents, patches to them, and their summary."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bandit.catalog import (
    CatalogDocument,
    CatalogPatch,
    apply_patch,
    canonical_bytes,
    content_version,
    decode_document,
    summarise,
)
from bandit.errors import CatalogError
from bandit.types import Artwork, Features, Row, Title


def title(name: str, features: Features | None = None) -> Title:
    return Title(name, [Artwork("a1", {"mood": "calm"}), Artwork("a2")], features or {})


DOCUMENT = CatalogDocument(
    [title("t1", {"year": 1922.0, "kind": "film"}), title("t2"), title("t3")],
    [Row("r1", {"name": "Old"}, ["t1", "t2"]), Row("r2", {}, ["t2"]), Row("r3", {}, ["t3"])],
)


def ids(items: list[Title] | list[Row]) -> list[str]:
    return [item.id for item in items]


def test_version_of_known_content_never_changes() -> None:
    assert content_version(DOCUMENT) == "cc7a6661d7a88146e"


def test_version_does_not_see_feature_order_or_whole_numbers() -> None:
    same = msgspec.structs.replace(
        DOCUMENT, titles=[title("t1", {"kind": "film", "year": 1922}), *DOCUMENT.titles[1:]]
    )
    assert content_version(same) == content_version(DOCUMENT)


@pytest.mark.parametrize(
    "changed",
    [
        CatalogDocument(DOCUMENT.titles[::-1], DOCUMENT.rows),
        CatalogDocument(DOCUMENT.titles, DOCUMENT.rows[::-1]),
        CatalogDocument([*DOCUMENT.titles[:2], title("t3", {"x": 1e-9})], DOCUMENT.rows),
        CatalogDocument(
            [
                Title("t1", DOCUMENT.titles[0].artworks[::-1], DOCUMENT.titles[0].features),
                *DOCUMENT.titles[1:],
            ],
            DOCUMENT.rows,
        ),
        CatalogDocument(
            DOCUMENT.titles, [Row("r1", {"name": "Old"}, ["t2", "t1"]), *DOCUMENT.rows[1:]]
        ),
    ],
    ids=["title order", "row order", "feature", "artwork order", "order within a row"],
)
def test_version_sees_every_change(changed: CatalogDocument) -> None:
    assert content_version(changed) != content_version(DOCUMENT)


def test_canonical_bytes_decode_to_the_document() -> None:
    assert decode_document(canonical_bytes(DOCUMENT)) == DOCUMENT


def test_canonical_bytes_refuse_what_types_do_not_allow() -> None:
    wrong: Any = {"mood": None}
    with pytest.raises(CatalogError) as caught:
        canonical_bytes(CatalogDocument([title("t1"), title("t2", wrong)]))
    assert caught.value.place == "titles[1].features.mood"


def test_patch_replaces_in_place_and_appends() -> None:
    patch = CatalogPatch(
        titles=[title("t4"), title("t2", {"year": 1.0})], rows=[Row("r2", {}, ["t4"]), Row("r4")]
    )
    patched = apply_patch(DOCUMENT, patch)
    assert ids(patched.titles) == ["t1", "t2", "t3", "t4"]
    assert patched.titles[1].features == {"year": 1.0}
    assert ids(patched.rows) == ["r1", "r2", "r3", "r4"]
    assert patched.rows[1].titles == ["t4"]
    assert patched.titles[0] is DOCUMENT.titles[0]


def test_removed_title_leaves_the_rows_too() -> None:
    patched = apply_patch(DOCUMENT, CatalogPatch(remove_titles=["t2"], remove_rows=["r3"]))
    assert ids(patched.titles) == ["t1", "t3"]
    assert [(row.id, row.titles) for row in patched.rows] == [("r1", ["t1"]), ("r2", [])]
    assert patched.rows[0].features == {"name": "Old"}
    assert ids(DOCUMENT.titles) == ["t1", "t2", "t3"]
    assert DOCUMENT.rows[1].titles == ["t2"]


@pytest.mark.parametrize(
    ("patch", "place", "text"),
    [
        (CatalogPatch(remove_titles=["t1", "t9"]), "remove_titles[1]", "'t9'"),
        (CatalogPatch(remove_rows=["r9"]), "remove_rows[0]", "'r9'"),
        (CatalogPatch(remove_titles=["t1", "t1"]), "remove_titles[1]", "twice"),
        (CatalogPatch(titles=[title("t1"), title("t1")]), "titles[1].id", "twice"),
        (CatalogPatch(titles=[title("t1")], remove_titles=["t1"]), "titles[0].id", "twice"),
        (CatalogPatch(rows=[Row("r7"), Row("r7")]), "rows[1].id", "'r7'"),
    ],
)
def test_wrong_patch_names_index_and_id(patch: CatalogPatch, place: str, text: str) -> None:
    with pytest.raises(CatalogError) as caught:
        apply_patch(DOCUMENT, patch)
    assert caught.value.place == place
    assert text in caught.value.message
    assert caught.value.hint


def test_patch_tells_all_unknown_ids_at_once() -> None:
    with pytest.raises(CatalogError) as caught:
        apply_patch(DOCUMENT, CatalogPatch(remove_titles=["x1"], remove_rows=["x2"]))
    assert "'x1'" in str(caught.value)
    assert "remove_rows[0]: 'x2'" in str(caught.value)


def test_patch_has_no_unknown_fields() -> None:
    with pytest.raises(msgspec.ValidationError, match="remove_title"):
        msgspec.json.decode(b'{"remove_title": ["t1"]}', type=CatalogPatch)


def test_summary_counts_items_and_features() -> None:
    summary = summarise(DOCUMENT)
    assert summary.version == content_version(DOCUMENT)
    assert summary.size_bytes == len(canonical_bytes(DOCUMENT))
    assert (summary.titles, summary.artworks, summary.rows) == (3, 6, 3)
    assert summary.title_features == {"year": 1, "kind": 1}
    assert summary.artwork_features == {"mood": 3}
    assert summary.row_features == {"name": 1}
