"""What holds for every catalog and every patch."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.catalog import (
    Catalog,
    CatalogDocument,
    CatalogPatch,
    CatalogStore,
    apply_patch,
    canonical_bytes,
    check_document,
    content_version,
    decode_document,
)
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogError
from bandit.feature_tables import FeatureTable
from bandit.features import ARTWORK, ROW, TITLE, encode
from bandit.types import Artwork, Features, FeatureValue, Row, Title

Item = TypeVar("Item", Title, Row)

# Adding 0.0 makes 0.0 of -0.0, which is equal to it and yet other content.
NUMBERS = st.floats(-1e9, 1e9).map(lambda number: number + 0.0)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES: st.SearchStrategy[FeatureValue] = st.one_of(
    NUMBERS, TEXTS, st.lists(NUMBERS, max_size=3), st.lists(TEXTS, max_size=3)
)
FEATURES: st.SearchStrategy[Features] = st.dictionaries(
    st.text("abYZ09_.@/-", min_size=1, max_size=4), VALUES, max_size=4
)
IDS = st.text("ab1_.:@/-", min_size=1, max_size=3)


def id_of(item: Artwork | Title | Row) -> str:
    return item.id


ARTWORKS = st.lists(st.builds(Artwork, IDS, FEATURES), min_size=1, max_size=3, unique_by=id_of)


@st.composite
def documents(draw: st.DrawFn) -> CatalogDocument:
    titles = draw(
        st.lists(st.builds(Title, IDS, ARTWORKS, FEATURES), min_size=1, max_size=5, unique_by=id_of)
    )
    members = st.lists(st.sampled_from([title.id for title in titles]), unique=True, max_size=4)
    rows = draw(st.lists(st.builds(Row, IDS, FEATURES, members), max_size=4, unique_by=id_of))
    return CatalogDocument(titles, rows)


PATCH_IDS = st.sampled_from(["t1", "t2", "t3", "t4"])
PATCH_TITLES = st.builds(
    Title, PATCH_IDS, st.just([Artwork("a")]), st.dictionaries(st.just("x"), NUMBERS)
)
PATCH_ROWS = st.builds(
    Row, PATCH_IDS, st.dictionaries(st.just("x"), NUMBERS), st.lists(PATCH_IDS, unique=True)
)


def shuffled(features: Features, seed: int) -> Features:
    pairs = list(features.items())
    random.Random(seed).shuffle(pairs)
    return dict(pairs)


def agrees(found: FeatureTable, items: list[Features], namespace: str) -> None:
    assert len(found.places) == len(items)
    for index, features in enumerate(items):
        expected = encode(namespace, dict(sorted(features.items())))
        # Doubles too small for a float32 become zeros, which count for nothing.
        present = expected.values != 0
        one = found.one(index)
        np.testing.assert_array_equal(one.hashes, expected.hashes[present])
        np.testing.assert_array_equal(one.values, expected.values[present])


@given(documents())
def test_document_survives_encoding(document: CatalogDocument) -> None:
    check_document(document, LimitsConfig())
    content = canonical_bytes(document)
    assert decode_document(content) == document
    assert canonical_bytes(decode_document(content)) == content


@given(documents(), st.integers(0, 1000))
def test_version_depends_on_content_alone(document: CatalogDocument, seed: int) -> None:
    same = CatalogDocument(
        [
            Title(
                title.id,
                [Artwork(each.id, shuffled(each.features, seed)) for each in title.artworks],
                shuffled(title.features, seed),
            )
            for title in document.titles
        ],
        [Row(row.id, shuffled(row.features, seed), list(row.titles)) for row in document.rows],
    )
    assert content_version(same) == content_version(document)


@given(documents(), documents())
def test_other_content_is_another_version(one: CatalogDocument, other: CatalogDocument) -> None:
    assert (content_version(one) == content_version(other)) == (one == other)


@given(documents())
def test_what_is_mapped_equals_what_is_built(document: CatalogDocument) -> None:
    built = Catalog.build(document)
    with TemporaryDirectory() as directory:
        store = CatalogStore(directory, LimitsConfig())
        version = store.save(document)
        assert (Path(directory) / f"{version}.arrays").exists()
        mapped = store.load(version)
    assert mapped.version == built.version
    assert mapped.title_ids == built.title_ids
    assert list(mapped.artwork_ids) == list(built.artwork_ids)
    assert mapped.row_ids == built.row_ids
    found, expected = mapped.to_arrays(), built.to_arrays()
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    for index, title in enumerate(document.titles):
        assert mapped.title_index(title.id) == index
        for artwork in title.artworks:
            place = built.find_artwork(index, artwork.id)
            assert mapped.find_artwork(index, artwork.id) == place


@given(documents())
def test_arrays_say_what_the_document_says(document: CatalogDocument) -> None:
    catalog = Catalog.build(document)
    artworks = [artwork for title in document.titles for artwork in title.artworks]
    agrees(catalog.artwork_features, [each.features for each in artworks], ARTWORK)
    agrees(catalog.title_features, [each.features for each in document.titles], TITLE)
    agrees(catalog.row_features, [each.features for each in document.rows], ROW)
    for index, title in enumerate(document.titles):
        assert catalog.title_index(title.id) == index
        start, end = catalog.artwork_offsets[index : index + 2]
        assert catalog.artwork_ids[start:end] == [each.id for each in title.artworks]
        for place, artwork in enumerate(title.artworks):
            assert catalog.find_artwork(index, artwork.id) == start + place
    for index, row in enumerate(document.rows):
        assert catalog.row_index(row.id) == index


@given(
    st.lists(PATCH_TITLES, unique_by=id_of),
    st.lists(PATCH_ROWS, unique_by=id_of),
    st.builds(
        CatalogPatch,
        st.lists(PATCH_TITLES, max_size=3),
        st.lists(PATCH_ROWS, max_size=3),
        st.lists(PATCH_IDS, max_size=2),
        st.lists(PATCH_IDS, max_size=2),
    ),
)
def test_patch_does_what_a_plain_map_does(
    titles: list[Title], rows: list[Row], patch: CatalogPatch
) -> None:
    document = CatalogDocument(titles, rows)
    before = canonical_bytes(document)
    expected_titles = naive(titles, patch.titles, patch.remove_titles)
    left = [
        Row(row.id, row.features, [name for name in row.titles if name not in patch.remove_titles])
        for row in rows
    ]
    expected_rows = naive(left, patch.rows, patch.remove_rows)
    if expected_titles is None or expected_rows is None:
        with pytest.raises(CatalogError):
            apply_patch(document, patch)
    else:
        patched = apply_patch(document, patch)
        assert patched == CatalogDocument(expected_titles, expected_rows)
    assert canonical_bytes(document) == before


def naive(items: list[Item], new: list[Item], removed: list[str]) -> list[Item] | None:
    """Patch a list item by item, None where the patch contradicts itself or the list."""
    named = [*removed, *(item.id for item in new)]
    if len(set(named)) < len(named) or not set(removed) <= {item.id for item in items}:
        return None
    out = [item for item in items if item.id not in removed]
    for item in new:
        places = [index for index, old in enumerate(out) if old.id == item.id]
        if places:
            out[places[0]] = item
        else:
            out.append(item)
    return out
