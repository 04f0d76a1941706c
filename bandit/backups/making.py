"""Makes a backup beside a running service; see :mod:`bandit.backups.places` for the order.

Whatever was acknowledged when it began is in it: feedback is in a spool by then, and a decision in
a spool or its journal. It takes no lock and opens nothing for writing, so it holds nobody up. The
manifest comes last: a directory without one is a backup that was cut short.

A snapshot may be pruned while it is copied: its files are all opened first, which keeps their
content, and one that is gone by then is left out. Should it be the one that is served, the pointer
has moved on and is read again.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from bandit.backups.copying import Progress, copy_file, copy_spool
from bandit.backups.formats import STATE_FORMATS
from bandit.backups.manifest import BackupManifest, StoredFile, StoredSpool, write_manifest
from bandit.backups.places import (
    CHALLENGER,
    PARTS,
    Kept,
    erasures,
    journals,
    places,
    plain_files,
)
from bandit.clock import Clock
from bandit.config.overlay import LEARNER, SNAPSHOTS
from bandit.config.schema import Config
from bandit.errors import BackupError
from bandit.eventlog.sqlite_schema import SUFFIX, spool_path
from bandit.eventlog.sqlite_slots import spool_names
from bandit.files import PRIVATE_MODE, sync_directory
from bandit.snapshots.file_store import FILES, MANIFEST, POINTER
from bandit.snapshots.manifest import is_version
from bandit.snapshots.store import Pointer
from bandit.types import SURFACES, Surface

DIRECTORY_MODE: Final = 0o700
"""A log tells of people, and secrets are secret."""

_ATTEMPTS: Final = 10
_ROOM_BYTES: Final = 16 << 20
"""What must be free beyond the state's size, for what comes in meanwhile."""

_DEEP: Final[Mapping[str, tuple[str, ...]]] = {
    "snapshots": ("*/*/*",),
    "challenger": ("*", f"{LEARNER}/*", f"{SNAPSHOTS}/*/*/*"),
}
"""Where files lie of parts that are more than one directory."""


def back_up(
    config: Config,
    destination: Path,
    clock: Clock,
    *,
    secrets: bool = True,
    progress: Progress = lambda _bytes: None,
) -> BackupManifest:
    """Copy the whole state into ``destination``, which is made; return what was copied.

    Raises:
        BackupError: the destination holds something or lacks space, there is no state, or a part
            of it cannot be read. What was begun is removed.
        LogError: a spool is damaged or cannot be read now; likewise.
    """
    found = places(config)
    if not any(path.exists() for path in found.values()):
        raise BackupError(
            f"there is no state in {', '.join(str(found[part]) for part in PARTS)}",
            hint="give the same --config as `marquee serve` has, where it was started",
        )
    _check_room(found, destination, secrets=secrets)
    try:
        destination.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        if any(destination.iterdir()):
            raise BackupError(
                f"{destination} is not empty", hint="give a directory that is new or empty"
            )
    except OSError as error:
        raise _failed(error) from error
    try:
        return _Backup(found, destination, clock, progress).make(secrets=secrets)
    except BaseException as error:
        for begun in destination.iterdir():
            with suppress(OSError):
                shutil.rmtree(begun) if begun.is_dir() else begun.unlink()
        if isinstance(error, OSError):
            raise _failed(error) from error
        raise


def work_bytes(config: Config) -> int:
    """Return roughly how many bytes :func:`back_up` will tell of: spools are copied and checked."""
    found = places(config)
    return _size(found, secrets=True) + _spool_bytes(found["log"])


