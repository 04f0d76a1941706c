"""Catalog versions go once they were replaced long ago and no record of the log may name them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bandit.catalog import CatalogDocument, CatalogStore
from bandit.catalog.pruning import INTERVAL_US, SWAP_US, CatalogPruning
from bandit.clock import to_us
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogError
from bandit.types import Artwork, Title

RETENTION_S = 1000.0
START_US = to_us(1_000_000)
LATER_US = START_US + to_us(RETENTION_S) + 1 + INTERVAL_US


class Versions:
    def __init__(self, directory: Path) -> None:
        self.store = CatalogStore(directory, LimitsConfig())
        self.names = [self.serve(f"t{number}") for number in range(3)]

    def serve(self, title: str) -> str:
        version = self.store.save(CatalogDocument([Title(title, [Artwork("a", {})], {})]))
        self.store.set_current(version)
        for path in self.store.directory.glob("*.msgpack"):
            os.utime(path, (0, 0))
        return version

    def left(self) -> list[str]:
        return sorted(path.stem for path in self.store.directory.glob("*.msgpack"))


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path / "catalog")


def test_what_was_replaced_long_ago_goes_with_its_compiled_form(versions: Versions) -> None:
    pruning = CatalogPruning(versions.store, RETENTION_S)
    pruning.tidy(START_US, None)
    pruning.tidy(START_US + to_us(RETENTION_S) - 1, None)
    assert len(versions.left()) == 3
    # Another process, after a restart, knows since when.
    CatalogPruning(versions.store, RETENTION_S).tidy(LATER_US, None)
    assert versions.left() == [versions.names[2]]
    arrays = [path.stem for path in versions.store.directory.glob("*.arrays")]
    assert arrays == [versions.names[2]]
    assert versions.store.load(versions.names[2]).version == versions.names[2]
    with pytest.raises(CatalogError):
        versions.store.load(versions.names[0])


def test_what_a_record_of_the_log_may_name_stays(versions: Versions) -> None:
    pruning = CatalogPruning(versions.store, RETENTION_S)
    pruning.tidy(START_US, None)
    pruning.tidy(LATER_US, START_US + SWAP_US)
    assert len(versions.left()) == 3
    pruning.tidy(LATER_US + INTERVAL_US, START_US + SWAP_US + 1)
    assert len(versions.left()) == 1


def test_one_that_is_served_again_begins_anew(versions: Versions) -> None:
    pruning = CatalogPruning(versions.store, RETENTION_S)
    pruning.tidy(START_US, None)
    versions.store.set_current(versions.names[0])
    pruning.tidy(LATER_US, None)
    assert versions.left() == sorted([versions.names[0], versions.names[2]])
    versions.store.set_current(versions.names[2])
    pruning.tidy(LATER_US + INTERVAL_US, None)
    assert versions.names[0] in versions.left()


def test_one_that_is_just_being_stored_again_stays(versions: Versions) -> None:
    pruning = CatalogPruning(versions.store, RETENTION_S)
    pruning.tidy(START_US, None)
    again = versions.store.save(CatalogDocument([Title("t0", [Artwork("a", {})], {})]))
    assert again == versions.names[0]
    pruning.tidy(LATER_US, None)
    assert versions.names[0] in versions.left()
    assert versions.names[1] not in versions.left()


def test_without_retention_all_stay(versions: Versions) -> None:
    pruning = CatalogPruning(versions.store, None)
    pruning.tidy(START_US, None)
    pruning.tidy(LATER_US, None)
    assert len(versions.left()) == 3
