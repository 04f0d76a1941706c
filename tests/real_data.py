"""Real data for tests, or a plain reason why there is none."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from bandit.catalog import CatalogDocument
from benchmarks.real_catalog import TITLES_CSV, real_catalog
from simulator.datasets.known import DATA_VARIABLE

_BESIDE: Final = TITLES_CSV.parents[1]
"""Where data sets lie if nobody says: beside the repository."""


@cache
def real_document() -> CatalogDocument:
    """Return the real catalog; without its data the calling test is skipped, in CI it fails."""
    return real_catalog(_found(f"{TITLES_CSV.parent.name}/{TITLES_CSV.name}"))


def open_bandit_directory() -> Path:
    """Return the directory of the Open Bandit Dataset, small version; see `real_document`."""
    return _found("obd")


def deezer_directory() -> Path:
    """Return the directory of Deezer's carousel files; see `real_document`."""
    return _found("deezer_carousel")


def _found(place: str) -> Path:
    """Return what the directory named by ``MARQUEE_DATA`` holds, or else the one beside."""
    named = os.environ.get(DATA_VARIABLE)
    roots = [Path(named), _BESIDE] if named else [_BESIDE]
    for root in roots:
        if (root / place).exists():
            return root / place
    reason = f"the real data is not at {' or '.join(str(root / place) for root in roots)}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
