"""The learner's process: ``python -m server.learner_process``, started by the supervisor."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Final

import structlog

from bandit.clock import WallClock
from bandit.errors import ConfigError, LeaseHeldError
from bandit.learner_main import run_learner
from server.exit_codes import EX_CONFIG, EX_TEMPFAIL
from server.logs import configure_logs
from server.prometheus import PrometheusMetrics
from server.run_directory import read_effective_config

log = structlog.get_logger()

_ENDINGS: Final = frozenset({signal.SIGTERM, signal.SIGINT})


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Learn until told to end; return the exit code."""
    stop = stop_on_signals()
    try:
        config = read_effective_config(environ)
        configure_logs(config, "learner")
        os.nice(config.learner.niceness)
        run_learner(config, WallClock.from_environment(), PrometheusMetrics(), stop)
    except ConfigError as error:
        log.error("learner refuses its configuration", why=str(error))  # noqa: TRY400
        return EX_CONFIG
    except LeaseHeldError as error:
        log.warning("another learner is at work", why=str(error))
        return EX_TEMPFAIL
    return 0


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM or SIGINT sets.

    Why a thread waits for the signals' numbers: a handler would run amid whatever the main thread
    does, and setting an event that the main thread is about to wait for could lock up for ever.
    Why it reads them from a socket and does not block them and wait: numerical libraries may have
    threads from before, which do not block them, and one of those would let the process die.
    """
    stop = threading.Event()
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    for number in _ENDINGS:
        signal.signal(number, _ignore)

    def wait() -> None:
        number = reading.recv(1)[0]
        log.info("told to end", why=signal.Signals(number).name)
        stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return stop


def _ignore(_number: int, _frame: object) -> None:
    """Let the signal's number reach the socket; do nothing else."""


if __name__ == "__main__":
    sys.exit(main())
