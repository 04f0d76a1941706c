"""Versions are compiled once, by whoever comes first, and again when what stands there is wrong."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from bandit.catalog import (
    Catalog,
    CatalogDocument,
    CatalogPatch,
    CatalogStore,
    apart,
    apply_patch,
    compiled,
    compiling,
)
from bandit.catalog.apart import ChildDiedError, run_apart
from bandit.catalog.compiling import KEEP_UNUSED_S, WAIT_MAX_S, CompiledCatalogs
from bandit.catalog.versions import StoredDocuments
from bandit.clock import ManualClock
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogConflictError, CatalogError
from bandit.files import exclusive_lock
from bandit.types import Artwork, Row, Title

DOCUMENT = CatalogDocument(
    [Title(f"t{n}", [Artwork("a", {"mood": "calm", "light": n / 8})]) for n in range(8)],
    [Row("r1", {"name": "Old"}, ["t2", "t1"])],
)
LOAD = (
    "import sys; from bandit.catalog import CatalogStore; "
    "from bandit.config.schema import LimitsConfig; "
    "print(CatalogStore(sys.argv[1], LimitsConfig()).load(sys.argv[2]).title_ids)"
)


@pytest.fixture
def store(tmp_path: Path) -> CatalogStore:
    return CatalogStore(tmp_path, LimitsConfig())


def form_of(tmp_path: Path, version: str) -> Path:
    return tmp_path / f"{version}.arrays"


def same(one: Catalog, other: Catalog) -> bool:
    """Tell whether two catalogs are equal in every array, and in the arrays' types."""
    left, right = one.to_arrays(), other.to_arrays()
    return (one.version, left.keys()) == (other.version, right.keys()) and all(
        np.array_equal(left[name], right[name])
        and left[name].dtype == right[name].dtype
        and left[name].shape == right[name].shape
        for name in left
    )


def test_saving_compiles_and_loading_maps(store: CatalogStore, tmp_path: Path) -> None:
    version = store.save(DOCUMENT)
    before = form_of(tmp_path, version).stat()
    assert same(store.load(version), Catalog.build(DOCUMENT))
    assert same(CatalogStore(tmp_path, LimitsConfig()).load(version), Catalog.build(DOCUMENT))
    store.save(DOCUMENT)
    after = form_of(tmp_path, version).stat()
    assert after.st_ino == before.st_ino


def test_a_patched_version_equals_one_built_from_scratch(store: CatalogStore) -> None:
    store.replace(None, DOCUMENT)
    patch = CatalogPatch(
        titles=[
            Title("t3", [Artwork("b"), Artwork("a", {"mood": "tense"})]),
            Title("t9", [Artwork("a")]),
        ],
        remove_titles=["t1"],
    )
    version = store.patch(patch)
    expected = Catalog.build(apply_patch(DOCUMENT, patch))
    assert version == expected.version
    assert same(store.load(version), expected)


@pytest.mark.parametrize(
    "damage", ["torn", "flipped", "empty", "foreign", "revision", "version", "arrays"]
)
def test_a_wrong_form_is_told_and_made_again(
    store: CatalogStore, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = store.save(DOCUMENT)
    path = form_of(tmp_path, version)
    whole = path.read_bytes()
    path.chmod(0o644)
    if damage == "revision":
        with monkeypatch.context() as patched:
            patched.setattr(compiled, "REVISION", compiled.REVISION + 1)
            path.unlink()
            store.load(version)
        assert path.read_bytes() != whole
    elif damage == "arrays":
        arrays = Catalog.build(DOCUMENT).to_arrays()
        compiled.write_compiled(path, version, {"rows.keys": arrays["rows.keys"]})
    elif damage == "version":
        other = store.save(CatalogDocument(DOCUMENT.titles[:1]))
        path.write_bytes(form_of(tmp_path, other).read_bytes())
    else:
        damaged = {
            "torn": whole[: len(whole) // 2],
            "flipped": whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:],
            "empty": b"",
            "foreign": b"\x93NUMPY" + whole,
        }
        path.write_bytes(damaged[damage])
    with capture_logs() as told:
        assert same(store.load(version), Catalog.build(DOCUMENT))
        assert same(store.load(version), Catalog.build(DOCUMENT))
    assert [(line["event"], line["file"]) for line in told] == [
        ("compiled catalog is made again", str(path))
    ]
    assert path.read_bytes() == whole


def test_saving_mends_a_wrong_form(store: CatalogStore, tmp_path: Path) -> None:
    version = store.save(DOCUMENT)
    path = form_of(tmp_path, version)
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[:-1])
    assert store.save(DOCUMENT) == version
    assert path.read_bytes() == whole


