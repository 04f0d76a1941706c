"""The real catalog for tests, or a plain reason why there is none."""

from __future__ import annotations

import os
from functools import cache

import pytest

from bandit.catalog import CatalogDocument
from benchmarks.real_catalog import TITLES_CSV, real_catalog


@cache
def real_document() -> CatalogDocument:
    """Return the real catalog; without its data the calling test is skipped, in CI it fails."""
    if not TITLES_CSV.exists():
        reason = f"the real titles are not at {TITLES_CSV}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return real_catalog()
