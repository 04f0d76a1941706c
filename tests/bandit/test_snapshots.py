"""The file store against damage, crashes, foreign keys and readers that race with it."""

from __future__ import annotations

import errno
import io
import shutil
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit.engine import ModelArrays
from bandit.errors import SnapshotError, SnapshotUnavailableError
from bandit.keys import KeyRing
from bandit.snapshots import FileSnapshotStore, Manifest, Pointer, SnapshotDetails
from bandit.snapshots.file_store import FILES, MANIFEST, MODEL, POINTER, VARIANCES, WEIGHTS
from bandit.snapshots.manifest import check_arrays

BITS = 8
OLD_KEY = b"an old secret key"
NEW_KEY = b"a newer secret key"
ALL_FILES = sorted([*FILES, MANIFEST])


@pytest.fixture
def store(tmp_path: Path) -> FileSnapshotStore:
    return FileSnapshotStore(tmp_path, KeyRing((OLD_KEY, NEW_KEY)))


def publish(store: FileSnapshotStore, value: float) -> Manifest:
    array = np.full(1 << BITS, value, np.float32)
    details = SnapshotDetails(
        created_at_us=1,
        bits=BITS,
        interactions=[],
        constant=False,
        engine_version="9",
        examples_learned=0,
        log_clock_us=0,
    )
    return store.publish("artwork", ModelArrays(array, array), b"model bytes", details)


def directory_of(root: Path, manifest: Manifest) -> Path:
    return root / "artwork" / manifest.version


@pytest.mark.parametrize("name", ALL_FILES)
def test_a_flipped_bit_in_any_file_is_noticed(
    tmp_path: Path, store: FileSnapshotStore, name: str
) -> None:
    manifest = publish(store, 0.5)
    path = directory_of(tmp_path, manifest) / name
    whole = path.read_bytes()
    path.chmod(0o644)
    for position in np.linspace(0, len(whole) - 1, 40).astype(int):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        with pytest.raises(SnapshotError):
            store.load("artwork", manifest.version)
    path.write_bytes(whole)
    store.load("artwork", manifest.version)


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS, VARIANCES])
def test_arrays_alone_are_verified_as_closely(
    tmp_path: Path, store: FileSnapshotStore, name: str
) -> None:
    manifest = publish(store, 0.5)
    path = directory_of(tmp_path, manifest) / name
    whole = path.read_bytes()
    path.chmod(0o644)
    wrong = [whole[:-1], whole + b"0"]
    for position in np.linspace(0, len(whole) - 1, 20).astype(int):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position % 8)
        wrong.append(bytes(damaged))
    for content in wrong:
        path.write_bytes(content)
        with pytest.raises(SnapshotError):
            store.load_arrays("artwork", manifest.version)
    path.unlink()
    with pytest.raises(SnapshotError, match=manifest.version):
        store.load_arrays("artwork", manifest.version)


def test_arrays_are_served_without_a_look_at_the_engine_s_own_form(
    tmp_path: Path, store: FileSnapshotStore
) -> None:
    manifest = publish(store, 0.5)
    (directory_of(tmp_path, manifest) / MODEL).unlink()

    found, arrays = store.load_arrays("artwork", manifest.version)

    assert found == manifest
    assert (arrays.weights == np.float32(0.5)).all()
    with pytest.raises(SnapshotError):
        store.load("artwork", manifest.version)


@pytest.mark.parametrize("place", [0, 99, 100, 255])
def test_every_part_of_an_array_is_checked(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    monkeypatch.setattr("bandit.snapshots.manifest._CHECKED_AT_ONCE", 100)
    for value, why in ((np.nan, "finite"), (-1.0, "negative")):
        variances = np.ones(1 << BITS, np.float32)
        variances[place] = value
        with pytest.raises(SnapshotError, match=why):
            check_arrays(ModelArrays(np.ones_like(variances), variances), BITS)


def test_arrays_are_stored_as_numpy_stores_them(tmp_path: Path, store: FileSnapshotStore) -> None:
    manifest = publish(store, 0.5)
    theirs = io.BytesIO()
    np.save(theirs, np.full(1 << BITS, 0.5, np.float32))

    assert (directory_of(tmp_path, manifest) / WEIGHTS).read_bytes() == theirs.getvalue()


@pytest.mark.parametrize("name", ALL_FILES)
def test_a_truncated_or_missing_file_is_noticed_named_and_not_listed(
    tmp_path: Path, store: FileSnapshotStore, name: str
) -> None:
    good = publish(store, 0.25)
    manifest = publish(store, 0.5)
    path = directory_of(tmp_path, manifest) / name

    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SnapshotError, match=name):
        store.load("artwork", manifest.version)
    assert store.versions("artwork") == [good]

    path.unlink()
    with pytest.raises(SnapshotError, match=manifest.version):
        store.load("artwork", manifest.version)
    assert store.versions("artwork") == [good]


