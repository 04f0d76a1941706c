"""The store keeps every version, verifies what it reads, and loses no change."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bandit.catalog import (
    Catalog,
    CatalogDocument,
    CatalogPatch,
    CatalogStore,
    apply_patch,
    content_version,
)
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogConflictError, CatalogError
from bandit.types import Artwork, Row, Title


def title(name: str, mood: str = "calm") -> Title:
    return Title(name, [Artwork("a1", {"mood": mood})])


FIRST = CatalogDocument([title("t1"), title("t2")], [Row("r1", {}, ["t2", "t1"])])
SECOND = CatalogDocument([title("t1", "tense")])


@pytest.fixture
def store(tmp_path: Path) -> CatalogStore:
    return CatalogStore(tmp_path / "state" / "catalog", LimitsConfig())


def file_of(tmp_path: Path, version: str) -> Path:
    return tmp_path / "state" / "catalog" / f"{version}.msgpack"


def together(works: list[Callable[[], None]]) -> None:
    """Run all at once and fail if one fails."""
    barrier = threading.Barrier(len(works), timeout=10)

    def run(work: Callable[[], None]) -> None:
        barrier.wait()
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(run, work) for work in works]:
            done.result(timeout=60)


def test_saved_version_is_kept_under_its_content_and_not_served(store: CatalogStore) -> None:
    version = store.save(FIRST)
    assert version == content_version(FIRST)
    assert store.current() is None
    assert store.document(version) == FIRST


def test_loaded_catalog_is_the_one_that_was_saved(store: CatalogStore) -> None:
    catalog = store.load(store.save(FIRST))
    built = Catalog.build(FIRST)
    assert catalog.version == built.version
    assert catalog.title_ids == built.title_ids
    assert catalog.row_ids == built.row_ids
    assert catalog.artwork_features.places.tolist() == built.artwork_features.places.tolist()


def test_saving_again_writes_nothing(store: CatalogStore, tmp_path: Path) -> None:
    version = store.save(FIRST)
    before = file_of(tmp_path, version).stat()
    assert store.save(FIRST) == version
    after = file_of(tmp_path, version).stat()
    assert after.st_ino == before.st_ino
    assert after.st_mtime_ns >= before.st_mtime_ns, "what is wanted again is not old"


def test_wrong_document_is_not_kept(store: CatalogStore, tmp_path: Path) -> None:
    with pytest.raises(CatalogError) as caught:
        store.save(CatalogDocument([title("t1"), title("t1")]))
    assert caught.value.place == "titles[1].id"
    assert list((tmp_path / "state" / "catalog").iterdir()) == []


def test_document_above_the_limit_is_not_kept(tmp_path: Path) -> None:
    store = CatalogStore(tmp_path, LimitsConfig(catalog_bytes_max=10))
    with pytest.raises(CatalogError, match="catalog_bytes_max"):
        store.save(FIRST)


def test_every_version_stays(store: CatalogStore) -> None:
    first = store.replace(None, FIRST)
    second = store.replace(first, SECOND)
    assert store.current() == second
    assert store.document(first) == FIRST
    store.set_current(first)
    assert store.current() == first


def test_another_store_of_the_directory_sees_the_change(
    store: CatalogStore, tmp_path: Path
) -> None:
    version = store.replace(None, FIRST)
    assert CatalogStore(tmp_path / "state" / "catalog", LimitsConfig()).current() == version


def test_replace_refuses_a_version_that_is_not_current_any_more(store: CatalogStore) -> None:
    first = store.replace(None, FIRST)
    second = store.replace(first, SECOND)
    with pytest.raises(CatalogConflictError) as caught:
        store.replace(first, FIRST)
    assert (caught.value.expected, caught.value.current) == (first, second)
    with pytest.raises(CatalogConflictError):
        store.replace(None, FIRST)
    assert store.current() == second


def test_patch_starts_from_nothing_as_well(store: CatalogStore) -> None:
    first = store.patch(CatalogPatch(titles=[title("t1")]))
    assert store.current() == first
    assert store.document(first) == CatalogDocument([title("t1")])


def test_patch_that_makes_a_wrong_catalog_changes_nothing(store: CatalogStore) -> None:
    first = store.replace(None, FIRST)
    with pytest.raises(CatalogError) as caught:
        store.patch(CatalogPatch(rows=[Row("r2", {}, ["t9"])]))
    assert caught.value.place == "rows[1].titles[0]"
    assert store.current() == first


def test_concurrent_patches_lose_nothing(store: CatalogStore) -> None:
    store.replace(None, FIRST)

    def add(prefix: str) -> Callable[[], None]:
        def work() -> None:
            for number in range(8):
                store.patch(CatalogPatch(titles=[title(f"{prefix}{number}")]))

        return work

    together([add("x"), add("y")])
    current = store.current()
    assert current is not None
    found = {each.id for each in store.document(current).titles}
    assert found == {"t1", "t2"} | {f"{prefix}{n}" for prefix in "xy" for n in range(8)}


def test_concurrent_replaces_lose_nothing(store: CatalogStore) -> None:
    store.replace(None, FIRST)

    def add_one(name: str) -> None:
        patch = CatalogPatch(titles=[title(name)])
        for _ in range(1000):
            seen = store.current()
            assert seen is not None
            try:
                store.replace(seen, apply_patch(store.document(seen), patch))
            except CatalogConflictError:
                continue
            return
        raise AssertionError(f"{name} was never added")

    def add(prefix: str) -> Callable[[], None]:
        def work() -> None:
            for number in range(8):
                add_one(f"{prefix}{number}")

        return work

    together([add("x"), add("y")])
    current = store.current()
    assert current is not None
    assert len(store.document(current).titles) == 18


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "longer"])
def test_damaged_version_is_refused_and_mended_by_saving(
    store: CatalogStore, tmp_path: Path, damage: str
) -> None:
    version = store.replace(None, FIRST)
    path = file_of(tmp_path, version)
    content = path.read_bytes()
    damaged = {
        "flip": content[:20] + bytes([content[20] ^ 1]) + content[21:],
        "cut": content[:-1],
        "empty": b"",
        "longer": content + b"\xc0",
    }[damage]
    path.write_bytes(damaged)
    # What was made of it is sound, and goes on being served by whoever starts.
    assert store.load(version).title_ids == ["t1", "t2"]
    path.with_suffix(".arrays").unlink()
    for read in (store.load, store.document, store.set_current):
        with pytest.raises(CatalogError, match="damaged") as caught:
            read(version)
        assert caught.value.place == str(path)
        assert "load the same catalog again" in caught.value.hint
    assert store.save(FIRST) == version
    assert store.document(version) == FIRST
    assert store.load(version).title_ids == ["t1", "t2"]


@pytest.mark.parametrize(
    "version", ["c0123456789abcdef", "", "current", "../../etc/passwd", "C" + "0" * 16, "c1\n"]
)
def test_unknown_version_is_named(store: CatalogStore, version: str) -> None:
    for read in (store.load, store.document, store.set_current):
        with pytest.raises(CatalogError, match="no catalog version"):
            read(version)


@pytest.mark.parametrize("pointer", [b"", b"c123", b"\xff\xfe", b"../x", b"c0123456789abcdef\n"])
def test_damaged_pointer_is_told(store: CatalogStore, tmp_path: Path, pointer: bytes) -> None:
    store.replace(None, FIRST)
    (tmp_path / "state" / "catalog" / "current").write_bytes(pointer)
    with pytest.raises(CatalogError, match="no catalog version") as caught:
        store.current()
    assert "load the catalog again" in caught.value.hint


def test_decision_made_without_a_catalog_can_be_scored_again(store: CatalogStore) -> None:
    assert store.load("empty").title_ids == []
    assert store.document("empty") == CatalogDocument([])
