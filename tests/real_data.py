"""Real data for tests, or a plain reason why there is none."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from bandit.catalog import CatalogDocument
from benchmarks.real_catalog import TITLES_CSV, real_catalog

DATA = TITLES_CSV.parents[1]
"""Where data sets lie: beside the repository."""


@cache
def real_document() -> CatalogDocument:
    """Return the real catalog; without its data the calling test is skipped, in CI it fails."""
    _need(TITLES_CSV)
    return real_catalog()


def open_bandit_directory() -> Path:
    """Return the directory of the Open Bandit Dataset, small version; see `real_document`."""
    return _need(DATA / "obd")


def deezer_directory() -> Path:
    """Return the directory of Deezer's carousel files; see `real_document`."""
    return _need(DATA / "deezer_carousel")


def _need(path: Path) -> Path:
    if not path.exists():
        reason = f"the real data is not at {path}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
