"""The learner as a process: everything built from the configuration, held together by the lease."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from bandit.at_work import crashes_noted, last_crash
from bandit.catalog import CatalogStore
from bandit.catalog.pruning import CatalogPruning
from bandit.checkpoint import set_checkpoint_aside
from bandit.clock import Clock
from bandit.cluster_learning import OwnCheckpoints, run_in_cluster
from bandit.config.schema import Config
from bandit.dead_letters import DeadLetters, Stage
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.learner import Learner
from bandit.lease import Lease
from bandit.metrics import Metrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore

_log = structlog.get_logger(__name__)


def run_learner(config: Config, clock: Clock, metrics: Metrics, stop: threading.Event) -> None:
    """Learn until ``stop`` is set: from this machine's log, or from the cluster's.

    Raises:
        LeaseHeldError: another learner is at work on ``config.learner.directory``.
        ConfigError: a model cannot be made as configured, or keys cannot be read.
        LogError: the log cannot be read at the start.
    """
    if config.cluster.redis_url is not None:
        run_in_cluster(config, clock, metrics, stop, at_work)
        return
    with at_work(config, clock):
        _learn(config, clock, metrics, stop)


@contextmanager
def at_work(config: Config, clock: Clock) -> Iterator[None]:
    """Hold the lease on ``config.learner.directory``, and see to crashes: that before, and ours.

    Raises:
        LeaseHeldError: another learner is at work there.
    """
    directory = Path(config.learner.directory)
    with Lease(directory, clock.now_us()):
        _blame_crash(directory, config.learner.attempts_max, clock.now_us())
        with crashes_noted(directory):
            yield


def _blame_crash(directory: Path, attempts_max: int, now_us: int) -> None:
    """Count the crash of the process before, if it crashed, against what it was at."""
    crash = last_crash(directory)
    if crash is None:
        return
    _log.error("the learner crashed", at=f"{crash.stage} {crash.name}", how=crash.how)
    stage: Stage = "restore" if crash.stage == "restore" else "learn"
    dead = DeadLetters(directory, attempts_max)
    is_last = dead.blame(stage, crash.name, f"the process crashed: {crash.how}", now_us)
    if is_last and stage == "restore":
        set_checkpoint_aside(directory)


def _learn(config: Config, clock: Clock, metrics: Metrics, stop: threading.Event) -> None:
    snapshots = FileSnapshotStore(config.snapshots.directory, snapshot_keys(config))
    catalogs = CatalogStore(config.catalog.directory, config.limits)
    reader = SqliteEventReader(config.log.directory, clock)
    try:
        tidy = CatalogPruning(catalogs, config.log.retention_s).tidy
        own = OwnCheckpoints(config, reader)
        Learner(config, reader, snapshots, catalogs, clock, metrics, tidy, checkpoints=own).run(
            stop
        )
    finally:
        reader.close()
