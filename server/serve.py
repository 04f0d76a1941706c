"""One run of ``marquee serve``: its configuration, its listening sockets, its children."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog
from prometheus_client.multiprocess import mark_process_dead

from bandit.config import Config, load_config
from bandit.config.loading import config_sources
from bandit.config.overlay import Challenger, read_challenger
from bandit.config.service import ServerConfig
from bandit.errors import ConfigError
from server.auth import check_named_files, without_keys
from server.children import ChildSpec
from server.exit_codes import EX_CONFIG, EX_TEMPFAIL, MISCONFIGURED
from server.http_children import check_installed, http_child
from server.listening import listen, reachable, url_of
from server.logs import configure_logs
from server.prometheus import DIRECTORY_VARIABLE
from server.ready_probe import ReadyProbe
from server.run_directory import (
    AGENT,
    CHALLENGER,
    EFFECTIVE_CONFIG_VARIABLE,
    LEARNER,
    RunDirectory,
    RunDirectoryError,
)
from server.supervisor import Supervisor

log = structlog.get_logger()

REVERT_WITHIN_S: Final = 60.0
"""A new configuration that a child refuses so soon after a reload is taken back."""

LEARNER_EXTRA_S: Final = 10.0
"""How much longer than requests in flight the learner may take to finish what is in the log."""

_MASTER_EXTRA_S: Final = 5.0

_forget_metrics: Final[Callable[[int, str], None]] = mark_process_dead

_THREAD_COUNTS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Set to 1 unless set by the caller: processes share the cores; pools of threads get in the way."""


def serve(path: Path | None, environ: Mapping[str, str]) -> int:
    """Serve until told to end; return the exit code.

    Raises:
        MarqueeError: the configuration is wrong, the address cannot be listened on, or another
            run holds the run directory.
    """
    settings = read_settings(path, environ)
    configure_logs(settings.config, "supervisor")
    run = ServeRun(path, environ, settings)
    try:
        return Supervisor(run.children(), run, ReadyProbe(run.probe_address)).run()
    finally:
        run.close()


class Settings(NamedTuple):
    """A checked configuration, the challenger's if there is one, and where set keys come from."""

    config: Config
    challenger: Challenger | None
    sources: dict[str, str]


