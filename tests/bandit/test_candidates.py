"""Titles and rows found for a page, wherever they come from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bandit.candidates import collect_rows, collect_titles, inline_titles
from bandit.catalog import Catalog, CatalogDocument
from bandit.feature_tables import Chosen
from bandit.sampling import item_key
from bandit.types import Artwork, Page, PageRow, Row, Title


def title(name: str, count: int) -> Title:
    return Title(name, [Artwork(f"{name}-{place}") for place in range(count)])


CATALOG = Catalog.build(
    CatalogDocument(
        [title("even", 2), title("three", 3), title("pair", 2), title("one", 1)],
        [Row("r1", {"kind": "a"}), Row("r2", {"kind": "b"})],
    ),
    version="v",
)
NEW = title("new", 4)
OWN_EVEN = title("even", 1)


@pytest.mark.parametrize(
    ("asked", "counts", "omitted"),
    [
        (["even", "pair", "even"], {"even": 2, "pair": 2}, []),
        (["three", "one", "pair"], {"three": 3, "one": 1, "pair": 2}, []),
        (["pair", "gone", "one", "gone"], {"pair": 2, "one": 1}, ["gone"]),
        (["one", NEW, "three"], {"one": 1, "new": 4, "three": 3}, []),
        (["pair", NEW, "gone", "even"], {"pair": 2, "new": 4, "even": 2}, ["gone"]),
        ([OWN_EVEN, "even", "pair"], {"even": 1, "pair": 2}, []),
        ([NEW], {"new": 4}, []),
        (["gone"], {}, ["gone"]),
        ([], {}, []),
    ],
)
def test_each_artwork_has_its_column(
    asked: Sequence[str | Title], counts: dict[str, int], omitted: list[str]
) -> None:
    inline = inline_titles(Page(titles=asked))
    found = collect_titles(asked, inline, CATALOG)
    assert found.ids == list(counts)
    assert found.omitted == omitted
    assert found.eligible.sum(axis=1).tolist() == list(counts.values())
    assert found.artworks == sum(counts.values())
    assert found.keys.tolist() == [item_key(name) for name in counts]
    assert {each.id for each in found.inline} == inline.keys() & counts.keys()
    widest = max(counts.values(), default=0)
    values = [part.artworks + 100.0 * part.catalog.artwork_offsets[-1] for part in found.parts]
    columns = found.in_columns(values) if found.parts else np.zeros((0, 0))
    assert columns.shape == found.eligible.shape == (len(counts), widest)
    assert not columns[~found.eligible].any()
    for column in range(widest):
        chosen = np.minimum(column, found.eligible.sum(axis=1) - 1)
        names = found.artwork_ids(chosen)
        assert names == [f"{name}-{place}" for name, place in zip(counts, chosen, strict=True)]
        assert found.columns(names).tolist() == chosen.tolist()
        for place, name in enumerate(counts):
            source = inline.get(name)
            total = 8 if source is None else sum(len(each.artworks) for each in found.inline)
            assert columns[place, chosen[place]] // 100 == total


def test_rows_of_the_catalog_are_taken_from_its_table() -> None:
    found = collect_rows([PageRow("r2"), PageRow("r1", pinned=0)], CATALOG)
    assert isinstance(found.features, Chosen)
    assert found.features.things.tolist() == [1, 0]
    assert found.pinned == {0: 1}
    mixed = collect_rows([PageRow("r2"), PageRow("new"), PageRow("r1", {"kind": "b"})], CATALOG)
    assert not isinstance(mixed.features, Chosen)
    own, strange, given = (mixed.features.one(place) for place in range(3))
    assert own.values.tolist() == given.values.tolist() == [1.0]
    assert own.hashes.tolist() == given.hashes.tolist()
    assert not len(strange.hashes)
    assert mixed.keys.tolist() == [item_key(name) for name in ("r2", "new", "r1")]
    assert mixed.identity.one(0).hashes.tolist() == found.identity.one(0).hashes.tolist()
