"""What each worker runs, under gunicorn or granian: builds its service after the fork.

A worker owns one spool of the event log for as long as it lives; its lock dies with the process,
so that the worker that takes its place also takes over its spool.

The interpreter is set for short waits, by measurements of ranks on the main thread with feedback in
the pool. A thread that wants the interpreter's lock asks for it after 0.5 ms and not 5: p99 of
small decisions fell from 22-28 ms to 8-10, of pages from 27-48 ms to 15-17 (on a busy machine), at
the same CPU time a request. All that start-up made is taken out of the garbage collector's sight:
a full collection took 11 ms and takes none, and requests take 3 % less CPU time. Other thresholds
for the collector, or none at all, gained nothing beyond that.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Final

from flask import Flask

from bandit.catalog import CatalogStore
from bandit.clock import Clock, WallClock
from bandit.config import Config
from bandit.config.overlay import Challenger
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.metrics import Metrics
from bandit.secret_keys import snapshot_keys, token_keys
from bandit.snapshots import FileSnapshotStore
from server import SERVICE_EXTENSION
from server.app import create_app
from server.challenger_admin import ChallengerAdmin
from server.explainer import Explainer, lines_of
from server.logs import configure_logs
from server.prometheus import PrometheusMetrics
from server.rate_limits import RateLimiter
from server.run_directory import read_effective_challenger, read_effective_config
from server.service import Service
from server.serving import ServingState, first_catalog
from server.tokens import TokenSigner

SWITCH_INTERVAL_S: Final = 0.0005
"""How long a thread may keep the interpreter from others, in seconds."""


def build_service(
    config: Config, clock: Clock, metrics: Metrics, challenger: Challenger | None = None
) -> Service:
    """Open everything a worker needs, and start its threads.

    Raises:
        MarqueeError: the state directories or the catalog cannot be used as configured.
    """
    log_directory = Path(config.log.directory)
    catalogs = CatalogStore(Path(config.catalog.directory), config.limits)
    first_catalog(config, catalogs)
    snapshots = FileSnapshotStore(config.snapshots.directory, snapshot_keys(config))
    tokens = TokenSigner(
        token_keys(config).keys,
        tenant=config.auth.tenant,
        age_max_s=config.auth.token_age_max_s,
        leeway_s=config.auth.clock_leeway_s,
        bytes_max=config.limits.token_bytes_max,
    )
    lines = ChallengerAdmin(config, challenger, snapshots)
    serving = ServingState(config, catalogs, snapshots, clock, metrics, lines.contender)
    serving.start()
    explainer = Explainer(
        lines_of(
            config,
            challenger,
            lambda one: FileSnapshotStore(one.snapshots.directory, snapshot_keys(config)),
        ),
        reader=SqliteEventReader(log_directory, clock),
        catalogs=catalogs,
        serving=lambda: serving.current,
    )
    writer = SqliteEventWriter.open(log_directory, clock, config.log, metrics)
    return Service(
        config,
        writer=writer,
        reader=SqliteEventReader(log_directory, clock),
        catalogs=catalogs,
        snapshots=snapshots,
        serving=serving,
        tokens=tokens,
        clock=clock,
        metrics=metrics,
        explainer=explainer,
        challenger=lines,
    )


def create() -> Flask:
    """Build the application of one worker; the HTTP server calls this after the fork."""
    config = read_effective_config(os.environ)
    configure_logs(config, "worker")
    metrics = PrometheusMetrics()
    clock = WallClock.from_environment()
    service = build_service(config, clock, metrics, read_effective_challenger(os.environ))
    app = create_app(service, limiter=RateLimiter.from_config(config, clock, metrics))
    app.extensions[SERVICE_EXTENSION] = service
    _set_for_short_waits()
    return app


def _set_for_short_waits() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
