"""What every snapshot store offers, and the rules of its pointer.

A store keeps the snapshots of each surface and a *pointer* to the one to serve. Publishing moves
the pointer to the new snapshot, unless an operator pinned it to an older one; activating the
newest lets it move on again. A pointer that is damaged does not tell what it was pinned to:
publishing writes it anew, to the new snapshot.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Protocol

import msgspec

from bandit.engine import ModelArrays
from bandit.snapshots.manifest import Manifest, Snapshot, SnapshotDetails
from bandit.types import Surface

POINTER_FORMAT_VERSION: Final = 1
NEWEST_KEPT: Final = 2
"""How many of the newest snapshots stay whatever their age: one to serve, one to go back to."""


class Pointer(msgspec.Struct, frozen=True):
    """Which snapshot to serve."""

    version: str
    pinned: bool
    """Whether it stays there when newer snapshots are published."""
    v: int = POINTER_FORMAT_VERSION


class SnapshotStore(Protocol):
    """Where models are published by one learner and loaded by many scorers."""

    def publish(
        self, surface: Surface, arrays: ModelArrays, model: bytes, details: SnapshotDetails
    ) -> Manifest:
        """Add a snapshot, and serve it unless another one is pinned.

        Raises:
            SnapshotError: the arrays do not fit ``details.bits`` or are not finite; nothing was
                published.
            SnapshotUnavailableError: the store cannot be written; nothing was published.
        """
        ...

    def load(self, surface: Surface, version: str) -> Snapshot:
        """Return a snapshot, verified from end to end.

        Raises:
            SnapshotError: it is missing, damaged or not signed with a key of ours; says which.
            OSError: it cannot be read now, which says nothing of what it is like.
        """
        ...

    def load_arrays(self, surface: Surface, version: str) -> tuple[Manifest, ModelArrays]:
        """Return what serving needs of a snapshot, verified, without reading the engine's own form.

        Manifest and arrays are verified as :meth:`load` does; the engine's form is not looked at.

        Raises:
            SnapshotError: the manifest or an array is missing, damaged or not signed by us.
            OSError: it cannot be read now, which says nothing of what it is like.
        """
        ...

    def pointer(self, surface: Surface) -> Pointer | None:
        """Return which snapshot to serve, None before the first; cheap enough to poll.

        Raises:
            SnapshotError: the pointer is damaged.
            SnapshotUnavailableError: it cannot be read now.
        """
        ...

    def activate(self, surface: Surface, version: str, *, stays: bool = False) -> Pointer:
        """Serve this version, and stay there unless it is the newest; with ``stays`` in any case.

        Raises:
            SnapshotError: :meth:`load` would refuse it; the pointer stays where it was.
            SnapshotUnavailableError: the store cannot be read or written now; as before.
        """
        ...

    def versions(self, surface: Surface) -> list[Manifest]:
        """Return the manifests of all snapshots, newest first.

        Those with a wrong manifest, or with files missing or of a wrong size, are left out; the
        files' content is for :meth:`load` to verify.
        """
        ...

    def prune(self, surface: Surface, keep: int, made_before_us: int | None = None) -> list[str]:
        """Remove all but the ``keep`` newest and the one that is served; return those removed.

        Those made before ``made_before_us`` go too, but for the two newest and the one served.
        """
        ...


def pointer_after_publishing(before: Pointer | None, version: str) -> Pointer:
    """Return the pointer once ``version`` is published."""
    return before if before is not None and before.pinned else Pointer(version, pinned=False)


def prunable(
    versions: Sequence[str], keep: int, pointer: Pointer | None, aged: Collection[str] = ()
) -> list[str]:
    """Return the versions that go when ``keep`` of them, in any order, are to stay.

    Of those that are ``aged`` the two newest of all stay.
    """
    newest_first = sorted(versions, reverse=True)
    old = [
        version
        for place, version in enumerate(newest_first)
        if place >= keep or (place >= NEWEST_KEPT and version in aged)
    ]
    return [version for version in old if pointer is None or version != pointer.version]


def made_before(manifests: Sequence[Manifest], at_us: int) -> list[str]:
    """Return the versions that were made before an instant."""
    return [manifest.version for manifest in manifests if manifest.created_at_us < at_us]
