"""Starts the service for the demo in a state directory of its own, and ends it again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from examples.catalog_files import CATALOG, HERE
from server.client import Client

MARQUEE: Final = Path(sys.executable).parent / "marquee"
CONFIG: Final = HERE / "marquee.toml"
READY_WITHIN_S: Final = 60.0
ENDS_WITHIN_S: Final = 40.0
LOG_TAIL_LINES: Final = 20


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


def check_catalog() -> None:
    """Check the example catalog as an operator would.

    Raises:
        DemoError: ``marquee`` finds fault with it, or is not installed.
    """
    if not MARQUEE.exists():
        raise DemoError(f"{MARQUEE} is missing: run `make setup`, then `make demo`")
    checked = subprocess.run([MARQUEE, "catalog", "check", CATALOG], check=False)
    if checked.returncode:
        raise DemoError("the example catalog is damaged: run `python examples/make_catalog.py`")


def choose_port(wanted: int) -> int:
    """Return the wanted port of 127.0.0.1 if it is free, else one that is."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError("no port of 127.0.0.1 can be listened on")


class DemoServer:
    """One ``marquee serve`` with its learner, as a context.

    It runs in ``state``, so that every directory of the configuration lies in there; its log goes
    to ``serve.log`` beside them.
    """

    def __init__(self, state: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = state / "serve.log"
        self._state = state
        self._environment = {
            **os.environ,
            "MARQUEE__SERVER__PORT": str(port),
            "MARQUEE__CATALOG__SOURCE": str(CATALOG),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DemoServer:
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches the demo alone, which then ends the service.
            self._process = subprocess.Popen(
                [MARQUEE, "serve", "--config", CONFIG],
                cwd=self._state,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def check_alive(self) -> None:
        """Check that the service still runs.

        Raises:
            DemoError: it ended.
        """
        if self._process is None or self._process.poll() is not None:
            raise DemoError(f"the service ended by itself; its last words:\n{self._last_words()}")

    def _wait_ready(self) -> None:
        end = time.monotonic() + READY_WITHIN_S
        with Client(self.url) as client:
            while not client.ready():
                self.check_alive()
                if time.monotonic() > end:
                    raise DemoError(f"the service is not ready:\n{self._last_words()}")
                time.sleep(0.1)

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
