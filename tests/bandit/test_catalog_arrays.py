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
from bandit.types import Artwork, Features, Row, Title

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
    assert list(CATALOG.artwork_ids) == ["a1", "a2", "a1", "a3", "a1", "7"]
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
        assert same(CATALOG.row_identity(index), encode_id(row.id))


def test_identity_of_an_artwork_is_qualified_by_its_title() -> None:
    names = ["t1/a1", "t1/a2", "t2/a1", "12/a3", "12/a1", "12/7"]
    for index, name in enumerate(names):
        assert same(CATALOG.artwork_identity(index), encode_id(name))


def test_sampling_keys_are_those_of_the_ids() -> None:
    assert CATALOG.title_keys.tolist() == [item_key(name) for name in CATALOG.title_ids]
    assert CATALOG.row_keys.tolist() == [item_key(name) for name in CATALOG.row_ids]


def test_order_of_features_does_not_show_in_the_arrays() -> None:
    first = Title("t1", [Artwork("a1", {"mood": "calm", "light": 0.5})], {"x": 1.0, "b": 2.0})
    second = Title("t1", [Artwork("a1", {"light": 0.5, "mood": "calm"})], {"b": 2.0, "x": 1.0})
    one, other = (Catalog.build(CatalogDocument([title])) for title in (first, second))
    assert one.version == other.version
    assert_same_arrays(one, other)


def assert_same_arrays(one: Catalog, other: Catalog) -> None:
    arrays, others = one.to_arrays(), other.to_arrays()
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        assert array.dtype == others[name].dtype, name
        np.testing.assert_array_equal(array, others[name], err_msg=name)


def test_version_can_be_told() -> None:
    assert Catalog.build(DOCUMENT, version=INLINE_VERSION).version == "inline"


def test_empty_catalog_knows_nothing() -> None:
    catalog = empty_catalog()
    assert catalog.version == "empty"
    assert catalog.title_index("t1") is None
    assert catalog.artwork_offsets.tolist() == [0]
    assert catalog.artwork_hashes.shape == (0,)
    assert catalog.title_keys.shape == (0,)


def many_titles() -> CatalogDocument:
    """Make titles with more distinct artwork ids than are kept as strings."""
    titles = [
        Title(f"t{index}", [Artwork(f"{index}.{place}") for place in range(64)])
        for index in range(1100)
    ]
    return CatalogDocument([Title("é/ü", [Artwork("ö"), Artwork("0.1")]), *titles])


@pytest.mark.parametrize("document", [DOCUMENT, CatalogDocument([]), many_titles()])
def test_arrays_hold_the_whole_catalog(document: CatalogDocument) -> None:
    built = Catalog.build(document, version="v")
    arrays = built.to_arrays()
    for name, array in arrays.items():
        assert array.flags.c_contiguous, name
        assert array.dtype.kind in "uif", name
        array.flags.writeable = False
    catalog = Catalog.from_arrays(built.version, arrays)
    assert catalog.version == built.version
    assert catalog.title_ids == [title.id for title in document.titles]
    assert catalog.row_ids == [row.id for row in document.rows]
    ids = [artwork.id for title in document.titles for artwork in title.artworks]
    assert list(catalog.artwork_ids) == ids
    places = np.arange(len(ids))[::-3]
    assert catalog.artwork_ids.take(places) == [ids[place] for place in places]
    assert catalog.title_index_of == built.title_index_of
    assert catalog.row_index_of == built.row_index_of
    assert_same_arrays(catalog, built)


def test_arrays_are_used_where_they_lie() -> None:
    arrays = CATALOG.to_arrays()
    catalog = Catalog.from_arrays("v", arrays)
    texts = {"titles.text", "titles.bounds", "rows.text", "rows.bounds"}
    for name, array in catalog.to_arrays().items():
        assert name in texts or array is arrays[name], name


def test_numbers_that_are_zero_keep_their_column() -> None:
    features: list[Features] = [
        {"a": [1.0, 0.0, 2.0], "z": "x"},
        {"a": [0.0, 1.0, 0.0], "z": "y"},
        {},
    ]
    rows = [Row(f"r{index}", given) for index, given in enumerate(features)]
    table = Catalog.build(CatalogDocument([], rows)).row_features
    assert table.dense_values.tolist() == [[1, 0, 2], [0, 1, 0], [0, 0, 0]]
    for index, given in enumerate(features):
        assert same(table.one(index), encode(ROW, given))
