"""What an export says of itself: what is in it, and how its outcomes are to be rewarded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

from bandit.config.schema import Config
from bandit.errors import OutcomeFilesError
from bandit.exposure import Exposure
from bandit.files import write_durably
from bandit.reward import RewardRule
from bandit.types import Surface

FORMAT_VERSION: Final = 1
FILE_NAME: Final = "manifest.json"

_FILE_PATH: Final = re.compile(r"([A-Za-z0-9_=-]+/)*[A-Za-z0-9_=-]+\.parquet")
_VERSION: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")


class ExportedFile(msgspec.Struct, frozen=True):
    """One Parquet file."""

    path: str
    """Below the export's directory."""
    outcomes: int
    bytes: int


class _Format(msgspec.Struct, frozen=True):
    """What is read first: nothing else of a later format is looked at."""

    version: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """An export's contents, in ``manifest.json``."""

    format: str = "marquee outcomes"
    version: int = FORMAT_VERSION
    log_clock_us: int
    """The log was taken up to this instant: every window that closed by then is in the export."""
    outcomes: int
    closed_by: dict[str, int]
    """How many outcomes were closed by their window, by a play, or early."""
    open_decisions: int
    """Decisions, or feedback for some to come, whose window had not closed by the log clock."""
    damaged_records: int
    """Records of the log that could not be read."""
    unreadable_spools: dict[str, str]
    """Spools passed over, and why."""
    dispositions: dict[str, int]
    """What became of all records: joined, late, duplicate and so on."""
    reward: RewardRule
    """The rule by which outcomes were joined; a reader may reward by another."""
    exposure: dict[Surface, Exposure]
    """What counted as seen."""
    catalogs: list[str]
    """Versions that outcomes name, by first use; each in ``catalog-<version>.jsonl``."""
    missing_catalogs: list[str]
    """Versions that outcomes name and that the catalog's directory did not hold."""
    files: list[ExportedFile]


def exposures(config: Config) -> dict[Surface, Exposure]:
    """Return what counts as seen, by surface."""
    return {
        "artwork": config.surfaces.artwork.exposure,
        "rows": config.surfaces.rows.exposure,
    }


def catalog_file(version: str) -> str:
    """Return the name of the file that holds a catalog version."""
    return f"catalog-{version}.jsonl"


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write ``manifest.json``, the last file of an export.

    Raises:
        OSError: it cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    write_durably(directory / FILE_NAME, text + b"\n")


def read_manifest(directory: Path) -> Manifest:
    """Read an export's manifest.

    Raises:
        OutcomeFilesError: there is none, it is damaged, or of a later format.
    """
    path = directory / FILE_NAME
    try:
        content = path.read_bytes()
        found = msgspec.json.decode(content, type=_Format).version
        if found > FORMAT_VERSION:
            raise OutcomeFilesError(
                f"{path} has the format {found}; {FORMAT_VERSION} is the latest known here",
                hint="read it with the version of marquee that wrote it, or a later one",
            )
        manifest = msgspec.json.decode(content, type=Manifest)
    except OSError as error:
        raise OutcomeFilesError(
            f"{path} cannot be read: {error.strerror}",
            hint="give the directory that `marquee log export --out` wrote",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OutcomeFilesError(
            f"{path} is not an export's manifest: {error}",
            hint="export the log again with `marquee log export`",
        ) from error
    _check_names(path, manifest)
    return manifest


def _check_names(path: Path, manifest: Manifest) -> None:
    """Check that a manifest leads to no file outside of its directory."""
    for file in manifest.files:
        if not _FILE_PATH.fullmatch(file.path):
            # An export may come from anybody, and is rewritten in place where viewers are erased.
            raise OutcomeFilesError(
                f"{path} names {file.path[:80]!r}, which is no file of an export",
                hint="copy the export again; its manifest is not to be edited",
            )
    for version in manifest.catalogs:
        if not _VERSION.fullmatch(version):
            raise OutcomeFilesError(
                f"{path} names the catalog {version[:80]!r}, which is no version",
                hint="copy the export again; its manifest is not to be edited",
            )
