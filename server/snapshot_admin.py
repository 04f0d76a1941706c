"""Listing and choosing snapshots, for the API and the command line alike."""

from __future__ import annotations

from bandit.clock import MICROSECONDS
from bandit.errors import SnapshotError
from bandit.snapshots import Manifest, Pointer, SnapshotStore
from bandit.types import SURFACES, Surface
from server.wire import SnapshotsAnswer, SnapshotSummary


def list_snapshots(store: SnapshotStore) -> SnapshotsAnswer:
    """Summarise the kept snapshots of both surfaces, newest first."""
    found = [manifest for surface in SURFACES for manifest in store.versions(surface)]
    found.sort(key=lambda manifest: manifest.created_at_us, reverse=True)
    return SnapshotsAnswer([_summary(store, manifest) for manifest in found])


def activate_snapshot(store: SnapshotStore, version: str) -> SnapshotSummary:
    """Point the surface that ``version`` belongs to at it.

    Raises:
        SnapshotError: no kept snapshot has this version, or it is damaged.
    """
    for surface in SURFACES:
        for manifest in store.versions(surface):
            if manifest.version == version:
                store.activate(surface, version)
                return _summary(store, manifest)
    raise SnapshotError(
        f"there is no snapshot {version!r}",
        hint="GET /v1/snapshots or `marquee snapshots list` shows those that are kept",
    )


def pointer_or_none(store: SnapshotStore, surface: Surface) -> Pointer | None:
    """Return which snapshot is to be served; None where none is, or the pointer is damaged.

    What is wrong with it is told by whoever follows it; the rest is worth knowing all the same.
    """
    try:
        return store.pointer(surface)
    except SnapshotError:
        return None


def _summary(store: SnapshotStore, manifest: Manifest) -> SnapshotSummary:
    pointer = pointer_or_none(store, manifest.surface)
    active = pointer is not None and pointer.version == manifest.version
    return SnapshotSummary(
        version=manifest.version,
        surface=manifest.surface,
        created_at=manifest.created_at_us / MICROSECONDS,
        examples_learned=manifest.examples_learned,
        bytes=sum(file.size for file in manifest.files.values()),
        active=active,
        pinned=active and pointer is not None and pointer.pinned,
    )
