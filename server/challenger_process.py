"""The process of the challenger's learner: ``python -m server.challenger_process``.

The supervisor starts it where there is a challenger.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import structlog

from bandit.challenger.running import run_challenger
from bandit.clock import WallClock
from bandit.errors import ConfigError, LeaseHeldError
from server.exit_codes import EX_CONFIG, EX_TEMPFAIL
from server.learner_process import stop_on_signals
from server.logs import configure_logs
from server.run_directory import read_effective_challenger, read_effective_config

log = structlog.get_logger()


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Learn and judge until told to end; return the exit code."""
    stop = stop_on_signals()
    try:
        config = read_effective_config(environ)
        challenger = read_effective_challenger(environ)
        configure_logs(config, "challenger")
        os.nice(config.learner.niceness)
        if challenger is not None:
            run_challenger(config, challenger, WallClock.from_environment(), stop)
    except ConfigError as error:
        log.error("challenger refuses its configuration", why=str(error))  # noqa: TRY400
        return EX_CONFIG
    except LeaseHeldError as error:
        log.warning("another challenger is at work", why=str(error))
        return EX_TEMPFAIL
    return 0


if __name__ == "__main__":
    sys.exit(main())