def test_a_key_that_is_not_in_the_ring_is_refused_and_named(
    tmp_path: Path, store: FileSnapshotStore
) -> None:
    manifest = publish(store, 0.5)
    stranger = FileSnapshotStore(tmp_path, KeyRing((b"some other secret",)))

    with pytest.raises(SnapshotError, match=manifest.key_id) as raised:
        stranger.load("artwork", manifest.version)

    assert "keys" in str(raised.value)
    assert stranger.versions("artwork") == []
    with pytest.raises(SnapshotError):
        stranger.activate("artwork", manifest.version)


def test_every_key_of_the_ring_is_accepted_and_the_newest_signs(tmp_path: Path) -> None:
    before = FileSnapshotStore(tmp_path, KeyRing((OLD_KEY,)))
    during = FileSnapshotStore(tmp_path, KeyRing((OLD_KEY, NEW_KEY)))
    after = FileSnapshotStore(tmp_path, KeyRing((NEW_KEY,)))

    first, second = publish(before, 1.0), publish(during, 2.0)

    assert during.versions("artwork") == [second, first]
    assert after.versions("artwork") == [second]
    with pytest.raises(SnapshotError):
        before.load("artwork", second.version)


def test_each_field_of_the_manifest_is_signed(tmp_path: Path, store: FileSnapshotStore) -> None:
    manifest = publish(store, 0.5)
    path = directory_of(tmp_path, manifest) / MANIFEST
    changes: dict[str, object] = {
        "created_at_us": 2,
        "bits": BITS + 1,
        "interactions": [["a", "b"]],
        "constant": True,
        "engine": "other",
        "engine_version": "10",
        "examples_learned": 1,
        "log_clock_us": 1,
        "parent": manifest.version,
        "version": "000000009-00000000",
        "surface": "rows",
        "files": {},
        "key_id": "00000000",
        "signature": "0" * 64,
        "v": 2,
    }
    assert changes.keys() == set(Manifest.__struct_fields__)
    path.chmod(0o644)
    for field, value in changes.items():
        path.write_bytes(msgspec.json.encode({**msgspec.to_builtins(manifest), field: value}))
        with pytest.raises(SnapshotError):
            store.load("artwork", manifest.version)


def test_a_signed_manifest_under_another_name_or_surface_is_refused(
    tmp_path: Path, store: FileSnapshotStore
) -> None:
    manifest = publish(store, 0.5)
    own = directory_of(tmp_path, manifest)
    elsewhere = own.with_name("000000002-00000000")
    shutil.copytree(own, elsewhere)
    shutil.copytree(own, tmp_path / "rows" / manifest.version)

    with pytest.raises(SnapshotError, match="in its place"):
        store.load("artwork", elsewhere.name)
    with pytest.raises(SnapshotError, match="in its place"):
        store.load("rows", manifest.version)
    assert store.versions("artwork") == [manifest]


