"""The learner as a process: everything built from the configuration, held together by the lease."""

from __future__ import annotations

import threading
from pathlib import Path

from bandit.catalog import CatalogStore
from bandit.catalog.pruning import CatalogPruning
from bandit.clock import Clock
from bandit.config.schema import Config
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.learner import Learner
from bandit.lease import Lease
from bandit.metrics import Metrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore


def run_learner(config: Config, clock: Clock, metrics: Metrics, stop: threading.Event) -> None:
    """Learn until ``stop`` is set.

    Raises:
        LeaseHeldError: another learner is at work on ``config.learner.directory``.
        ConfigError: a model cannot be made as configured, or keys cannot be read.
        LogError: the log cannot be read at the start.
    """
    with Lease(Path(config.learner.directory), clock.now_us()):
        snapshots = FileSnapshotStore(config.snapshots.directory, snapshot_keys(config))
        catalogs = CatalogStore(config.catalog.directory, config.limits)
        reader = SqliteEventReader(config.log.directory, clock)
        try:
            tidy = CatalogPruning(catalogs, config.log.retention_s).tidy
            Learner(config, reader, snapshots, catalogs, clock, metrics, tidy).run(stop)
        finally:
            reader.close()
