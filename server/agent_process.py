"""The agent's process: ``python -m server.agent_process``, started by the supervisor in a cluster.

It keeps this machine's spools, models, catalog and the learner's words in step with Redis.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import structlog
from redis import Redis

from bandit.catalog import CatalogStore
from bandit.clock import Clock, WallClock
from bandit.cluster.agreement import Agreement
from bandit.cluster.catalogs import SharedCatalog
from bandit.cluster.connection import redis_at
from bandit.cluster.duty import Duties, Duty
from bandit.cluster.following import Following
from bandit.cluster.forwarding import Forwarder
from bandit.cluster.origin_releases import OriginReleases
from bandit.cluster.told import SharedWords
from bandit.cluster_learning.checkpoints import CheckpointOffer
from bandit.config.schema import Config
from bandit.errors import ConfigError
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.metrics import Metrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore
from server.cluster_words import tell_duties
from server.exit_codes import EX_CONFIG
from server.learner_process import stop_on_signals
from server.logs import configure_logs
from server.prometheus import PrometheusMetrics
from server.run_directory import read_effective_config

log = structlog.get_logger()


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Keep in step until told to end; return the exit code."""
    stop = stop_on_signals()
    try:
        config = read_effective_config(environ)
        configure_logs(config, "agent")
        run_agent(config, WallClock.from_environment(), PrometheusMetrics(), stop)
    except ConfigError as error:
        log.error("agent refuses its configuration", why=str(error))  # noqa: TRY400
        return EX_CONFIG
    return 0


def run_agent(config: Config, clock: Clock, metrics: Metrics, stop: threading.Event) -> None:
    """Keep this machine in step with the cluster until ``stop`` is set.

    Raises:
        ConfigError: Redis' address is wrong, or keys cannot be read.
    """
    duties = duties_of(config, clock, metrics)
    interval_s, tell = config.cluster.poll_interval_s, partial(tell_duties, config)
    Duties(duties, clock, metrics, interval_s, tell).run(stop)


def duties_of(config: Config, clock: Clock, metrics: Metrics) -> list[Duty]:
    """Return all that is to be done, each with connections of its own.

    Raises:
        ConfigError: Redis' address is wrong, or keys cannot be read.
    """

    def redis() -> Redis:
        return redis_at("cluster.redis_url", config.cluster.redis_url or "")

    def spools() -> SqliteEventReader:
        return SqliteEventReader(Path(config.log.directory), clock)

    keys = snapshot_keys(config)
    snapshots = FileSnapshotStore(config.snapshots.directory, keys)
    catalogs = CatalogStore(config.catalog.directory, config.limits)
    offers = [CheckpointOffer(config, keys, redis())] if config.cluster.learns else []
    return [
        Forwarder(config, spools(), redis(), metrics),
        OriginReleases(config, spools(), redis()),
        Following(config, snapshots, redis()),
        SharedCatalog(config, catalogs, redis()),
        SharedWords(config, redis()),
        Agreement(config, redis()),
        *offers,
    ]


if __name__ == "__main__":
    sys.exit(main())
