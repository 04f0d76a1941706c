"""Catalogs of up to a million artworks, made once below ``build/catalogs`` as a service keeps them.

Artworks take their features from a pool of 20,000, so that a million of them can be made in half a
minute; places, values and identities are an artwork's own all the same once the catalog is
compiled. Making one needs a gigabyte of memory, and so has a process of its own:
``python -m benchmarks.big_catalogs 1000000``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np

from bandit.catalog import Catalog, CatalogDocument, CatalogStore
from bandit.config.schema import LimitsConfig
from bandit.types import Artwork, Title
from benchmarks.environments import Say
from benchmarks.pages import (
    ARTWORKS_A_TITLE,
    features_of_artwork,
    standard_rows,
    title_features,
    title_name,
)

DIRECTORY: Final = Path(__file__).resolve().parents[1] / "build" / "catalogs"
POOL: Final = 20_000
LIMITS: Final = LimitsConfig(catalog_bytes_max=1_000_000_000)


def big_catalog(artworks: int, say: Say) -> Catalog:
    """Return a catalog as a worker loads it, which is made first if it is missing."""
    store = _store(artworks)
    version = store.current()
    if version is None:
        say(f"making a catalog of {artworks:,} artworks, once")
        command = [sys.executable, "-m", "benchmarks.big_catalogs", str(artworks)]
        subprocess.run(command, check=True, cwd=DIRECTORY.parents[1])
        version = store.current()
    assert version is not None
    return store.load(version)


def make(artworks: int) -> None:
    """Make a catalog and keep it."""
    store = _store(artworks)
    version = store.save(_document(artworks), decoded=True)
    store.set_current(version)


def _store(artworks: int) -> CatalogStore:
    return CatalogStore(DIRECTORY / str(artworks), LIMITS)


def _document(artworks: int) -> CatalogDocument:
    random = np.random.default_rng(9)
    pool = [features_of_artwork(random) for _ in range(min(POOL, artworks))]
    picks = random.integers(len(pool), size=(artworks // ARTWORKS_A_TITLE, ARTWORKS_A_TITLE))
    names = [f"art-{place}" for place in range(ARTWORKS_A_TITLE)]
    titles = [
        Title(
            title_name(title),
            [
                Artwork(name, pool[pick])
                for name, pick in zip(names, picks[title].tolist(), strict=True)
            ],
            title_features(title),
        )
        for title in range(len(picks))
    ]
    return CatalogDocument(titles, standard_rows())


if __name__ == "__main__":
    make(int(sys.argv[1]))