def test_a_large_version_is_compiled_in_a_child(
    store: CatalogStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "APART_FROM_BYTES", 1)

    def build(*_args: object, **_more: object) -> Catalog:
        raise AssertionError("this process was to build nothing")

    version = store.save(DOCUMENT)
    expected = Catalog.build(DOCUMENT)
    form_of(tmp_path, version).unlink()
    monkeypatch.setattr(Catalog, "build", build)
    assert same(store.load(version), expected)


def test_what_a_child_finds_wrong_is_an_error_here(
    store: CatalogStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "APART_FROM_BYTES", 1)
    version = store.save(DOCUMENT)
    form_of(tmp_path, version).unlink()
    document = tmp_path / f"{version}.msgpack"
    document.write_bytes(document.read_bytes()[:-1])
    with pytest.raises(CatalogError, match="damaged") as caught:
        store.load(version)
    assert caught.value.place == str(document)
    assert "restore the file" in caught.value.hint


def test_two_processes_compile_one_version(tmp_path: Path) -> None:
    titles = [
        Title(f"t{n}", [Artwork(f"a{k}", {"mood": f"m{k}", "x": n / 7}) for k in range(8)])
        for n in range(2000)
    ]
    store = CatalogStore(tmp_path, LimitsConfig())
    version = store.save(CatalogDocument(titles))
    whole = form_of(tmp_path, version).read_bytes()
    form_of(tmp_path, version).unlink()
    assert (tmp_path / f"{version}.msgpack").stat().st_size > apart.APART_FROM_BYTES
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", LOAD, str(tmp_path), version], stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in racing]
    assert said[0] == said[1] == f"{[title.id for title in titles]}\n".encode()
    assert form_of(tmp_path, version).read_bytes() == whole
    assert not list(tmp_path.glob("*.tmp"))


