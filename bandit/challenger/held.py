"""The snapshots that both lines are judged by, held for as long as outcomes are judged by them.

They are linked (copied where the file system does not link) out of the lines' own stores, which
prune theirs, into ``<challenger.directory>/judged/<line>``, a store like any other. How much a
snapshot has learned tells its manifest: everything in the log up to ``log_clock_us``. A line is
judged by the one that it would serve, or where that has learned too much already, by the newest
that has not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from bandit.errors import SnapshotError
from bandit.keys import KeyRing
from bandit.scoring import ModelShape
from bandit.serving import ServedModel
from bandit.snapshots import FileSnapshotStore, Manifest
from bandit.types import LINES, LineName, Surface

JUDGED: Final[Surface] = "artwork"
"""The surface whose choices are judged."""
_DIRECTORY: Final = "judged"


class HeldSnapshots:
    """Holds the judged snapshots of both lines below a directory."""

    def __init__(self, directory: Path, sources: Mapping[LineName, Path], keys: KeyRing) -> None:
        """Hold what comes from ``sources``, the directories of the lines' own stores."""
        self._directory = directory / _DIRECTORY
        self._sources = sources
        self._stores = {line: FileSnapshotStore(path, keys) for line, path in sources.items()}
        self._held = {line: FileSnapshotStore(self._directory / line, keys) for line in LINES}

    def newest(self, line: LineName, log_clock_us: int) -> str | None:
        """Return the version that judges a line: that has learned nothing after ``log_clock_us``.

        Raises:
            OSError: the store cannot be read now.
        """
        store = self._stores[line]
        sound = [one for one in store.versions(JUDGED) if one.log_clock_us <= log_clock_us]
        try:
            pointer = store.pointer(JUDGED)
        except SnapshotError:
            pointer = None
        served = [one for one in sound if pointer is not None and one.version == pointer.version]
        return next((one.version for one in (*served, *sound)), None)

    def hold(self, line: LineName, version: str) -> None:
        """Keep a version from going.

        Raises:
            OSError: it is gone already, or the directory cannot be written.
        """
        target = self._directory / line / JUDGED / version
        if target.exists():
            return
        passing = target.with_name(f".{version}")
        shutil.rmtree(passing, ignore_errors=True)
        passing.mkdir(parents=True)
        for file in (self._sources[line] / JUDGED / version).iterdir():
            _link(file, passing / file.name)
        passing.rename(target)

    def load(self, line: LineName, version: str) -> ServedModel:
        """Return a held version, ready to score.

        Raises:
            SnapshotError: it is missing or damaged.
            OSError: it cannot be read now.
        """
        manifest, arrays = self._held[line].load_arrays(JUDGED, version)
        return ServedModel(version, _shape_of(manifest), arrays, manifest.created_at_us)

    def let_go(self, line: LineName, needed: Collection[str]) -> None:
        """Remove what is not needed any more."""
        place = self._directory / line / JUDGED
        if place.exists():
            for path in place.iterdir():
                if path.name not in needed:
                    shutil.rmtree(path, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links; a source that is gone is told by this as well.
        shutil.copyfile(source, target)


def _shape_of(manifest: Manifest) -> ModelShape:
    interactions = tuple(tuple(names) for names in manifest.interactions)
    return ModelShape(manifest.surface, manifest.bits, interactions, manifest.constant)
