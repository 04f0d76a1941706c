"""What a learner makes of a log that nobody ever disturbed, to compare with one that was killed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from bandit.catalog import CatalogStore
from bandit.clock import Clock
from bandit.config import Config
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, MemorySnapshotStore
from bandit.types import SURFACES


def undisturbed(config: Config, directory: Path, clock: Clock) -> Learner:
    """Let a new learner read the same log from the start, in one go."""
    settings = msgspec.structs.replace(config.learner, directory=str(directory))
    config = msgspec.structs.replace(config, learner=settings)
    reader = SqliteEventReader(config.log.directory, clock)
    catalogs = CatalogStore(config.catalog.directory, config.limits)
    learner = Learner(config, reader, MemorySnapshotStore(), catalogs, clock, NoMetrics())
    while not learner.step(clock.now_us()).idle:
        pass
    reader.close()
    return learner


def check_models(config: Config, directory: Path, clock: Clock) -> list[str]:
    """Compare the newest snapshots, once the service has stopped, with an undisturbed learner's."""
    reference = undisturbed(config, directory, clock)
    store = FileSnapshotStore(config.snapshots.directory, snapshot_keys(config))
    findings = []
    for surface in SURFACES:
        newest = store.versions(surface)[0]
        served = store.load(surface, newest.version).arrays
        expected = reference.engines.arrays(surface)
        if not np.array_equal(served.weights, expected.weights):
            findings.append(f"{surface}: weights are not those of an undisturbed learner")
        if not np.array_equal(served.variances, expected.variances):
            findings.append(f"{surface}: variances are not those of an undisturbed learner")
    return findings
