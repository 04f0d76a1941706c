"""The challenger's learner as a process: it learns as the champion's does, and judges both lines.

It reads the log and changes nothing in it. In particular it releases nothing: records are removed
once they are old and the *champion's* learner has learned them, so that a challenger that is down
for good never keeps a log from shrinking. One that was down for longer than ``log.retention_s``
goes on with what is still there. Catalog versions are removed by the champion's learner as well.
"""

from __future__ import annotations

import threading
from pathlib import Path

from bandit.catalog import CatalogStore
from bandit.challenger.held import HeldSnapshots
from bandit.challenger.judge import Judge
from bandit.challenger.watch import Watch
from bandit.clock import Clock
from bandit.config.overlay import Challenger
from bandit.config.schema import Config
from bandit.eventlog.erasure_orders import CHALLENGER
from bandit.eventlog.only_reading import OnlyReading
from bandit.eventlog.protocol import EventReader
from bandit.learner import Learner
from bandit.learner_main import at_work
from bandit.metrics import NoMetrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, SnapshotStore
from bandit.types import LineName


def run_challenger(
    config: Config, challenger: Challenger, clock: Clock, stop: threading.Event
) -> None:
    """Learn and judge until ``stop`` is set; its metrics are told by whoever reads the evidence.

    Raises:
        LeaseHeldError: another learner is at work on the challenger's directory.
        ConfigError: a model cannot be made as configured, or keys cannot be read.
        LogError: the log cannot be read at the start.
    """
    with at_work(challenger.config, clock):
        reader = OnlyReading(config.log.directory, clock)
        try:
            make_learner(config, challenger, reader, clock).run(stop)
        finally:
            reader.close()


def make_learner(
    config: Config, challenger: Challenger, reader: EventReader, clock: Clock
) -> Learner:
    """Return the challenger's learner, watched by the judge.

    Raises:
        ConfigError: a model cannot be made as configured, or keys cannot be read.
        LogError: the part of the log that open decisions need cannot be read.
    """
    keys = snapshot_keys(config)
    configs: dict[LineName, Config] = {"champion": config, "challenger": challenger.config}
    stores: dict[LineName, SnapshotStore] = {
        line: FileSnapshotStore(each.snapshots.directory, keys) for line, each in configs.items()
    }
    sources = {line: Path(each.snapshots.directory) for line, each in configs.items()}
    catalogs = CatalogStore(config.catalog.directory, config.limits)
    watch = Watch(
        config,
        challenger,
        Judge(configs, catalogs),
        HeldSnapshots(Path(config.challenger.directory), sources, keys),
        stores,
    )
    return Learner(
        challenger.config,
        reader,
        stores["challenger"],
        catalogs,
        clock,
        NoMetrics(),
        name=CHALLENGER,
        onlooker=watch,
    )