class ServeRun:
    """What gunicorn and the learners of one run have in common.

    Raises:
        RunDirectoryError: another run holds the run directory, or it cannot be written to.
        ListenError: the configured address cannot be listened on.
    """

    def __init__(
        self,
        path: Path | None,
        environ: Mapping[str, str],
        settings: Settings,
    ) -> None:
        config = settings.config
        self._path = path
        self._environ = environ
        self._settings = settings
        self._before: Settings | None = None
        self._revert_until = 0.0
        self._directory = RunDirectory(Path(config.server.run_directory))
        self._listeners: list[socket.socket] = []
        try:
            config = msgspec.structs.replace(config, server=self._listen(config.server))
            self._settings = settings._replace(config=config)
            self._write(self._settings)
            self._metrics = self._directory.fresh_metrics()
        except BaseException:
            self.stop_listening()
            self._directory.close()
            raise

    def _listen(self, server: ServerConfig) -> ServerConfig:
        """Open what the run listens on; return the section with the ports that were taken."""
        shared = server.http_server == "granian"
        self._listeners.append(listen(server.host, server.port, shared=shared))
        if server.admin_port is not None:
            self._listeners.append(listen(server.host, server.admin_port))
        port, *admin_port = (listener.getsockname()[1] for listener in self._listeners)
        return msgspec.structs.replace(server, port=port, admin_port=next(iter(admin_port), None))

    @property
    def drain_s(self) -> float:
        """Seconds between "not ready" and the end of listening."""
        return self._config.server.drain_s

    @property
    def restart_backoff_s(self) -> float:
        """Shortest wait before a dead child is started again, in seconds."""
        return self._config.server.restart_backoff_s

    @property
    def deaths_max(self) -> int:
        """Deaths in quick succession after which a child is given up."""
        return self._config.server.deaths_max

    @property
    def probe_address(self) -> tuple[str, int]:
        """Where this machine reaches the service."""
        return reachable(self._config.server.host, self._config.server.port)

    def children(self) -> tuple[ChildSpec, ...]:
        """Return what to run; requests end before learners, so that these learn from them all."""
        environ = {
            EFFECTIVE_CONFIG_VARIABLE: str(self._directory.effective_config),
            DIRECTORY_VARIABLE: str(self._metrics),
            **{name: self._environ.get(name, "1") for name in _THREAD_COUNTS},
        }
        http = http_child(
            self._config.server.http_server,
            environ,
            [listener.fileno() for listener in self._listeners],
            # A reload in progress waits for its old workers before it hears of the end.
            lambda: 2 * self._config.server.graceful_timeout_s + _MASTER_EXTRA_S,
        )
        # Each takes one of the cluster's partitions; alone there is one learner.
        in_cluster = self._config.cluster.redis_url is not None
        learners = [
            self._learner(number, environ)
            for number in range(self._config.cluster.learners if in_cluster else 1)
        ]
        # Nothing hangs on it: what it refuses, or dies of, is told and harms nobody.
        challenger = ChildSpec(
            name=CHALLENGER,
            argv=(sys.executable, "-m", "server.challenger_process"),
            environ=environ,
            stop_timeout_s=lambda: self._config.server.graceful_timeout_s + LEARNER_EXTRA_S,
            gives_up=frozenset({EX_CONFIG}),
            waits=frozenset({EX_TEMPFAIL}),
            is_wanted=lambda: self._settings.challenger is not None,
        )
        # Until it is there again what is to be told waits on the disk, and nothing is lost.
        agent = ChildSpec(
            name=AGENT,
            argv=(sys.executable, "-m", "server.agent_process"),
            environ=environ,
            stop_timeout_s=lambda: self._config.server.graceful_timeout_s + LEARNER_EXTRA_S,
            refuses={EX_CONFIG: MISCONFIGURED},
            is_wanted=lambda: self._config.cluster.redis_url is not None,
        )
        return http, *learners, challenger, agent

    def _learner(self, number: int, environ: dict[str, str]) -> ChildSpec:
        return ChildSpec(
            name=LEARNER if number == 0 else f"{LEARNER}-{number + 1}",
            argv=(sys.executable, "-m", "server.learner_process"),
            environ=environ,
            stop_timeout_s=lambda: self._config.server.graceful_timeout_s + LEARNER_EXTRA_S,
            refuses={EX_CONFIG: MISCONFIGURED},
            waits=frozenset({EX_TEMPFAIL}),
            is_wanted=lambda: self._config.cluster.redis_url is None or self._config.cluster.learns,
        )

    def ready(self) -> None:
        """Print where the service answers."""
        server = self._config.server
        if server.admin_port is not None:
            inner = url_of(server.host, server.admin_port)
            sys.stdout.write(f"admin calls and metrics at {inner}\n")
        sys.stdout.write(f"marquee serves at {url_of(server.host, server.port)}\n")
        sys.stdout.flush()

    def tell_given_up(self, children: Sequence[str]) -> None:
        """Let the workers tell which children are given up, if that can be written."""
        try:
            self._directory.set_given_up(children)
        except RunDirectoryError as error:
            log.warning("status will not say what is given up", why=str(error))

    def reload(self) -> bool:
        """Take over the configuration as it is now; return False if it could not be taken.

        That is so if it is wrong, or if the disk is too full to hand it to the children.
        """
        before = self._settings
        try:
            asked = read_settings(self._path, self._environ)
        except ConfigError as error:
            log.error(  # noqa: TRY400 (the sentence says it all)
                "configuration refused; the old one stays", path=error.path, why=str(error)
            )
            return False
        if not self._put(asked._replace(config=self._with_what_stays(asked.config))):
            return False
        self._before = before
        self._revert_until = time.monotonic() + REVERT_WITHIN_S
        log.info("configuration taken over", file=None if self._path is None else str(self._path))
        return True

    def revert(self) -> bool:
        """Go back to the configuration before a reload that was just now."""
        if self._before is None or time.monotonic() > self._revert_until:
            return False
        if not self._put(self._before):
            return False
        self._before = None
        return True

    def forget(self, pid: int) -> None:
        """Drop the gauges of a process that has ended."""
        _forget_metrics(pid, str(self._metrics))

    def drain(self) -> None:
        """Make the workers say that they are not ready, if that can be written."""
        try:
            self._directory.set_draining(True)
        except RunDirectoryError as error:
            log.warning("ending without saying so first", why=str(error))

    def stop_listening(self) -> None:
        """Let go of the listening sockets; gunicorn still holds them until it ends."""
        for listener in self._listeners:
            listener.close()

    def close(self) -> None:
        """Let go of everything."""
        self.stop_listening()
        self._directory.close()

    @property
    def _config(self) -> Config:
        return self._settings.config

    def _write(self, settings: Settings) -> None:
        config, challenger, sources = settings
        if challenger is not None:
            challenger = msgspec.structs.replace(challenger, config=without_keys(challenger.config))
        self._directory.write_config(without_keys(config), challenger, sources)

    def _put(self, settings: Settings) -> bool:
        """Hand a configuration to the children; tell whether that was possible."""
        try:
            self._write(settings)
        except RunDirectoryError as error:
            log.error(  # noqa: TRY400 (the sentence says it all)
                "configuration cannot be handed to the children; the old one stays", why=str(error)
            )
            return False
        self._settings = settings
        configure_logs(settings.config, "supervisor")
        return True

    def _with_what_stays(self, config: Config) -> Config:
        """Return a new configuration with the keys that only a restart can change put back."""
        now = self._config.server
        asked = config.server
        server = msgspec.structs.replace(
            asked,
            host=now.host,
            port=now.port,
            admin_port=now.admin_port,
            run_directory=now.run_directory,
            http_server=now.http_server,
        )
        if server != msgspec.structs.replace(
            asked,
            port=asked.port or now.port,
            admin_port=now.admin_port if asked.admin_port == 0 else asked.admin_port,
        ):
            log.warning(
                "server.host, server.port, server.admin_port, server.run_directory and "
                "server.http_server change at a restart"
            )
        return msgspec.structs.replace(config, server=server)


def read_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read and check what is to be run.

    Raises:
        ConfigError: something of it is wrong.
    """
    config = load_config(path, environ)
    check_named_files(config)
    check_installed(config)
    return Settings(config, read_challenger(config), config_sources(path, environ))
