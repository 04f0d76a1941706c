"""Models that come from elsewhere: taken when they verify and fit, and otherwise not touched."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit.config.loading import load_config
from bandit.config.schema import Config
from bandit.engine import Candidate, TrainingExample
from bandit.errors import SnapshotError
from bandit.features import encode
from bandit.keys import KeyRing
from bandit.model import VowpalEngine, engine_version
from bandit.model_trial import try_model
from bandit.scoring import ModelShape
from bandit.snapshot_import import import_directory, import_model
from bandit.snapshots import FileSnapshotStore, Manifest, Snapshot, SnapshotDetails
from bandit.snapshots.file_store import MANIFEST, MODEL, VARIANCES, WEIGHTS
from server.local import children_of, wait_until

THEIRS, OURS = KeyRing((b"the key of the others",)), KeyRing((b"a key of our own here",))
BITS = 10
SETTINGS = {"MARQUEE__SURFACES__ARTWORK__MODEL__BITS": str(BITS)}
CONFIG = load_config(None, SETTINGS)
SHAPE = ModelShape.of("artwork", CONFIG.surfaces.artwork.model)


def engine() -> VowpalEngine:
    made = VowpalEngine(SHAPE, CONFIG.surfaces.artwork.model)
    shared = {"context": encode("context", {"hour": 3.0})}
    candidate = Candidate({"artwork": encode("artwork", {"mood": "dark"})})
    made.learn([TrainingExample(shared, [candidate], 0, 0.5, 1.0)] * 7)
    return made


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a version that another installation published."""
    root = tmp_path_factory.mktemp("theirs")
    arrays, state = engine().snapshot()
    details = SnapshotDetails(
        created_at_us=5,
        bits=BITS,
        interactions=[list(names) for names in SHAPE.interactions],
        constant=SHAPE.constant,
        engine_version=engine_version(),
        examples_learned=7,
        log_clock_us=9,
        parent="000000001-00000000",
    )
    manifest = FileSnapshotStore(root, THEIRS).publish("artwork", arrays, state, details)
    return root / "artwork" / manifest.version


@pytest.fixture
def foreign(exported: Path, tmp_path: Path) -> Path:
    """A copy of it that may be tampered with."""
    copied = tmp_path / "foreign"
    shutil.copytree(exported, copied)
    for path in copied.iterdir():
        path.chmod(0o644)
    return copied


@pytest.fixture
def store(tmp_path: Path) -> FileSnapshotStore:
    return FileSnapshotStore(tmp_path / "ours", OURS)


def changed(directory: Path, **changes: object) -> None:
    """Change fields of the manifest and have it signed by those who made it."""
    path = directory / MANIFEST
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    path.write_bytes(
        msgspec.json.encode(msgspec.structs.replace(manifest, **changes).signed(THEIRS))
    )


def nothing_was_taken(store: FileSnapshotStore) -> bool:
    return store.versions("artwork") == [] and store.pointer("artwork") is None


def test_a_signed_directory_is_taken_signed_anew_and_served_when_activated(
    foreign: Path, store: FileSnapshotStore
) -> None:
    manifest = import_directory(CONFIG, foreign, THEIRS, store)
    assert store.pointer("artwork") is None
    taken = store.load("artwork", manifest.version)
    theirs = FileSnapshotStore(foreign.parent, OURS)
    assert isinstance(taken, Snapshot)
    assert theirs.versions("artwork") == []
    assert taken.manifest.is_signed_by(OURS)
    assert not taken.manifest.is_signed_by(THEIRS)
    assert (taken.manifest.examples_learned, taken.manifest.parent) == (7, None)
    assert taken.model == (foreign / MODEL).read_bytes()
    assert np.array_equal(taken.arrays.weights, engine().arrays().weights)
    assert store.activate("artwork", manifest.version).version == manifest.version


def test_what_is_served_stays(foreign: Path, store: FileSnapshotStore) -> None:
    first = import_directory(CONFIG, foreign, THEIRS, store)
    store.activate("artwork", first.version)
    second = import_directory(CONFIG, foreign, THEIRS, store)
    pointer = store.pointer("artwork")
    assert pointer is not None
    assert pointer.version == first.version < second.version


def test_another_signature_or_none_is_refused_unless_none_is_asked_for(
    foreign: Path, store: FileSnapshotStore
) -> None:
    with pytest.raises(SnapshotError, match="not signed with one of the keys"):
        import_directory(CONFIG, foreign, OURS, store)
    path = foreign / MANIFEST
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, signature="")))
    with pytest.raises(SnapshotError, match="not signed with one of the keys"):
        import_directory(CONFIG, foreign, THEIRS, store)
    assert nothing_was_taken(store)
    assert import_directory(CONFIG, foreign, None, store).is_signed_by(OURS)