class _Backup:
    """A backup that is being made."""

    def __init__(
        self, found: dict[str, Path], destination: Path, clock: Clock, progress: Progress
    ) -> None:
        self._places = found
        self._destination = destination
        self._clock = clock
        self._progress = progress
        self._files: list[StoredFile] = []
        self._spools: list[StoredSpool] = []
        self._served: dict[str, dict[Surface, str]] = {"": {}, CHALLENGER: {}}

    def make(self, *, secrets: bool) -> BackupManifest:
        """Copy all parts in their order; the manifest last."""
        began_at_us = self._clock.now_us()
        self._copy_erasures()
        for part in PARTS:
            if part != "secrets" or secrets:
                self._copy_part(part, self._places[part])
        manifest = BackupManifest(
            release=version("marquee"),
            began_at_us=began_at_us,
            finished_at_us=self._clock.now_us(),
            formats=dict(STATE_FORMATS),
            secrets=secrets,
            catalog=self._catalog(),
            snapshots=self._served[""],
            challenger_snapshots=self._served[CHALLENGER],
            spools=self._spools,
            files=self._files,
        )
        write_manifest(self._destination, manifest)
        return manifest

    def _copy_part(self, part: str, directory: Path, below: str = "") -> None:
        is_challenger = part == "challenger"
        if is_challenger and not directory.exists():
            return
        self._made(below + part)
        if is_challenger:
            self._copy_part("learner", directory / LEARNER, CHALLENGER)
        if part == "log":
            self._copy_log(directory)
        if part == "snapshots":
            for surface in SURFACES:
                self._copy_snapshots(surface, directory / surface, below)
        else:
            for kept in plain_files(part, directory, below):
                with suppress(FileNotFoundError):
                    self._copy(kept)
        if is_challenger:
            self._copy_part("snapshots", directory / SNAPSHOTS, CHALLENGER)
        sync_directory(self._destination / (below + part))

    def _made(self, path: str) -> Path:
        directory = self._destination / path
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        return directory

    def _copy(self, kept: Kept) -> None:
        with kept.source.open("rb") as source:
            self._copy_open(kept.path, source)

    def _copy_open(self, path: str, source: BinaryIO) -> None:
        target = self._destination / path
        size, sha256 = copy_file(source, target, PRIVATE_MODE, self._progress)
        self._files.append(StoredFile(path, size, sha256))

    def _copy_erasures(self) -> None:
        for kept in erasures(self._places["log"]):
            place = self._made(kept.path.rpartition("/")[0])
            with suppress(FileNotFoundError):
                self._copy(kept)
            sync_directory(place)

    def _copy_log(self, directory: Path) -> None:
        for kept in journals(directory):
            self._copy(kept)
        for spool in spool_names(directory):
            path = f"log/{spool}{SUFFIX}"
            found, file = copy_spool(
                spool_path(directory, spool),
                self._destination / path,
                path,
                PRIVATE_MODE,
                self._progress,
            )
            self._spools.append(found)
            self._files.append(file)

    def _copy_snapshots(self, surface: Surface, source: Path, below: str) -> None:
        if not source.exists():
            return
        path = f"{below}snapshots/{surface}"
        target = self._made(path)
        pointer, served = _pointer(source)
        for _ in range(_ATTEMPTS):
            if served is None or (target / served).exists():
                break
            self._copy_version(source / served, f"{path}/{served}")
            if not (target / served).exists():
                pointer, served = _pointer(source)
        names = (each.name for each in source.iterdir() if is_version(each.name))
        for name in sorted(names, reverse=True):
            if not (target / name).exists():
                self._copy_version(source / name, f"{path}/{name}")
        if pointer is not None:
            self._copy_open(f"{path}/{POINTER}", io.BytesIO(pointer))
        if served is not None and (target / served).exists():
            self._served[below][surface] = served
        sync_directory(target)

    def _copy_version(self, source: Path, path: str) -> None:
        """Copy a snapshot, unless it was pruned just now."""
        with ExitStack() as opened:
            try:
                sources = {
                    name: opened.enter_context(closing((source / name).open("rb")))
                    for name in sorted((*FILES, MANIFEST))
                }
            except (FileNotFoundError, NotADirectoryError):
                return
            directory = self._made(path)
            for name, file in sources.items():
                self._copy_open(f"{path}/{name}", file)
            sync_directory(directory)

    def _catalog(self) -> str | None:
        current = _read_or_none(self._destination / "catalog" / "current")
        return None if current is None else current.decode(errors="replace")


def _pointer(directory: Path) -> tuple[bytes | None, str | None]:
    """Return the content of a surface's pointer and the version it names; a damaged one none."""
    content = _read_or_none(directory / POINTER)
    try:
        pointer = None if content is None else msgspec.json.decode(content, type=Pointer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return content, None
    named = None if pointer is None else pointer.version
    return content, named if named is not None and is_version(named) else None


def _read_or_none(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _check_room(found: Mapping[str, Path], destination: Path, *, secrets: bool) -> None:
    for part, directory in found.items():
        if destination.resolve().is_relative_to(directory):
            raise BackupError(
                f"{destination} lies within {directory}, which holds the {part}",
                hint="give a directory outside of the state, at best on another disk",
            )
    needed = _size(found, secrets=secrets) + _ROOM_BYTES
    home = next(
        path for path in (destination.resolve(), *destination.resolve().parents) if path.exists()
    )
    free = shutil.disk_usage(home).free
    if free < needed:
        raise BackupError(
            f"{home} has {free:,} bytes free, and the backup needs some {needed:,}",
            hint="give a directory on a disk with room for it",
        )


def _size(found: Mapping[str, Path], *, secrets: bool) -> int:
    """Return how many bytes the state has now; files that go meanwhile do not count."""
    total = _spool_bytes(found["log"])
    for part in PARTS:
        if part in _DEEP:
            paths = (path for pattern in _DEEP[part] for path in found[part].glob(pattern))
            total += sum(map(_bytes, paths))
        elif part != "secrets" or secrets:
            total += sum(_bytes(kept.source) for kept in plain_files(part, found[part]))
    return total + sum(_bytes(kept.source) for kept in journals(found["log"]))


def _spool_bytes(log: Path) -> int:
    return sum(_bytes(path) for path in log.glob(f"*{SUFFIX}*"))


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _failed(error: OSError) -> BackupError:
    return BackupError(
        f"the backup cannot be made: {error}",
        hint="free disk space or make the directories accessible; what was begun is removed",
    )
