"""What speaks HTTP in a run: gunicorn, or granian where the configuration asks for it."""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bandit.config import Config
from bandit.errors import ConfigError
from server.children import ChildSpec
from server.exit_codes import BOOT_REFUSED, FAILED, GAVE_UP
from server.listening import LISTEN_FD_VARIABLE

_APPLICATION: Final = "server.worker:create()"
_APP_LOAD_ERROR: Final = 4
"""gunicorn's exit code when the application cannot be imported."""


def check_installed(config: Config) -> None:
    """Check that what shall speak HTTP is installed.

    Raises:
        ConfigError: it is not.
    """
    if importlib.util.find_spec(config.server.http_server) is None:
        raise ConfigError(
            "server.http_server",
            f"{config.server.http_server} is not installed",
            hint="install it (`pip install 'marquee[fast]'`), or set it to \"gunicorn\"",
        )


def http_child(
    http_server: str,
    environ: Mapping[str, str],
    listeners: Sequence[int],
    stop_timeout_s: Callable[[], float],
) -> ChildSpec:
    """Return how to run the HTTP server that the configuration names.

    Args:
        http_server: ``server.http_server``.
        environ: what all children of the run are told.
        listeners: the descriptors of the listening sockets, the admins' last if there is one.
        stop_timeout_s: seconds until it is killed; asked each time.
    """
    environ = {**environ, LISTEN_FD_VARIABLE: ",".join(map(str, listeners))}
    if http_server == "granian":
        return ChildSpec(
            name="granian",
            argv=(sys.executable, "-m", "server.granian_process"),
            environ=environ,
            inherited=tuple(listeners),
            stop_timeout_s=stop_timeout_s,
            reload_signal=signal.SIGHUP,
            refuses={BOOT_REFUSED: FAILED},
            gives_up=frozenset({GAVE_UP}),
            is_vital=True,
        )
    settings = Path(__file__).with_name("gunicorn_settings.py")
    return ChildSpec(
        name="gunicorn",
        # Given as a file, the settings are read anew at each reload; a module's would not be.
        argv=(
            sys.executable,
            "-m",
            "server.gunicorn_process",
            "-c",
            f"file:{settings}",
            _APPLICATION,
        ),
        environ=environ,
        inherited=tuple(listeners),
        stop_timeout_s=stop_timeout_s,
        reload_signal=signal.SIGHUP,
        hurry_signal=signal.SIGQUIT,
        refuses=dict.fromkeys((BOOT_REFUSED, _APP_LOAD_ERROR), FAILED),
        gives_up=frozenset({GAVE_UP}),
        is_vital=True,
    )