def link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "flipped": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x7f"),
    "a link": link,
    "a pipe": pipe,
}


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS, VARIANCES, MODEL])
@pytest.mark.parametrize("how", DAMAGE)
def test_damage_is_refused_before_anything_is_taken(
    foreign: Path, store: FileSnapshotStore, name: str, how: str
) -> None:
    DAMAGE[how](foreign / name)
    with pytest.raises(SnapshotError):
        import_directory(CONFIG, foreign, THEIRS, store)
    assert nothing_was_taken(store)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bits": BITS + 1}, "not of ModelShape"),
        ({"bits": 4_000_000_000}, "not of ModelShape"),
        ({"constant": not SHAPE.constant}, "not of ModelShape"),
        ({"interactions": []}, "not of ModelShape"),
        ({"surface": "rows"}, "not of ModelShape"),
        ({"engine": "other"}, "its engine"),
        ({"engine_version": "8.0"}, "VW 8.0 made it"),
        ({"examples_learned": 8}, "not those of its model's bytes"),
        ({"v": 2}, "format 2"),
        ({"version": "../../../../etc/passwd"}, "no snapshot version"),
        ({"files": {}}, "has the files"),
    ],
)
def test_a_signed_manifest_that_does_not_fit_is_refused(
    foreign: Path, store: FileSnapshotStore, changes: dict[str, object], message: str
) -> None:
    changed(foreign, **changes)
    with pytest.raises(SnapshotError, match=message):
        import_directory(CONFIG, foreign, THEIRS, store)
    assert nothing_was_taken(store)


@pytest.mark.parametrize("array", [WEIGHTS, VARIANCES])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(
    exported: Path, tmp_path: Path, store: FileSnapshotStore, array: str, value: float
) -> None:
    wrong = np.zeros(1 << BITS, np.float32)
    wrong[3] = value
    copied = tmp_path / "copied"
    shutil.copytree(exported, copied)
    (copied / array).chmod(0o644)
    np.save(copied / array, wrong)
    resigned(copied, array)
    with pytest.raises(SnapshotError, match="not all numbers are finite"):
        import_directory(CONFIG, copied, THEIRS, store)


def test_weights_that_are_not_those_of_the_bytes_are_refused(
    foreign: Path, store: FileSnapshotStore
) -> None:
    np.save(foreign / WEIGHTS, np.zeros(1 << BITS, np.float32))
    resigned(foreign, WEIGHTS)
    with pytest.raises(SnapshotError, match="not those of its model's bytes"):
        import_directory(CONFIG, foreign, THEIRS, store)
    assert nothing_was_taken(store)


def resigned(directory: Path, name: str) -> None:
    """Have a changed file vouched for by those who made the snapshot."""
    path = directory / MANIFEST
    path.chmod(0o644)
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    data = (directory / name).read_bytes()
    digest = type(manifest.files[name])(hashlib.sha256(data).hexdigest(), len(data))
    changed(directory, files={**manifest.files, name: digest})


def test_a_bare_model_is_taken_by_its_own_weights(exported: Path, store: FileSnapshotStore) -> None:
    manifest = import_model(CONFIG, exported / MODEL, "artwork", 77, store)
    taken = store.load("artwork", manifest.version)
    expected = engine().arrays()
    assert (manifest.created_at_us, manifest.examples_learned) == (77, 7)
    assert np.array_equal(taken.arrays.weights, expected.weights)
    assert np.array_equal(taken.arrays.variances, expected.variances)


def test_bare_models_of_another_shape_or_none_are_refused(
    exported: Path, store: FileSnapshotStore, tmp_path: Path
) -> None:
    with pytest.raises(SnapshotError, match="other settings"):
        import_model(CONFIG, exported / MODEL, "rows", 77, store)
    for data in (b"", b"\xff" * 5000, (exported / MODEL).read_bytes()[:-3]):
        (tmp_path / "file").write_bytes(data)
        with pytest.raises(SnapshotError):
            import_model(CONFIG, tmp_path / "file", "artwork", 77, store)
    assert nothing_was_taken(store)


@pytest.fixture
def model(exported: Path) -> bytes:
    return (exported / MODEL).read_bytes()


def trial(model: bytes, config: Config = CONFIG, timeout_s: float = 60.0) -> object:
    return try_model("artwork", config.surfaces.artwork.model, model, timeout_s=timeout_s)


def test_a_crash_of_the_loader_is_an_error_like_others(model: bytes) -> None:
    before = set(children_of(os.getpid()))

    def crash_the_child() -> None:
        wait_until(lambda: set(children_of(os.getpid())) - before, 30, "a child")
        for child in set(children_of(os.getpid())) - before:
            os.kill(child, signal.SIGSEGV)

    crashing = threading.Thread(target=crash_the_child)
    crashing.start()
    with pytest.raises(SnapshotError, match="crashed a process by SIGSEGV"):
        trial(model)
    crashing.join()


def test_a_loader_that_takes_too_long_is_ended(model: bytes) -> None:
    with pytest.raises(SnapshotError, match="took longer than"):
        trial(model, timeout_s=0.001)


def test_memory_is_bounded(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bandit.model_trial._MEMORY_BYTES", 60_000_000)
    with pytest.raises(SnapshotError, match=r"ended with status|crashed"):
        trial(model)
