"""Puts a backup in place of a state that is empty or not there.

All of it is verified first. Then each part is copied to a directory beside its place, checked
against its digests once more and synced, and only when all parts stand ready are they renamed into
place: the log before the learner, so that what an end in between leaves never knows of more than
there is. Where one cannot be renamed, those before it are taken back.

Journals are restored as journals: whoever opens the log first stores what they hold, and what the
spool holds already is left out by its keys.

Secrets go file by file, and one that is there already and is the same does no harm: keys may well
have been brought here before.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from bandit.backups.copying import Progress, copy_file
from bandit.backups.manifest import BackupManifest, StoredFile, read_manifest
from bandit.backups.places import CHALLENGER, places
from bandit.backups.verifying import safe_path, snapshot_notices, verify
from bandit.config.overlay import SNAPSHOTS
from bandit.config.schema import Config
from bandit.errors import BackupError
from bandit.eventlog.learned import KEEPING
from bandit.files import (
    PRIVATE_MODE,
    PUBLIC_MODE,
    READ_ONLY_MODE,
    create_atomically,
    sync_directory,
)
from bandit.secret_keys import known_snapshot_keys
from bandit.snapshots.file_store import POINTER

ORDER: Final = ("catalog", "snapshots", "log", "learner", "challenger")
"""In which the parts are put in place, secrets before them."""

_ROOM_BYTES: Final = 16 << 20


class Restored(NamedTuple):
    """What was put in place."""

    manifest: BackupManifest
    notices: list[str]
    """What will not go on as it was."""


def restore(config: Config, directory: Path, progress: Progress = lambda _bytes: None) -> Restored:
    """Put the state that ``directory`` holds where ``config`` has it.

    Raises:
        BackupError: there is a state already, the backup is damaged or of a later release, or it
            cannot be put in place; nothing was changed, but for keys that were added.
        LogDamagedError: a spool in the backup is of another format.
    """
    found = places(config)
    try:
        return _restored(config, found, directory, progress)
    except OSError as error:
        raise BackupError(
            f"the state cannot be put in place: {error}",
            hint="free disk space, or make the directories above the state's writable; a directory "
            "that is a mount of its own cannot be replaced: configure one below it",
        ) from error


def _restored(
    config: Config, found: Mapping[str, Path], directory: Path, progress: Progress
) -> Restored:
    _check_empty({part: found[part] for part in ORDER})
    files: dict[str, list[StoredFile]] = defaultdict(list)
    for file in read_manifest(directory).files:
        files[safe_path(file.path).parts[0]].append(file)
    _check_room({part: found[part] for part in ORDER}, files)
    manifest, notices = verify(directory, progress)
    _check_secrets(directory, found["secrets"], files["secrets"])
    staged = {part: _staged(found[part]) for part in ORDER}
    try:
        for part in ORDER:
            _stage(directory, part, files[part], staged[part], progress)
        _place_secrets(directory, found["secrets"], files["secrets"])
        _place(staged, found)
    finally:
        for place in staged.values():
            shutil.rmtree(place, ignore_errors=True)
    snapshots = {"": found["snapshots"], CHALLENGER: found["challenger"] / SNAPSHOTS}
    told = snapshot_notices(manifest, snapshots, known_snapshot_keys(config))
    return Restored(manifest, list(dict.fromkeys(notices + told)))


def _check_empty(found: Mapping[str, Path]) -> None:
    for part, place in found.items():
        if place.exists() and any(place.iterdir()):
            raise BackupError(
                f"there is a state already: {place} holds the {part}",
                hint=f"stop the service and move it away, as in `mv {place} {place}.old`; nothing "
                "is ever restored over what is there",
            )


def _check_room(found: Mapping[str, Path], files: Mapping[str, Sequence[StoredFile]]) -> None:
    needed: dict[int, int] = defaultdict(lambda: _ROOM_BYTES)
    homes: dict[int, Path] = {}
    for part, place in found.items():
        home = next(path for path in (place, *place.parents) if path.exists())
        device = home.stat().st_dev
        homes[device] = home
        needed[device] += sum(file.bytes for file in files[part])
    for device, home in homes.items():
        free = shutil.disk_usage(home).free
        if free < needed[device]:
            raise BackupError(
                f"{home} has {free:,} bytes free, and the state needs some {needed[device]:,}",
                hint="free disk space, or configure directories on a larger disk",
            )


def _staged(place: Path) -> Path:
    return place.with_name(f".{place.name}.restoring")


def _stage(
    directory: Path, part: str, files: Sequence[StoredFile], staged: Path, progress: Progress
) -> None:
    """Copy a part beside its place, in whole and durably."""
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    made = {staged}
    for file in files:
        target = staged.joinpath(*safe_path(file.path).parts[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        made.update(path for path in target.parents if path.is_relative_to(staged))
        with (directory / file.path).open("rb") as source:
            copied = copy_file(source, target, _mode(file.path), progress)
        if copied != (file.bytes, file.sha256):
            raise BackupError(
                f"{directory / file.path} changed while it was restored",
                hint="leave the backup alone and restore it again",
            )
    for path in made:
        sync_directory(path)


def _mode(path: str) -> int:
    """Return the mode of a file as the service makes it; orders to erase name people."""
    if path.startswith(f"log/{KEEPING}/"):
        return PRIVATE_MODE
    is_snapshot = path.startswith(("snapshots/", f"{CHALLENGER}snapshots/"))
    is_pointer = path.rpartition("/")[2] == POINTER
    return READ_ONLY_MODE if is_snapshot and not is_pointer else PUBLIC_MODE


def _check_secrets(directory: Path, place: Path, files: Sequence[StoredFile]) -> None:
    for file in files:
        target = place / Path(file.path).name
        if target.exists() and target.read_bytes() != (directory / file.path).read_bytes():
            raise BackupError(
                f"{target} is there already, with other keys than the backup's",
                hint="move it away to have those of the backup, whose snapshots and tokens they "
                "signed",
            )


def _place_secrets(directory: Path, place: Path, files: Sequence[StoredFile]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for file in files:
        content = (directory / file.path).read_bytes()
        create_atomically(place / Path(file.path).name, content, PRIVATE_MODE)


def _place(staged: Mapping[str, Path], found: Mapping[str, Path]) -> None:
    """Rename all parts into place, or none."""
    done: list[str] = []
    try:
        for part, place in staged.items():
            # Over a directory that is empty, or over none.
            place.rename(found[part])
            done.append(part)
            sync_directory(found[part].parent)
    except OSError:
        for part in reversed(done):
            with suppress(OSError):
                found[part].rename(staged[part])
        raise