def test_whoever_waited_for_the_lock_takes_what_was_made_meanwhile(
    store: CatalogStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = store.save(DOCUMENT)
    path = form_of(tmp_path, version)
    whole = path.read_bytes()
    path.unlink()
    expected = Catalog.build(DOCUMENT)
    compiled_here = threading.Event()
    monkeypatch.setattr(compiling, "compile_version", lambda *_: compiled_here.set())
    found: list[Catalog] = []
    with exclusive_lock(tmp_path / ".compiling"):
        waiting = threading.Thread(target=lambda: found.append(store.load(version)))
        waiting.start()
        path.write_bytes(whole)
    waiting.join(20)
    assert same(found[0], expected)
    assert not compiled_here.is_set()


def test_a_child_killed_in_the_middle_leaves_nothing_taken_for_whole(
    store: CatalogStore, tmp_path: Path
) -> None:
    """The child stops where its bytes are synced and not yet renamed, and is killed there."""
    version = store.save(DOCUMENT)
    path = form_of(tmp_path, version)
    whole = path.read_bytes()
    path.unlink()
    stopping = (
        "import os, sys, time, pathlib; from bandit.catalog import compiling; "
        "from bandit.catalog.versions import StoredDocuments; "
        "pathlib.Path.replace = lambda *_: (print('here', flush=True), time.sleep(60)); "
        "compiling.compile_version(StoredDocuments(pathlib.Path(sys.argv[1])), sys.argv[2])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", stopping, str(tmp_path), version], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"here\n"
    child.kill()
    child.communicate(timeout=20)
    assert not path.exists()
    assert same(store.load(version), Catalog.build(DOCUMENT))
    assert path.read_bytes() == whole
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_killed_child_is_told_and_the_next_try_succeeds(
    store: CatalogStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = store.save(DOCUMENT)
    form_of(tmp_path, version).unlink()
    with monkeypatch.context() as patched:
        patched.setattr(compiling, "APART_FROM_BYTES", 1)
        patched.setattr(compiling, "_MODULE", "tests.bandit.killed_child")
        with pytest.raises(CatalogError, match="was ended by SIGKILL: begun") as caught:
            store.load(version)
    assert "memory" in caught.value.hint
    assert same(store.load(version), Catalog.build(DOCUMENT))


def test_after_a_child_died_the_version_is_left_alone_for_longer_each_time(
    store: CatalogStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = store.save(DOCUMENT)
    whole = form_of(tmp_path, version).read_bytes()
    form_of(tmp_path, version).unlink()
    tried: list[float] = []
    clock = ManualClock(0)

    def die(*_: object, **_more: object) -> None:
        tried.append(clock.now_us() / 1e6)
        (tmp_path / f".{version}.arrays.{len(tried):016x}.tmp").write_bytes(b"begun")
        raise ChildDiedError("was ended by SIGKILL")

    monkeypatch.setattr(compiling, "APART_FROM_BYTES", 1)
    monkeypatch.setattr(compiling, "run_apart", die)
    forms = CompiledCatalogs(StoredDocuments(tmp_path), lambda: clock.now_us() / 1e6)
    for _ in range(4_000):
        with pytest.raises(CatalogError, match="was ended by SIGKILL"):
            forms.load(version)
        if len(tried) == 13:
            break
        clock.advance_s(5)
    waits = [after - before for before, after in itertools.pairwise(tried)]
    assert waits[:4] == [5, 10, 20, 40]
    assert waits[-1] == waits[-2] == WAIT_MAX_S
    assert not list(tmp_path.glob(".*.tmp"))
    # What another process compiled is taken at once.
    form_of(tmp_path, version).write_bytes(whole)
    assert same(forms.load(version), Catalog.build(DOCUMENT))


def test_forms_that_went_unused_go_with_the_next_change(
    store: CatalogStore, tmp_path: Path
) -> None:
    documents = [CatalogDocument(DOCUMENT.titles[: n + 1]) for n in range(4)]
    unused, mapped, young, current = [store.save(document) for document in documents]
    long_ago = (tmp_path / f"{unused}.arrays").stat().st_mtime - KEEP_UNUSED_S - 60
    for version in (unused, mapped, current):
        os.utime(form_of(tmp_path, version), (long_ago, long_ago))
    held = store.load(unused)
    os.utime(form_of(tmp_path, unused), (long_ago, long_ago))
    store.load(mapped)
    store.set_current(current)
    left = {path.stem for path in tmp_path.glob("*.arrays")}
    assert left == {mapped, young, current}
    # Whoever had it mapped keeps it, and it is made again when it is needed.
    assert same(held, Catalog.build(documents[0]))
    assert same(store.load(unused), held)
    assert len(list(tmp_path.glob("*.msgpack"))) == len(documents)


def test_what_a_killed_writer_left_long_ago_goes_with_the_next_change(
    store: CatalogStore, tmp_path: Path
) -> None:
    version = store.save(DOCUMENT)
    old, new = (tmp_path / f".{version}.msgpack.{n:016x}.tmp" for n in range(2))
    foreign = tmp_path / ".notes.tmp"
    for path in (old, new, foreign):
        path.write_bytes(b"begun")
    long_ago = new.stat().st_mtime - 3660
    for path in (old, foreign):
        os.utime(path, (long_ago, long_ago))
    store.set_current(version)
    assert not old.exists()
    assert new.exists()
    assert foreign.exists()


def test_a_directory_that_takes_no_file_costs_sharing_and_is_told_once(
    store: CatalogStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = store.save(DOCUMENT)
    form_of(tmp_path, version).unlink()

    def refuse(path: Path, *_: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(compiled, "write_atomically", refuse)
    with capture_logs() as told:
        for _ in range(2):
            assert same(store.load(version), Catalog.build(DOCUMENT))
    assert [line["event"] for line in told] == [
        "catalogs cannot be kept compiled; each process builds its own"
    ]
    assert "Read-only file system" in told[0]["why"]


def test_errors_of_a_child_come_through_as_they_are() -> None:
    cases = (
        ("catalog", CatalogError("titles[1].id", "is taken", hint="choose another")),
        ("conflict", CatalogConflictError("c1", None)),
        ("disk", OSError(28, "No space left on device", "/some/file")),
    )
    kinds = (CatalogError, CatalogConflictError)
    for argument, expected in cases:
        with pytest.raises(type(expected)) as caught:
            run_apart("tests.bandit.failing_child", [argument], kinds=kinds)
        assert type(caught.value) is type(expected)
        assert str(caught.value) == str(expected)
        assert vars(caught.value) == vars(expected)
    with pytest.raises(ChildDiedError, match="ended with status 1: KeyError: 'surprise'"):
        run_apart("tests.bandit.failing_child", ["surprise"], kinds=kinds)


def test_what_a_child_prints_does_not_spoil_its_answer() -> None:
    assert run_apart("tests.bandit.failing_child", ["print"], kinds=()) == {"niceness": True}


def test_a_child_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "TIMEOUT_S", 0.3)
    with pytest.raises(ChildDiedError, match="longer than"):
        run_apart("tests.bandit.failing_child", ["wait"], kinds=())
