"""What a backup says of itself, in ``manifest.json``, which is written last: with it, it is whole.

It is a defence against damage and not against malice: who may write a backup may write its
manifest. Snapshots keep their own signatures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bandit.errors import BackupError
from bandit.files import PRIVATE_MODE, write_atomically
from bandit.types import Surface

FORMAT: Final = "marquee state"
FORMAT_VERSION: Final = 1
FILE_NAME: Final = "manifest.json"


class StoredFile(msgspec.Struct, frozen=True):
    """One file of a backup."""

    path: str
    """Below the backup's directory, with slashes; the first part is one of ``PARTS``."""
    bytes: int
    sha256: str
    """64 hexadecimal digits."""


class StoredSpool(msgspec.Struct, frozen=True):
    """What is in the copy of a spool, its journal aside."""

    name: str
    file_id: str
    records: int
    last_sequence: int
    """Of the last record, 0 where there is none."""
    horizon_us: int
    """The log's time up to which the copy is complete."""


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was copied, when, and in which formats."""

    format: str = FORMAT
    version: int = FORMAT_VERSION
    release: str
    """Of Marquee, which made it."""
    began_at_us: int
    """What was acknowledged by then is in the backup."""
    finished_at_us: int
    formats: dict[str, int]
    """The version of each format in it."""
    secrets: bool
    """Whether the keys that the service made are in it."""
    catalog: str | None
    """The catalog version that was served."""
    snapshots: dict[Surface, str]
    """The champion's snapshots that were served."""
    challenger_snapshots: dict[Surface, str] = {}
    """The challenger's that were, or would have been."""
    spools: list[StoredSpool]
    files: list[StoredFile]


class _Head(msgspec.Struct, frozen=True):
    """What is read first: nothing else of a later format is looked at."""

    format: str
    version: int


def write_manifest(directory: Path, manifest: BackupManifest) -> None:
    """Write a backup's manifest, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    write_atomically(directory / FILE_NAME, text + b"\n", PRIVATE_MODE)


def read_manifest(directory: Path) -> BackupManifest:
    """Read a backup's manifest.

    Raises:
        BackupError: there is none, it is damaged, or of a later format.
    """
    path = directory / FILE_NAME
    try:
        content = path.read_bytes()
        head = msgspec.json.decode(content, type=_Head)
        if head.format == FORMAT and head.version <= FORMAT_VERSION:
            return msgspec.json.decode(content, type=BackupManifest)
    except FileNotFoundError as error:
        raise BackupError(
            f"{directory} holds no backup: there is no {FILE_NAME}",
            hint="give the directory that `marquee state backup` wrote; one that was cut short "
            "has none, and is of no use",
        ) from error
    except OSError as error:
        raise BackupError(
            f"{path} cannot be read: {error.strerror}", hint="look at the disk and permissions"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupError(
            f"{path} is not a backup's manifest: {error}", hint="copy the backup again"
        ) from error
    if head.format != FORMAT:
        raise BackupError(
            f"{path} is of {head.format[:40]!r}, not of {FORMAT!r}",
            hint="give the directory that `marquee state backup` wrote",
        )
    raise BackupError(
        f"{path} has format {head.version}; {FORMAT_VERSION} is the latest known here",
        hint="use the release that wrote it, or a later one",
    )
