"""Snapshots as directories of files, shared by processes of one machine or one file system.

::

    <directory>/<surface>/lock                     held while publishing, activating or pruning
                          pointer.json             which version to serve
                          <version>/manifest.json  signed; names the files below
                                    weights.npy variances.npy model.bin

A version's directory is filled and synced under a passing name and then renamed, so that a reader
sees all of it or nothing. Removal renames first as well. What a crash left under passing names goes
with the next publishing. Arrays are mapped, not read, so that all scorers share one copy of them;
files are written once and are read-only from then on.

Why the pointer is not signed: it can only choose among snapshots that are.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from bandit.engine import ModelArrays
from bandit.errors import SnapshotError, SnapshotUnavailableError
from bandit.files import (
    READ_ONLY_MODE,
    exclusive_lock,
    remove_unfinished,
    sync_directory,
    sync_file,
    write_atomically,
)
from bandit.keys import KeyRing
from bandit.snapshots.manifest import (
    FORMAT_VERSION,
    FileDigest,
    Manifest,
    Snapshot,
    SnapshotDetails,
    check_arrays,
    is_version,
    make_manifest,
    number_of,
    refused,
)
from bandit.snapshots.store import (
    POINTER_FORMAT_VERSION,
    Pointer,
    made_before,
    pointer_after_publishing,
    prunable,
)
from bandit.types import Float32Array, Surface

WEIGHTS: Final = "weights.npy"
VARIANCES: Final = "variances.npy"
MODEL: Final = "model.bin"
MANIFEST: Final = "manifest.json"
POINTER: Final = "pointer.json"
FILES: Final = frozenset((WEIGHTS, VARIANCES, MODEL))

_LOCK: Final = "lock"
_PASSING: Final = ".passing-"
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class _Format(msgspec.Struct, frozen=True):
    """What is read first: nothing else of another format is looked at."""

    v: int


_Parts = list[memoryview]
"""A file's content, piece after piece."""


class _Draft(NamedTuple):
    """The files of a snapshot that has no number yet."""

    contents: dict[str, _Parts]
    files: dict[str, FileDigest]


