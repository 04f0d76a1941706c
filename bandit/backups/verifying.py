"""Tells whether a backup is whole, and what would come of restoring it."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bandit.backups.copying import Progress, digest_of, look_into
from bandit.backups.formats import STATE_FORMATS
from bandit.backups.manifest import BackupManifest, StoredFile, read_manifest
from bandit.backups.places import CHALLENGER, PARTS
from bandit.checkpoint import load_checkpoint
from bandit.errors import BackupError, MarqueeError
from bandit.eventlog.sqlite_schema import spool_path
from bandit.keys import KeyRing, read_keys
from bandit.snapshots import FileSnapshotStore

_COPY_AGAIN = "take another backup; this one cannot be relied on"


class Verified(NamedTuple):
    """A backup that is whole."""

    manifest: BackupManifest
    notices: list[str]
    """What was wrong with the state itself when it was copied, or will not go on as it was."""


def verify(directory: Path, progress: Progress = lambda _bytes: None) -> Verified:
    """Check every file of a backup, and read spools, checkpoint and served snapshots.

    Raises:
        BackupError: a file is missing or was changed, or the backup is of a later release.
        LogDamagedError: a spool is of another format.
    """
    manifest = read_manifest(directory)
    _check_formats(manifest)
    for file in manifest.files:
        _check_file(directory, file, progress)
    for spool in manifest.spools:
        safe_path(f"log/{spool.name}")
        found = look_into(spool_path(directory / "log", spool.name))
        if found != spool:
            raise BackupError(
                f"{directory}: {spool.name} holds {found.records:,} records up to "
                f"{found.last_sequence:,}, the manifest tells of {spool.records:,} up to "
                f"{spool.last_sequence:,}",
                hint=_COPY_AGAIN,
            )
    notices = [
        notice
        for below in ("", CHALLENGER)
        for notice in load_checkpoint(directory / below / "learner")[1]
    ]
    keys = directory / "secrets" / "snapshots.keys"
    if keys.exists():
        places = {below: directory / below / "snapshots" for below in ("", CHALLENGER)}
        notices += snapshot_notices(manifest, places, read_keys(keys))
    return Verified(manifest, notices)


def snapshot_notices(
    manifest: BackupManifest, places: Mapping[str, Path], keys: KeyRing | None
) -> list[str]:
    """Return why snapshots that were served cannot be, with these keys.

    ``places`` holds the directories of the champion's snapshots, and of the challenger's.
    """
    served = {"": manifest.snapshots, CHALLENGER: manifest.challenger_snapshots}
    if keys is None:
        return [
            "the key that signed the snapshots is neither in the backup nor here: they will not "
            "be served, and the learner publishes its models anew"
        ] * any(served.values())
    notices = []
    for below, versions in served.items():
        store = FileSnapshotStore(places[below], keys)
        for surface, version in versions.items():
            try:
                store.load(surface, version)
            except (MarqueeError, OSError) as error:
                of = f"{below}{surface}"
                notices.append(f"the snapshot {version} of {of} will not be served: {error}")
    return notices


def _check_formats(manifest: BackupManifest) -> None:
    for name, found in manifest.formats.items():
        known = STATE_FORMATS.get(name, 0)
        if found > known:
            raise BackupError(
                f"the backup holds format {found} of {name}, and {known or 'none'} is the latest "
                "known here",
                hint=f"restore it with Marquee {manifest.release} or a later release",
            )


def _check_file(directory: Path, file: StoredFile, progress: Progress) -> None:
    path = directory / safe_path(file.path)
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            # A link leads out of what was copied, and a pipe or device may never end.
            raise BackupError(f"{path} is no regular file", hint=_COPY_AGAIN)
        size = status.st_size
        if size != file.bytes:
            raise BackupError(f"{path} has {size:,} bytes, not {file.bytes:,}", hint=_COPY_AGAIN)
        found = digest_of(path, progress)
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}", hint=_COPY_AGAIN) from error
    if found != file.sha256:
        raise BackupError(f"{path} is not what was copied", hint=_COPY_AGAIN)


def safe_path(path: str) -> PurePosixPath:
    """Return a path of a manifest, checked to lead to a file within one part.

    Raises:
        BackupError: it leads elsewhere.
    """
    found = PurePosixPath(path)
    strays = len(found.parts) < 2 or found.parts[0] not in PARTS or ".." in found.parts
    if strays or "\0" in path:
        raise BackupError(f"{path!r} is no place in a backup", hint=_COPY_AGAIN)
    return found
