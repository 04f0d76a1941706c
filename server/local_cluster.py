"""A whole cluster on one machine, for examples, tests and benchmarks: Redis and some services."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from bandit.errors import MarqueeError
from server.local import LocalServer, state_overrides, wait_until

WAIT_S: Final = 30.0


class RedisMissingError(MarqueeError):
    """There is no ``redis-server`` on this machine."""


class LocalRedis:
    """``redis-server`` as a child process, on a free port of this machine.

    Args:
        directory: where it keeps what it is told; None: nowhere, so that it starts empty.
        address: where it listens, an address of this machine.
    """

    def __init__(self, directory: Path | None = None, address: str = "127.0.0.1") -> None:
        with socket.create_server((address, 0)) as free:
            self.port: int = free.getsockname()[1]
        self._address = address
        self.url = f"redis://{address}:{self.port}/0"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it takes connections.

        Raises:
            RedisMissingError: it is not installed.
        """
        program = shutil.which("redis-server")
        if program is None:
            raise RedisMissingError(
                "redis-server is not installed",
                hint="install it (Debian: apt-get install redis-server)",
            )
        command = [program, "--port", str(self.port), "--bind", self._address, "--save", ""]
        # Who may connect is settled by where it listens.
        command += ["--protected-mode", "no"]
        if self._directory is None:
            command += ["--appendonly", "no"]
        else:
            self._directory.mkdir(parents=True, exist_ok=True)
            command += ["--appendonly", "yes", "--dir", str(self._directory)]
        self._process = subprocess.Popen(  # noqa: S603 (our own command line)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # Ctrl-C is for the caller, who then ends it.
            start_new_session=True,
        )
        wait_until(self._answers, WAIT_S, "Redis")
        return self

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False

    def command(self, *words: str) -> bytes:
        """Send one command in Redis' own words, and return what comes back."""
        with socket.create_connection((self._address, self.port), timeout=WAIT_S) as connection:
            connection.sendall(f"{' '.join(words)}\r\n".encode())
            return connection.recv(65_536)

    def pause(self) -> None:
        """Let it hang: connections are taken by the kernel, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_S)
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.kill()


class LocalCluster:
    """Services that share one Redis and their keys, each with a directory below a common one."""

    def __init__(
        self,
        directory: Path,
        redis: LocalRedis,
        *,
        config: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = directory
        self._redis = redis
        self._config = config
        self._settings = dict(settings or {})
        self.hosts: dict[str, LocalServer] = {}

    def add(
        self, host: str, *, learns: bool = False, settings: Mapping[str, str] | None = None
    ) -> LocalServer:
        """Start a further machine.

        Raises:
            ServerDownError: it does not start.
        """
        directory = self._directory / host
        own = {
            **state_overrides(directory),
            "MARQUEE__AUTH__SECRETS_DIRECTORY": str(self._directory / "secrets"),
            "MARQUEE__CLUSTER__REDIS_URL": self._redis.url,
            "MARQUEE__CLUSTER__HOST": host,
            "MARQUEE__CLUSTER__LEARNS": str(learns).lower(),
            **self._settings,
            **(settings or {}),
        }
        server = LocalServer(directory, config=self._config, settings=own)
        self.hosts[host] = server
        return server.start()

    def stop(self) -> None:
        """End them all, gracefully."""
        for server in self.hosts.values():
            server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
