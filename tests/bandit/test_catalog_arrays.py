"""The arrays of a catalog say what its document says."""

from __future__ import annotations

import numpy as np
import pytest

from bandit.catalog import (
    INLINE_VERSION,
    Catalog,
    CatalogDocument,
    content_version,
    empty_catalog,
)
from bandit.features import ARTWORK, ROW, TITLE, Encoded, encode, encode_id
from bandit.sampling import item_key
from bandit.types import Artwork, Row, Title

DOCUMENT = CatalogDocument(
    [
        Title("t1", [Artwork("a1", {"mood": "calm", "light": 0.5}), Artwork("a2")], {"year": 1922}),
        Title("t2", [Artwork("a1", {"taste": [0.0, 2.0], "mood": "New York: 100 %"})]),
        Title("12", [Artwork("a3"), Artwork("a1"), Artwork("7", {"tags": ["x", "y", "x"]})]),
    ],
    [Row("r1", {"name": "Old"}, ["12", "t1"]), Row("r2"), Row("r3", {}, ["t2"])],
)
CATALOG = Catalog.build(DOCUMENT)


def same(found: Encoded, expected: Encoded) -> bool:
    return bool(
        np.array_equal(found.hashes, expected.hashes)
        and np.array_equal(found.values, expected.values)
        and found.hashes.dtype == np.uint32
        and found.values.dtype == np.float32
    )


def test_ids_and_offsets() -> None:
    assert CATALOG.version == content_version(DOCUMENT)
    assert CATALOG.title_ids == ["t1", "t2", "12"]
    assert CATALOG.artwork_ids == ["a1", "a2", "a1", "a3", "a1", "7"]
    assert CATALOG.row_ids == ["r1", "r2", "r3"]
    assert CATALOG.artwork_offsets.tolist() == [0, 2, 3, 6]
    assert CATALOG.artwork_offsets.dtype == np.intp


def test_items_are_found_by_id() -> None:
    assert CATALOG.title_index("12") == 2
    assert CATALOG.title_index("t9") is None
    assert CATALOG.row_index("r3") == 2
    assert CATALOG.row_index("t1") is None


@pytest.mark.parametrize(
    ("title", "artwork", "index"),
    [(0, "a1", 0), (0, "a2", 1), (1, "a1", 2), (1, "a2", None), (2, "a1", 4), (2, "zz", None)],
)
def test_artwork_is_found_within_its_title_only(
    title: int, artwork: str, index: int | None
) -> None:
    assert CATALOG.find_artwork(title, artwork) == index


def test_features_equal_the_encoder() -> None:
    artworks = [artwork for title in DOCUMENT.titles for artwork in title.artworks]
    for index, artwork in enumerate(artworks):
        ordered = dict(sorted(artwork.features.items()))
        assert same(CATALOG.artwork_features.one(index), encode(ARTWORK, ordered))
    for index, title in enumerate(DOCUMENT.titles):
        assert same(CATALOG.title_features.one(index), encode(TITLE, title.features))
    for index, row in enumerate(DOCUMENT.rows):
        assert same(CATALOG.row_features.one(index), encode(ROW, row.features))
        assert same(CATALOG.row_identity.one(index), encode_id(row.id))


def test_identity_of_an_artwork_is_qualified_by_its_title() -> None:
    names = ["t1/a1", "t1/a2", "t2/a1", "12/a3", "12/a1", "12/7"]
    for index, name in enumerate(names):
        assert same(CATALOG.artwork_identity.one(index), encode_id(name))
    assert CATALOG.artwork_identity.hashes.shape == (6, 1)


def test_sampling_keys_are_those_of_the_ids() -> None:
    assert CATALOG.title_keys.tolist() == [item_key(name) for name in CATALOG.title_ids]
    assert CATALOG.row_keys.tolist() == [item_key(name) for name in CATALOG.row_ids]


def test_order_of_features_does_not_show_in_the_arrays() -> None:
    first = Title("t1", [Artwork("a1", {"mood": "calm", "light": 0.5})], {"x": 1.0, "b": 2.0})
    second = Title("t1", [Artwork("a1", {"light": 0.5, "mood": "calm"})], {"b": 2.0, "x": 1.0})
    one, other = (Catalog.build(CatalogDocument([title])) for title in (first, second))
    assert one.version == other.version
    assert one.artwork_features.hashes.tolist() == other.artwork_features.hashes.tolist()
    assert one.title_features.values.tolist() == other.title_features.values.tolist()


def test_version_can_be_told() -> None:
    assert Catalog.build(DOCUMENT, version=INLINE_VERSION).version == "inline"


def test_empty_catalog_knows_nothing() -> None:
    catalog = empty_catalog()
    assert catalog.version == "empty"
    assert catalog.title_index("t1") is None
    assert catalog.artwork_offsets.tolist() == [0]
    assert catalog.artwork_identity.hashes.shape == (0, 1)
    assert catalog.title_keys.shape == (0,)
