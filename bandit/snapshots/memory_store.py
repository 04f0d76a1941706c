"""Snapshots in memory, unsigned, for simulations and tests; the contract of the file store."""

from __future__ import annotations

import hashlib
import threading

import numpy as np

from bandit.engine import ModelArrays
from bandit.snapshots.manifest import (
    FileDigest,
    Manifest,
    Snapshot,
    SnapshotDetails,
    check_arrays,
    make_manifest,
    number_of,
    refused,
)
from bandit.snapshots.store import Pointer, made_before, pointer_after_publishing, prunable
from bandit.types import Float32Array, Surface


class MemorySnapshotStore:
    """Keeps snapshots for as long as it lives; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshots: dict[Surface, dict[str, Snapshot]] = {}
        self._pointers: dict[Surface, Pointer] = {}

    def publish(
        self, surface: Surface, arrays: ModelArrays, model: bytes, details: SnapshotDetails
    ) -> Manifest:
        """Add a snapshot; see :meth:`bandit.snapshots.store.SnapshotStore.publish`."""
        check_arrays(arrays, details.bits)
        kept = ModelArrays(_frozen(arrays.weights), _frozen(arrays.variances))
        files = {
            "weights": _digest(kept.weights.data),
            "variances": _digest(kept.variances.data),
            "model": _digest(memoryview(model)),
        }
        with self._lock:
            snapshots = self._snapshots.setdefault(surface, {})
            number = number_of(max(snapshots)) + 1 if snapshots else 1
            manifest = make_manifest(surface, number, details, files)
            snapshots[manifest.version] = Snapshot(manifest, kept, model)
            self._pointers[surface] = pointer_after_publishing(
                self._pointers.get(surface), manifest.version
            )
        return manifest

    def load(self, surface: Surface, version: str) -> Snapshot:
        """Return a snapshot."""
        number_of(version)
        try:
            return self._snapshots[surface][version]
        except KeyError:
            raise refused(f"{surface} {version}", "there is no such snapshot") from None

    def load_arrays(self, surface: Surface, version: str) -> tuple[Manifest, ModelArrays]:
        """Return what serving needs of a snapshot."""
        snapshot = self.load(surface, version)
        return snapshot.manifest, snapshot.arrays

    def pointer(self, surface: Surface) -> Pointer | None:
        """Return which snapshot to serve, None before the first."""
        return self._pointers.get(surface)

    def activate(self, surface: Surface, version: str, *, stays: bool = False) -> Pointer:
        """Serve this version, and stay there unless it is the newest."""
        self.load(surface, version)
        with self._lock:
            pointer = Pointer(version, pinned=stays or version != max(self._snapshots[surface]))
            self._pointers[surface] = pointer
        return pointer

    def versions(self, surface: Surface) -> list[Manifest]:
        """Return the manifests of all snapshots, newest first."""
        with self._lock:
            snapshots = self._snapshots.get(surface, {})
            return [snapshots[version].manifest for version in sorted(snapshots, reverse=True)]

    def prune(self, surface: Surface, keep: int, made_before_us: int | None = None) -> list[str]:
        """Remove snapshots; see :meth:`bandit.snapshots.store.SnapshotStore.prune`."""
        with self._lock:
            snapshots = self._snapshots.get(surface, {})
            manifests = [snapshot.manifest for snapshot in snapshots.values()]
            aged = [] if made_before_us is None else made_before(manifests, made_before_us)
            removed = prunable(list(snapshots), keep, self._pointers.get(surface), aged)
            for version in removed:
                del snapshots[version]
        return removed


def _frozen(array: Float32Array) -> Float32Array:
    copy = np.array(array, np.float32)
    copy.flags.writeable = False
    return copy


def _digest(content: memoryview) -> FileDigest:
    return FileDigest(hashlib.sha256(content).hexdigest(), content.nbytes)
