"""A file becomes the first catalog of a service once, whoever reads it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bandit.catalog import CatalogDocument, CatalogStore, importing, write_catalog_file
from bandit.catalog.importing import import_catalog, import_first
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogError
from bandit.types import Artwork, Row, Title

DOCUMENT = CatalogDocument([Title("t1", [Artwork("a", {"x": 0.5})])], [Row("r", {}, ["t1"])])
OTHER = CatalogDocument([Title("t2", [Artwork("a")])])


@pytest.fixture
def store(tmp_path: Path) -> CatalogStore:
    return CatalogStore(tmp_path / "catalog", LimitsConfig())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "films.jsonl"
    write_catalog_file(path, DOCUMENT)
    return path


def test_an_imported_file_is_served(store: CatalogStore, source: Path) -> None:
    assert import_catalog(store, source) == (store.current(), DOCUMENT)
    write_catalog_file(source, OTHER)
    version, _ = import_catalog(store, source)
    assert store.current() == version
    assert store.load(version).title_ids == ["t2"]


@pytest.mark.parametrize("apart_from", [0, 1_000_000])
def test_the_first_catalog_is_imported_once(
    store: CatalogStore, source: Path, monkeypatch: pytest.MonkeyPatch, apart_from: int
) -> None:
    monkeypatch.setattr(importing, "APART_FROM_BYTES", apart_from)
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(import_first, store, source) for _ in range(3)]:
            done.result(timeout=60)
    first = store.current()
    assert first is not None
    assert store.document(first) == DOCUMENT
    assert (store.directory / f"{first}.arrays").exists()
    write_catalog_file(source, OTHER)
    import_first(store, source)
    assert store.current() == first


def test_a_large_first_catalog_is_read_by_a_child(
    store: CatalogStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> CatalogDocument:
        raise AssertionError("the child was to read it")

    monkeypatch.setattr(importing, "APART_FROM_BYTES", 0)
    monkeypatch.setattr(importing, "read_catalog_file", read)
    import_first(store, source)
    assert store.current() is not None


@pytest.mark.parametrize("apart_from", [0, 1_000_000])
def test_a_wrong_first_catalog_is_told(
    store: CatalogStore, source: Path, monkeypatch: pytest.MonkeyPatch, apart_from: int
) -> None:
    monkeypatch.setattr(importing, "APART_FROM_BYTES", apart_from)
    source.write_text('{"kind": "title", "id": "t 1", "artworks": [{"id": "a"}]}\n')
    with pytest.raises(CatalogError) as caught:
        import_first(store, source)
    assert caught.value.place == f"{source}:1 id"
    assert store.current() is None
    source.unlink()
    with pytest.raises(CatalogError, match="cannot be read"):
        import_first(store, source)


def test_a_killed_child_is_told(
    store: CatalogStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "APART_FROM_BYTES", 0)
    monkeypatch.setattr(importing, "_MODULE", "tests.bandit.killed_child")
    with pytest.raises(CatalogError, match="SIGKILL") as caught:
        import_first(store, source)
    assert "marquee catalog load" in caught.value.hint
