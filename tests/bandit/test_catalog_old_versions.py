"""What is learned of pages of an old version does not depend on how its catalog came to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bandit.catalog import Catalog, CatalogDocument, CatalogPatch, CatalogStore
from bandit.config.schema import LimitsConfig
from bandit.page_features import ItemFeatures
from bandit.types import Artwork, Row, Title

FIRST = CatalogDocument(
    [
        Title("t1", [Artwork("a1", {"mood": "calm", "light": 0.5}), Artwork("a2")], {"year": 1.0}),
        Title("t2", [Artwork("a1", {"taste": [0.0, 2.0], "tags": ["x", "y"]})]),
    ],
    [Row("r1", {"name": "Old"}, ["t2", "t1"])],
)


def test_candidates_of_an_old_version_are_those_it_was_built_with(tmp_path: Path) -> None:
    store = CatalogStore(tmp_path, LimitsConfig())
    old = store.replace(None, FIRST)
    store.patch(CatalogPatch(titles=[Title("t2", [Artwork("a9")])], remove_titles=["t1"]))
    # As one that was stored by a release that compiled nothing.
    (tmp_path / f"{old}.arrays").unlink()
    found = ItemFeatures(store.load(old))
    expected = ItemFeatures(Catalog.build(FIRST))
    for title in FIRST.titles:
        ids, candidates = found.artworks(title.id)
        assert ids == [artwork.id for artwork in title.artworks]
        for candidate, other in zip(candidates, expected.artworks(title.id)[1], strict=True):
            assert candidate.groups.keys() == other.groups.keys()
            for name, features in candidate.groups.items():
                np.testing.assert_array_equal(features.hashes, other.groups[name].hashes)
                np.testing.assert_array_equal(features.values, other.groups[name].values)
    assert (tmp_path / f"{old}.arrays").exists()
