"""Published models: immutable, versioned, signed; where the learner's work meets the scorers."""

from bandit.snapshots.file_store import FileSnapshotStore
from bandit.snapshots.manifest import FileDigest, Manifest, Snapshot, SnapshotDetails
from bandit.snapshots.memory_store import MemorySnapshotStore
from bandit.snapshots.store import Pointer, SnapshotStore

__all__ = [
    "FileDigest",
    "FileSnapshotStore",
    "Manifest",
    "MemorySnapshotStore",
    "Pointer",
    "Snapshot",
    "SnapshotDetails",
    "SnapshotStore",
]
