"""Snapshots of a learner of a cluster: published only while it surely is the one that learns."""

from __future__ import annotations

from bandit.cluster.lease import RedisLease
from bandit.config.schema import Config
from bandit.engine import ModelArrays
from bandit.errors import SnapshotUnavailableError
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, Manifest, SnapshotDetails
from bandit.types import Surface


class LeasedSnapshots(FileSnapshotStore):
    """Snapshots of this machine, which only the holder of the lease publishes."""

    def __init__(self, config: Config, lease: RedisLease) -> None:
        super().__init__(config.snapshots.directory, snapshot_keys(config))
        self._lease = lease

    def publish(
        self, surface: Surface, arrays: ModelArrays, model: bytes, details: SnapshotDetails
    ) -> Manifest:
        """Publish as ever.

        Raises:
            SnapshotUnavailableError: the lease is not held for sure; it is tried again.
        """
        if not self._lease.is_held:
            raise SnapshotUnavailableError(
                "the right to learn is not held for sure at the moment",
                hint="nothing to do: Redis answers again, or another machine learns",
            )
        return super().publish(surface, arrays, model, details)