class FileSnapshotStore:
    """Keeps snapshots in ``directory``, made when first published to.

    Snapshots are signed with the newest of ``signing_keys`` and accepted from any of them.
    """

    def __init__(self, directory: str | Path, signing_keys: KeyRing) -> None:
        self._directory = Path(directory)
        self._keys = signing_keys

    def publish(
        self, surface: Surface, arrays: ModelArrays, model: bytes, details: SnapshotDetails
    ) -> Manifest:
        """Add a snapshot; see :meth:`bandit.snapshots.store.SnapshotStore.publish`."""
        draft = _draft(arrays, model, details.bits)
        with self._changing(surface) as place:
            before = self._sound_pointer(surface)
            manifest = self._put(place, surface, details, draft)
            after = pointer_after_publishing(before, manifest.version)
            if after != before:
                write_atomically(place / POINTER, msgspec.json.encode(after))
        return manifest

    def add(
        self, surface: Surface, arrays: ModelArrays, model: bytes, details: SnapshotDetails
    ) -> Manifest:
        """Add a snapshot as :meth:`publish` does, and leave what is served as it is."""
        draft = _draft(arrays, model, details.bits)
        with self._changing(surface) as place:
            return self._put(place, surface, details, draft)

    def files(self, surface: Surface, version: str) -> dict[str, bytes]:
        """Return the files of a snapshot as they are, the manifest among them, verified.

        Raises:
            SnapshotError: it is missing, damaged or not signed with a key of ours.
            OSError: it cannot be read now.
        """
        self.load(surface, version)
        place = self._place(surface) / version
        return {name: (place / name).read_bytes() for name in (*FILES, MANIFEST)}

    def mirror(self, surface: Surface, version: str, files: Mapping[str, bytes]) -> Manifest:
        """Add another store's :meth:`files` under their own name; what is served stays.

        Raises:
            SnapshotError: they are not whole, damaged or not signed with a key of ours.
            SnapshotUnavailableError: the store cannot be written.
        """
        what = f"{surface} {version}"
        number_of(version)
        manifest = self._checked_manifest(surface, version, files.get(MANIFEST, b""))
        for name in FILES:
            if name not in files or _digest([memoryview(files[name])]) != manifest.files[name]:
                raise refused(f"{what}/{name}", "the content is not what was signed")
        contents = {name: [memoryview(files[name])] for name in FILES}
        with self._changing(surface) as place:
            if not (place / version).exists():
                _write_version(place, files[MANIFEST], version, contents)
        return manifest

    def point(self, surface: Surface, pointer: Pointer) -> None:
        """Serve what another store's pointer tells, of a snapshot that is here.

        Raises:
            SnapshotError: it is missing, damaged or not signed with a key of ours.
            SnapshotUnavailableError: the store cannot be written.
        """
        with self._changing(surface) as place:
            self.load(surface, pointer.version)
            write_atomically(place / POINTER, msgspec.json.encode(pointer))

    def _put(
        self, place: Path, surface: Surface, details: SnapshotDetails, draft: _Draft
    ) -> Manifest:
        """Sign a snapshot under the next number and put it in its place; the lock is held."""
        number = max((number_of(version) for version in _names(place)), default=0) + 1
        manifest = make_manifest(surface, number, details, draft.files).signed(self._keys)
        _write_version(place, msgspec.json.encode(manifest), manifest.version, draft.contents)
        return manifest

    def load(self, surface: Surface, version: str) -> Snapshot:
        """Return a snapshot, verified; see :meth:`bandit.snapshots.store.SnapshotStore.load`."""
        manifest, arrays = self.load_arrays(surface, version)
        place = self._place(surface) / version
        _check_content(place, manifest, MODEL)
        try:
            model = (place / MODEL).read_bytes()
        except FileNotFoundError as error:
            raise refused(f"{surface} {version}", f"cannot be read: {error}") from error
        return Snapshot(manifest, arrays, model)

    def load_arrays(self, surface: Surface, version: str) -> tuple[Manifest, ModelArrays]:
        """Return what serving needs; see :meth:`bandit.snapshots.store.SnapshotStore.load_arrays`.

        Other threads run meanwhile: hashing and checking large arrays let go of the GIL.
        """
        manifest = self._manifest(surface, version)
        place = self._place(surface) / version
        for name in (WEIGHTS, VARIANCES):
            _check_content(place, manifest, name)
        try:
            arrays = ModelArrays(_map_array(place / WEIGHTS), _map_array(place / VARIANCES))
        except (FileNotFoundError, ValueError) as error:
            raise refused(f"{surface} {version}", f"cannot be read: {error}") from error
        check_arrays(arrays, manifest.bits)
        return manifest, arrays

    def pointer(self, surface: Surface) -> Pointer | None:
        """Return which snapshot to serve, None before the first."""
        path = self._place(surface) / POINTER
        try:
            pointer = msgspec.json.decode(path.read_bytes(), type=Pointer)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SnapshotUnavailableError(
                f"{path} cannot be read now: {error}", hint="look at the disk and its permissions"
            ) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SnapshotError(
                f"{path} is damaged: {error}", hint="activate a version to write it anew"
            ) from error
        if pointer.v > POINTER_FORMAT_VERSION:
            raise SnapshotError(
                f"{path} has format {pointer.v}; {POINTER_FORMAT_VERSION} is the latest known here",
                hint="run the release that wrote it, or activate a version to write it anew",
            )
        number_of(pointer.version)
        return pointer

    def _sound_pointer(self, surface: Surface) -> Pointer | None:
        """Return the pointer, None also where it is damaged."""
        try:
            return self.pointer(surface)
        except SnapshotUnavailableError:
            raise
        except SnapshotError:
            return None

    def activate(self, surface: Surface, version: str, *, stays: bool = False) -> Pointer:
        """Serve this version, and stay there unless it is the newest that is sound."""
        with self._changing(surface) as place:
            self.load(surface, version)
            newest = self.versions(surface)[0].version
            pointer = Pointer(version, pinned=stays or version != newest)
            write_atomically(place / POINTER, msgspec.json.encode(pointer))
        return pointer

    def versions(self, surface: Surface) -> list[Manifest]:
        """Return the manifests of all snapshots, newest first, those in disorder left out."""
        place = self._place(surface)
        manifests = []
        for version in sorted(_names(place), reverse=True):
            try:
                manifest = self._manifest(surface, version)
                for name in FILES:
                    _check_size(place / version, manifest, name)
            except (SnapshotError, OSError):
                continue
            manifests.append(manifest)
        return manifests

    def prune(self, surface: Surface, keep: int, made_before_us: int | None = None) -> list[str]:
        """Remove snapshots; see :meth:`bandit.snapshots.store.SnapshotStore.prune`."""
        with self._changing(surface) as place:
            aged = (
                []
                if made_before_us is None
                else made_before(self.versions(surface), made_before_us)
            )
            removed = prunable(_names(place), keep, self.pointer(surface), aged)
            for version in removed:
                passing = _passing(place)
                (place / version).rename(passing)
                shutil.rmtree(passing)
        return removed

    def _place(self, surface: Surface) -> Path:
        return self._directory / surface

    def _manifest(self, surface: Surface, version: str) -> Manifest:
        number_of(version)
        path = self._place(surface) / version / MANIFEST
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise refused(f"{surface} {version}", "there is no such snapshot") from error
        return self._checked_manifest(surface, version, content)

    def _checked_manifest(self, surface: Surface, version: str, content: bytes) -> Manifest:
        what = f"{surface} {version}"
        try:
            found = msgspec.json.decode(content, type=_Format).v
            if found != FORMAT_VERSION:
                raise refused(what, f"format {found} is not {FORMAT_VERSION}")
            manifest = msgspec.json.decode(content, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise refused(f"{what}/{MANIFEST}", f"cannot be read: {error}") from error
        if not manifest.is_signed_by(self._keys):
            raise refused(
                f"{what}/{MANIFEST}",
                f"its signature by key {manifest.key_id!r} is not one of the keys "
                f"{', '.join(self._keys.key_ids)}",
            )
        if (manifest.surface, manifest.version) != (surface, version):
            raise refused(what, f"this is {manifest.surface} {manifest.version} in its place")
        if manifest.files.keys() != FILES:
            raise refused(what, f"has the files {sorted(manifest.files)}, not {sorted(FILES)}")
        return manifest

    @contextmanager
    def _changing(self, surface: Surface) -> Iterator[Path]:
        place = self._place(surface)
        try:
            place.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(place / _LOCK):
                for leftover in place.glob(f"{_PASSING}*"):
                    shutil.rmtree(leftover)
                remove_unfinished(place, POINTER)
                yield place
        except OSError as error:
            raise SnapshotUnavailableError(
                f"{place} cannot be changed: {error}",
                hint="free disk space or make the directory writable; what is served stays",
            ) from error


def _draft(arrays: ModelArrays, model: bytes, bits: int) -> _Draft:
    check_arrays(arrays, bits)
    contents = {
        WEIGHTS: _npy_parts(arrays.weights),
        VARIANCES: _npy_parts(arrays.variances),
        MODEL: [memoryview(model)],
    }
    return _Draft(contents, {name: _digest(parts) for name, parts in contents.items()})


def _write_version(
    place: Path, manifest: bytes, version: str, contents: Mapping[str, _Parts]
) -> None:
    passing = _passing(place)
    passing.mkdir()
    whole = {**contents, MANIFEST: [memoryview(manifest)]}
    for name, parts in whole.items():
        handle = os.open(passing / name, _CREATE, READ_ONLY_MODE)
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
    # Syncing once all is written lets the file system do most of the work with the first sync.
    for name in whole:
        sync_file(passing / name)
    sync_directory(passing)
    passing.rename(place / version)
    sync_directory(place)


def _passing(place: Path) -> Path:
    return place / f"{_PASSING}{secrets.token_hex(8)}"


def _names(place: Path) -> list[str]:
    try:
        return [path.name for path in place.iterdir() if is_version(path.name)]
    except FileNotFoundError:
        return []


def _check_size(place: Path, manifest: Manifest, name: str) -> None:
    try:
        size = (place / name).stat().st_size
    except FileNotFoundError as error:
        raise refused(f"{manifest.version}/{name}", f"cannot be read: {error}") from error
    if size != manifest.files[name].size:
        raise refused(
            f"{manifest.version}/{name}", f"{size} bytes, not {manifest.files[name].size}"
        )


def _check_content(place: Path, manifest: Manifest, name: str) -> None:
    _check_size(place, manifest, name)
    try:
        with (place / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise refused(f"{manifest.version}/{name}", f"cannot be read: {error}") from error
    if digest != manifest.files[name].sha256:
        raise refused(f"{manifest.version}/{name}", "the content is not what was signed")


def _digest(parts: _Parts) -> FileDigest:
    content = hashlib.sha256()
    for part in parts:
        content.update(part)
    return FileDigest(content.hexdigest(), sum(part.nbytes for part in parts))


def _npy_parts(array: Float32Array) -> _Parts:
    """Return what ``np.save`` would write, without a copy of the array."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    return [header.getbuffer(), np.ascontiguousarray(array).data]


def _map_array(path: Path) -> Float32Array:
    mapped: Float32Array = np.load(path, mmap_mode="r", allow_pickle=False)
    # A plain view of the map: indexing np.memmap itself runs Python code every time.
    return np.asarray(mapped)
