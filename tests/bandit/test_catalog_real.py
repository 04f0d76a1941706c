"""A real catalog of 8,807 titles goes the whole way."""

from __future__ import annotations

from pathlib import Path

from bandit.catalog import (
    Catalog,
    CatalogPatch,
    CatalogStore,
    apply_patch,
    check_document,
    content_version,
    summarise,
)
from bandit.config.schema import LimitsConfig
from bandit.types import Artwork, Title
from benchmarks.real_catalog import real_catalog, row_id
from tests.real_data import real_document

VERSION = "c8650f402728b0f3c"


def test_facts_are_whole_and_valid() -> None:
    document = real_document()
    check_document(document, LimitsConfig())
    summary = summarise(document)
    assert (summary.titles, summary.artworks, summary.rows) == (8807, 8 * 8807, 42)
    assert summary.artwork_features == dict.fromkeys(
        ["subject", "palette", "mood", "person"], 8 * 8807
    )
    assert summary.title_features["kind"] == 8807
    assert summary.title_features["hours"] + summary.title_features["seasons"] == 8807
    by_id = {row.id: row for row in document.rows}
    assert len(by_id[row_id("International Movies")].titles) == 2752
    assert by_id["classic-cult-tv"].features["kind"] == "series"


def test_version_is_the_same_on_every_run() -> None:
    assert content_version(real_document()) == VERSION
    assert content_version(real_catalog()) == VERSION


def test_artworks_of_a_title_differ() -> None:
    varied = sum(
        len({str(artwork.features) for artwork in title.artworks}) >= 3
        for title in real_document().titles
    )
    assert varied > 8700


def test_patch_of_one_title_keeps_everything_else(tmp_path: Path) -> None:
    document = real_document()
    store = CatalogStore(tmp_path, LimitsConfig())
    first = store.replace(None, document)
    changed = Title("s5000", [Artwork("a1", {"mood": "tense"})], {"kind": "film"})
    second = store.patch(CatalogPatch(titles=[changed]))
    assert store.current() == second != first
    before, after = store.document(first), store.document(second)
    assert before == document
    place = next(index for index, title in enumerate(before.titles) if title.id == "s5000")
    assert after.titles[place] == changed
    assert after.titles[:place] == before.titles[:place]
    assert after.titles[place + 1 :] == before.titles[place + 1 :]
    assert after.rows == before.rows
    back = apply_patch(after, CatalogPatch(titles=[before.titles[place]]))
    assert content_version(back) == first


def test_arrays_hold_every_artwork() -> None:
    document = real_document()
    catalog = Catalog.build(document, version="real")
    assert len(catalog.artwork_ids) == 8 * 8807
    every = catalog.artwork_features.take(range(len(catalog.artwork_ids)))
    assert (every.values != 0).sum(axis=1).min() >= 3
    assert catalog.row_index("korean-tv-shows") is not None
