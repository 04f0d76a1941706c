"""A whole Marquee in child processes of this one: for demos, benchmarks and tests.

It runs the same ``marquee serve`` that ops run, with all of its state under one directory.
"""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from bandit.errors import MarqueeError

READY = re.compile(r"marquee serves at (http://\S+)")


class ServerDidNotStartError(MarqueeError):
    """The server's processes ended, or did not answer in time."""


def state_overrides(directory: Path) -> dict[str, str]:
    """Return the environment that puts all of a server's state under ``directory``."""
    return {
        "MARQUEE__LOG__DIRECTORY": str(directory / "log"),
        "MARQUEE__CATALOG__DIRECTORY": str(directory / "catalog"),
        "MARQUEE__SNAPSHOTS__DIRECTORY": str(directory / "snapshots"),
        "MARQUEE__LEARNER__DIRECTORY": str(directory / "learner"),
        "MARQUEE__AUTH__SECRETS_DIRECTORY": str(directory / "secrets"),
        "MARQUEE__SERVER__RUN_DIRECTORY": str(directory / "run"),
    }


class LocalServer:
    """``marquee serve`` as a child process, on a free port unless the settings name one.

    Args:
        directory: where its state and its output (``serve.log``) go.
        config: the TOML file, or None for the defaults.
        settings: environment overrides, ``MARQUEE__SECTION__KEY``.
        wait_s: how long it may take to answer.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: Path | None = None,
        settings: Mapping[str, str] | None = None,
        wait_s: float = 60.0,
    ) -> None:
        self.directory = directory
        self.output = directory / "serve.log"
        self._config = config
        self._settings = dict(settings or {})
        self._wait_s = wait_s
        self.url = ""
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        if self._process is None:
            raise ServerDidNotStartError("the server was not started", hint="call start() first")
        return self._process.pid

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            ServerDidNotStartError: with the last lines that it printed.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "server.cli", "serve"]
        if self._config is not None:
            command += ["--config", str(self._config)]
        environment = {
            **os.environ,
            "MARQUEE__SERVER__PORT": "0",
            **state_overrides(self.directory),
            **self._settings,
            "PYTHONUNBUFFERED": "1",
        }
        self._process = subprocess.Popen(  # noqa: S603 (our own command line)
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        found: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._copy_output, args=(found,), daemon=True)
        self._reader.start()
        try:
            url = found.get(timeout=self._wait_s)
        except queue.Empty:
            url = None
        if url is None:
            self.kill()
            tail = self.output.read_text().splitlines()[-15:]
            raise ServerDidNotStartError(
                "the server did not start:\n" + "\n".join(tail), hint=f"see {self.output}"
            )
        self.url = url
        return self

    def _copy_output(self, found: queue.Queue[str | None]) -> None:
        process = self._process
        if process is None or process.stdout is None:
            return
        with self.output.open("a") as file, process.stdout:
            for line in process.stdout:
                file.write(line)
                file.flush()
                match = READY.search(line)
                if match:
                    found.put(match.group(1))
        found.put(None)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        os.kill(self.pid, number)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Wait until it has ended; return its exit code."""
        if self._process is None:
            return 0
        code = self._process.wait(timeout_s)
        if self._reader is not None:
            self._reader.join(timeout_s)
        return code

    def stop(self, timeout_s: float = 60.0) -> int:
        """End it gracefully and return its exit code; kill it if it takes too long."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End the supervisor at once; its children follow."""
        if self._process is not None:
            self._process.kill()
            self.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def children_of(pid: int) -> list[int]:
    """Return the ids of the direct children of a process (Linux)."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(word) for word in task.read_text().split()]
    return sorted(children)


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Look at a condition again and again until it holds, for at most ``timeout_s``.

    Raises:
        TimeoutError: saying ``what`` did not happen.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {timeout_s:.0f} s")
        time.sleep(0.02)