def test_signed_arrays_that_do_not_fit_or_are_not_finite_are_refused(
    tmp_path: Path, store: FileSnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandit.snapshots.file_store.check_arrays", lambda *_: None)
    bad = publish(store, float("nan"))
    monkeypatch.undo()

    with pytest.raises(SnapshotError, match="weights: not all numbers are finite"):
        store.load("artwork", bad.version)


def test_a_pointer_to_a_missing_version_is_reported_by_loading(
    tmp_path: Path, store: FileSnapshotStore
) -> None:
    manifest = publish(store, 0.5)
    shutil.rmtree(directory_of(tmp_path, manifest))

    pointer = store.pointer("artwork")

    assert pointer == Pointer(manifest.version, pinned=False)
    with pytest.raises(SnapshotError, match="no such snapshot"):
        store.load("artwork", pointer.version)
    renewed = publish(store, 0.75)
    assert store.pointer("artwork") == Pointer(renewed.version, pinned=False)


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": "../../etc", "pinned": false}'])
def test_a_damaged_pointer_is_an_error_that_activating_mends(
    tmp_path: Path, store: FileSnapshotStore, content: bytes
) -> None:
    manifest = publish(store, 0.5)
    (tmp_path / "artwork" / POINTER).write_bytes(content)

    with pytest.raises(SnapshotError):
        store.pointer("artwork")

    store.activate("artwork", manifest.version)
    assert store.pointer("artwork") == Pointer(manifest.version, pinned=False)


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": "../../etc", "pinned": false}'])
def test_publishing_goes_on_past_a_damaged_pointer_and_writes_it_anew(
    tmp_path: Path, store: FileSnapshotStore, content: bytes
) -> None:
    publish(store, 0.5)
    (tmp_path / "artwork" / POINTER).write_bytes(content)

    manifest = publish(store, 0.75)

    assert store.pointer("artwork") == Pointer(manifest.version, pinned=False)


@pytest.mark.parametrize("name", ALL_FILES)
def test_a_file_that_cannot_be_read_now_is_no_refusal(
    store: FileSnapshotStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    manifest = publish(store, 0.5)
    really_open = io.open

    def failing(path: Path, *args: object, **kwargs: object) -> object:
        if isinstance(path, Path | str) and str(path).endswith(f"{manifest.version}/{name}"):
            raise OSError(errno.EIO, "Input/output error")
        return really_open(path, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr("io.open", failing)
    with pytest.raises(OSError, match="Input/output"):
        store.load("artwork", manifest.version)
    with pytest.raises(SnapshotUnavailableError):
        store.activate("artwork", manifest.version)
    monkeypatch.undo()
    assert store.load("artwork", manifest.version).manifest == manifest


def test_a_pointer_that_cannot_be_read_now_is_not_written_anew(
    tmp_path: Path, store: FileSnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(store, 0.5)
    publish(store, 0.75)
    store.activate("artwork", first.version)
    read = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path.name == POINTER:
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(SnapshotUnavailableError, match="cannot be read now"):
        publish(store, 1.0)
    monkeypatch.undo()
    assert store.pointer("artwork") == Pointer(first.version, pinned=True)


def test_a_crash_before_the_pointer_moves_leaves_the_last_good_one_served(
    tmp_path: Path, store: FileSnapshotStore
) -> None:
    first = publish(store, 0.25)
    pointer_file = (tmp_path / "artwork" / POINTER).read_bytes()
    second = publish(store, 0.5)
    (tmp_path / "artwork" / POINTER).write_bytes(pointer_file)

    assert store.pointer("artwork") == Pointer(first.version, pinned=False)
    assert store.versions("artwork") == [second, first]

    third = publish(store, 0.75)
    assert third.version > second.version
    assert store.pointer("artwork") == Pointer(third.version, pinned=False)


def test_what_a_crash_left_half_written_is_never_seen_and_goes_with_the_next_publishing(
    tmp_path: Path, store: FileSnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(store, 0.25)

    def crash(path: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(KeyboardInterrupt):
        publish(store, 0.5)
    monkeypatch.undo()
    leftovers = [path for path in (tmp_path / "artwork").iterdir() if path.name.startswith(".")]
    assert len(leftovers) == 1
    assert store.versions("artwork") == [first]
    pointer = tmp_path / "artwork" / f".{POINTER}.0123456789abcdef.tmp"
    pointer.write_bytes(b"{")

    publish(store, 0.75)
    assert not leftovers[0].exists()
    assert not pointer.exists()


def test_what_is_mapped_is_read_only_and_pruned_all_the_same(
    tmp_path: Path, store: FileSnapshotStore
) -> None:
    first = publish(store, 0.25)
    place = directory_of(tmp_path, first)
    assert {path.name for path in place.iterdir()} == set(ALL_FILES)
    assert not any(path.stat().st_mode & 0o222 for path in place.iterdir())
    publish(store, 0.5)
    assert store.prune("artwork", 1) == [first.version]
    assert not place.exists()


def test_a_directory_that_cannot_be_written_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "artwork").write_text("a file where the directory should be")

    with pytest.raises(SnapshotError) as raised:
        publish(FileSnapshotStore(tmp_path, KeyRing((OLD_KEY,))), 1.0)

    assert raised.value.hint


def test_readers_never_see_a_half_written_snapshot(store: FileSnapshotStore) -> None:
    publish(store, 1.0)
    stop = threading.Event()
    failures: list[str] = []
    loads = threading.Semaphore(0)

    def read() -> None:
        while not stop.is_set():
            pointer = store.pointer("artwork")
            assert pointer is not None
            try:
                weights = store.load("artwork", pointer.version).arrays.weights
            except SnapshotError as error:
                failures.append(str(error))
                return
            if not (weights == weights[0]).all():
                failures.append("mixed")
            loads.release()

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(40):
        publish(store, float(number))
        store.prune("artwork", 20)
        assert loads.acquire(timeout=30)
    stop.set()
    for reader in readers:
        reader.join(30)
    assert failures == []


def test_loaded_arrays_are_mapped_and_outlive_pruning(store: FileSnapshotStore) -> None:
    first = publish(store, 1.0)
    weights = store.load("artwork", first.version).arrays.weights
    assert isinstance(weights.base, np.memmap)
    assert type(weights) is np.ndarray

    publish(store, 2.0)
    assert store.prune("artwork", 1) == [first.version]

    assert (weights == 1.0).all()


def test_two_publishers_take_different_numbers(tmp_path: Path) -> None:
    keys = KeyRing((OLD_KEY,))
    published: list[str] = []

    def work(value: float) -> None:
        own = FileSnapshotStore(tmp_path, keys)
        published.extend(publish(own, value + step / 10).version for step in range(5))

    threads = [threading.Thread(target=work, args=(float(index),)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(int(version[:9]) for version in published) == list(range(1, 21))


def test_the_files_are_those_of_the_manifest(tmp_path: Path, store: FileSnapshotStore) -> None:
    manifest = publish(store, 0.5)

    directory = directory_of(tmp_path, manifest)

    assert sorted(path.name for path in directory.iterdir()) == ALL_FILES
    assert (directory / MODEL).read_bytes() == b"model bytes"
    assert np.load(directory / WEIGHTS, allow_pickle=False).shape == (1 << BITS,)
