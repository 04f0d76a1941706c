"""Where the state lies, and which files of it a backup holds, in the order of their copying.

What refers is copied before what it refers to, so that whatever comes in meanwhile makes the copy
fuller and never contradictory: the learner's checkpoint and the snapshots know a part of the log,
and decisions in the log name catalog versions. Within the log each journal goes before its spool:
what leaves the journal in between is in the spool by then. What is set aside goes after both.

A challenger's state is copied like the champion's: its learner, which line serves, its snapshots.
The pointer goes before the history, whose last move is carried out where the pointer is behind.

Erasures go first of all: what a copied mark says is done was done to all that is copied after it.

Left out is what is made again or belongs to running processes: locks of slots and stores, the
lease, the status, what is under way and the last crash, how far the log may be forgotten, compiled
catalogs, filters of known keys, SQLite's own side files, what is told of a challenger's evidence,
the links to snapshots that judge it, and whatever begins with a dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bandit.at_work import AT_WORK_NAME, CRASH_NAME
from bandit.checkpoint import CURRENT_NAME, PREVIOUS_NAME
from bandit.config.schema import Config
from bandit.errors import BackupError
from bandit.eventlog.journal import journal_spools
from bandit.eventlog.learned import KEEPING
from bandit.eventlog.sqlite_schema import SUFFIX

PARTS: Final = ("learner", "challenger", "snapshots", "log", "catalog", "secrets")
"""In the order of copying."""

CHALLENGER: Final = "challenger/"
"""Where the parts of a challenger lie in a backup."""

_JOURNAL: Final = re.compile(r"spool-\d{3}\.journal-[01]")
_NOT_KEPT: Final[Mapping[str, re.Pattern[str]]] = {
    "learner": re.compile(rf"lease|status\.json|{re.escape(AT_WORK_NAME)}|{re.escape(CRASH_NAME)}"),
    "challenger": re.compile(r"lock|evidence\.json"),
    "log": re.compile(rf"slots\.lock|.*\.keys|.*{re.escape(SUFFIX)}.*|.*\.building.*"),
    "catalog": re.compile(r".*\.arrays"),
    "secrets": re.compile(r"(?!)"),
}
_FIRST: Final[Mapping[str, tuple[str, ...]]] = {
    "learner": (CURRENT_NAME, PREVIOUS_NAME),
    "challenger": ("serving.json",),
    "catalog": ("current",),
}


class Kept(NamedTuple):
    """A file that is to be copied."""

    path: str
    """In the backup."""
    source: Path


def places(config: Config) -> dict[str, Path]:
    """Return the directory of each part of the state.

    Raises:
        BackupError: one lies within another.
    """
    found = {
        "learner": Path(config.learner.directory),
        "challenger": Path(config.challenger.directory),
        "snapshots": Path(config.snapshots.directory),
        "log": Path(config.log.directory),
        "catalog": Path(config.catalog.directory),
        "secrets": Path(config.auth.secrets_directory),
    }
    resolved = {name: path.resolve() for name, path in found.items()}
    for name, path in resolved.items():
        for other, inner in resolved.items():
            if name != other and inner.is_relative_to(path):
                raise BackupError(
                    f"the directories of {name} and {other} lie within each other: {path}, {inner}",
                    hint="configure a directory of its own for each",
                )
    return resolved


def journals(directory: Path) -> list[Kept]:
    """Return the journals of a log that hold something.

    Raises:
        OSError: the directory cannot be listed.
    """
    if not directory.exists():
        return []
    return [
        Kept(f"log/{path.name}", path)
        for spool in journal_spools(directory)
        for path in (directory / f"{spool}.journal-{side}" for side in (0, 1))
        if path.exists()
    ]


def erasures(log: Path) -> list[Kept]:
    """Return the orders to erase that are not done yet, and the record of those that are."""
    found = sorted((log / KEEPING).rglob("*"))
    return [
        Kept(f"log/{path.relative_to(log).as_posix()}", path)
        for path in found
        if path.is_file() and not path.name.startswith(".") and path.name != "learned.json"
    ]


def plain_files(part: str, directory: Path, below: str = "") -> Iterator[Kept]:
    """Yield the files of a part that lie in its directory itself; spools and journals aside.

    ``below`` is where the part lies in the backup: empty, or :data:`CHALLENGER`.

    Raises:
        OSError: the directory cannot be listed.
    """
    if not directory.exists():
        return
    first = _FIRST.get(part, ())
    names = [
        path.name
        for path in directory.iterdir()
        if path.is_file()
        and not path.name.startswith(".")
        and not _NOT_KEPT[part].fullmatch(path.name)
        and not (part == "log" and _JOURNAL.fullmatch(path.name))
    ]
    for name in sorted(names, key=lambda name: (name not in first, name)):
        yield Kept(f"{below}{part}/{name}", directory / name)
