"""A whole Marquee in child processes of this one: for demos, benchmarks and tests.

It runs the same ``marquee serve`` that ops run, with all of its state under one directory.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bandit.errors import MarqueeError
from server.run_directory import RunDirectory, RunDirectoryError

READY: Final = re.compile(r"marquee serves at (http://\S+)")
_RUN_DIRECTORY: Final = "MARQUEE__SERVER__RUN_DIRECTORY"
_TAIL_LINES: Final = 20


class ServerDownError(MarqueeError):
    """The server has ended, or does not answer."""


def state_overrides(directory: Path) -> dict[str, str]:
    """Return the environment that puts all of a server's state under ``directory``."""
    return {
        "MARQUEE__LOG__DIRECTORY": str(directory / "log"),
        "MARQUEE__CATALOG__DIRECTORY": str(directory / "catalog"),
        "MARQUEE__SNAPSHOTS__DIRECTORY": str(directory / "snapshots"),
        "MARQUEE__LEARNER__DIRECTORY": str(directory / "learner"),
        "MARQUEE__CHALLENGER__DIRECTORY": str(directory / "challenger"),
        "MARQUEE__AUTH__SECRETS_DIRECTORY": str(directory / "secrets"),
        _RUN_DIRECTORY: str(directory / "run"),
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
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        if self._process is None:
            raise ServerDownError("the server was not started", hint="call start() first")
        return self._process.pid

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            ServerDownError: with the last lines that it printed.
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
        written_before = self.output.stat().st_size if self.output.exists() else 0
        with self.output.open("ab") as output:
            # A session of its own: Ctrl-C reaches the caller alone, who then ends the server.
            self._process = subprocess.Popen(  # noqa: S603 (our own command line)
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            wait_until(lambda: self._has_started(written_before), self._wait_s, "an answer")
        except TimeoutError as error:
            self.kill()
            raise ServerDownError(str(error), hint=f"see {self.output}") from error
        return self

    def _has_started(self, written_before: int) -> bool:
        with self.output.open("rb") as output:
            output.seek(written_before)
            match = READY.search(output.read().decode(errors="replace"))
        if match is not None:
            self.url = match.group(1)
        else:
            self.check_alive()
        return match is not None

    def check_alive(self) -> None:
        """Check that it still runs.

        Raises:
            ServerDownError: it was not started, or it ended; with its last words.
        """
        if self._process is None or self._process.poll() is not None:
            lines = self.output.read_text(errors="replace").splitlines()
            raise ServerDownError(
                "the server is not running; its last words:\n" + "\n".join(lines[-_TAIL_LINES:]),
                hint=f"see {self.output}",
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        os.kill(self.pid, number)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Wait until it has ended; return its exit code."""
        if self._process is None:
            return 0
        return self._process.wait(timeout_s)

    def stop(self, timeout_s: float = 60.0) -> int:
        """End it gracefully and return its exit code; kill it if it takes too long."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        if code == -signal.SIGKILL:
            self._clear_away()
        return code

    def _clear_away(self) -> None:
        """Remove what a killed run left in memory, as the next run would."""
        run = Path({**state_overrides(self.directory), **self._settings}[_RUN_DIRECTORY])
        with suppress(RunDirectoryError):
            RunDirectory(run).close()

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
