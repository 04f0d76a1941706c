"""What one run of ``marquee serve`` keeps for its processes, in ``server.run_directory``.

``lock`` is held by the one supervisor, ``effective.json`` is the checked configuration (of API keys
it holds digests, but the address of Redis may hold a password: only its owner may read it),
``challenger.json`` the challenger's, if there is one, ``draining`` exists while the run is ending,
``given-up`` names the children that died too often to be started again, and ``agent.json`` tells
how a cluster's agent does.

Why its processes count in files in memory, and here only where there is none: those files are
mapped, and whoever writes to a mapped page for which a full disk has no room is killed by SIGBUS.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from bandit.config.loading import effective_json, from_effective_json
from bandit.config.overlay import Challenger
from bandit.config.schema import Config
from bandit.errors import ConfigError, MarqueeError
from bandit.files import PRIVATE_MODE, PUBLIC_MODE, write_atomically

EFFECTIVE_CONFIG_VARIABLE: Final = "MARQUEE_EFFECTIVE_CONFIG"
"""Names the file with the checked configuration, for the supervisor's children."""

DRAINING: Final = "draining"
"""Name of the file whose presence says that the run is ending."""


LEARNER: Final = "learner"
"""The learner's name among the supervisor's children."""

CHALLENGER: Final = "challenger"
"""The name of the challenger's learner among them."""

AGENT: Final = "agent"
"""The name of what keeps this machine in step with a cluster."""

_CHALLENGER_CONFIG: Final = "challenger.json"

GIVEN_UP: Final = "given-up"
"""Name of the file that names the children that are given up, one a line."""

AGENT_WORDS: Final = "agent.json"
"""Name of the file in which a cluster's agent tells how its duties stand."""

MEMORY: Final = Path("/dev/shm")  # noqa: S108 (only names that mkdtemp or gunicorn made)
"""Where Linux keeps files in memory."""

_SOURCES: Final = "sources.json"

_METRICS_BYTES: Final = 16_000_000
"""Room in memory below which metrics go to the run directory: some hundred processes' worth."""


class RunDirectoryError(MarqueeError):
    """The run directory cannot be used, or another run holds it."""


class RunDirectory:
    """The files of one run; it belongs to the process that made it until :meth:`close`.

    Args:
        path: the directory, made if need be.
        memory: where files are kept in memory.

    Raises:
        RunDirectoryError: the directory cannot be made, or another supervisor is at work in it.
    """

    def __init__(self, path: Path, memory: Path = MEMORY) -> None:
        self.path = path.absolute()
        self._memory = memory
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RunDirectoryError(
                f"{self.path} cannot be used: {error.strerror}",
                hint="give a writable directory as server.run_directory",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise RunDirectoryError(
                f"another `marquee serve` is at work in {self.path}",
                hint="stop it first, or give this one a server.run_directory of its own",
            ) from error
        self.set_draining(False)
        self.set_given_up([])
        (self.path / AGENT_WORDS).unlink(missing_ok=True)

    @property
    def effective_config(self) -> Path:
        """The file that the children read their configuration from."""
        return self.path / "effective.json"

    def write_config(
        self,
        config: Config,
        challenger: Challenger | None = None,
        sources: Mapping[str, str] | None = None,
    ) -> None:
        """Put a checked configuration, and the challenger's, where the children find it.

        ``sources`` tells where the keys that are set come from.

        Raises:
            RunDirectoryError: it cannot be written; what was there stays.
        """
        beside = self.path / _CHALLENGER_CONFIG
        try:
            if challenger is None:
                beside.unlink(missing_ok=True)
            else:
                write_atomically(beside, msgspec.json.encode(challenger), PRIVATE_MODE)
            write_atomically(self.path / _SOURCES, msgspec.json.encode(sources or {}), PRIVATE_MODE)
            write_atomically(self.effective_config, effective_json(config), PRIVATE_MODE)
        except OSError as error:
            raise self._not_writable(self.effective_config, error) from error

    def set_draining(self, draining: bool) -> None:
        """Say whether the run is ending.

        Raises:
            RunDirectoryError: that cannot be written.
        """
        try:
            if draining:
                (self.path / DRAINING).touch()
            else:
                (self.path / DRAINING).unlink(missing_ok=True)
        except OSError as error:
            raise self._not_writable(self.path / DRAINING, error) from error

    def set_given_up(self, children: Sequence[str]) -> None:
        """Say which children are given up.

        Raises:
            RunDirectoryError: that cannot be written.
        """
        file = self.path / GIVEN_UP
        try:
            if children:
                write_atomically(file, "\n".join(children).encode(), PUBLIC_MODE)
            else:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise self._not_writable(file, error) from error

    def fresh_metrics(self) -> Path:
        """Make an empty directory for this run's metrics and remove those of earlier runs.

        Raises:
            RunDirectoryError: it cannot be made.
        """
        self._remove_metrics()
        memory = writable(self._memory)
        roomy = memory is not None and shutil.disk_usage(memory).free >= _METRICS_BYTES
        home = memory if memory is not None and roomy else self.path
        try:
            return Path(tempfile.mkdtemp(prefix=self._metrics_prefix(), dir=home))
        except OSError as error:
            raise self._not_writable(home, error) from error

    def _remove_metrics(self) -> None:
        for home in (self._memory, self.path):
            for old in home.glob(f"{self._metrics_prefix()}*"):
                shutil.rmtree(old, ignore_errors=True)

    def _metrics_prefix(self) -> str:
        """Name this run directory among all that share the memory: by the identity of its lock."""
        lock = os.fstat(self._lock)
        return f"marquee-metrics-{lock.st_dev:x}-{lock.st_ino:x}-"

    def _not_writable(self, file: Path, error: OSError) -> RunDirectoryError:
        return RunDirectoryError(
            f"{file} cannot be written: {error.strerror}",
            hint="free disk space, or make the directory writable, and try again",
        )

    def close(self) -> None:
        """Remove what only this run needs, as far as it can be, and give the directory up."""
        self._remove_metrics()
        names = (_CHALLENGER_CONFIG, _SOURCES, DRAINING, GIVEN_UP, AGENT_WORDS)
        for file in (self.effective_config, *(self.path / name for name in names)):
            with suppress(OSError):
                file.unlink()
        os.close(self._lock)


def writable(directory: Path) -> Path | None:
    """Return a directory if files can be made in it, else None."""
    return directory if os.access(directory, os.W_OK | os.X_OK) else None


def is_draining(config: Config) -> bool:
    """Tell whether the run is ending, so that requests had better go elsewhere."""
    return (Path(config.server.run_directory) / DRAINING).exists()


def config_sources(config: Config) -> dict[str, str]:
    """Return where the keys that are set come from, nothing where that is not known."""
    try:
        told = (Path(config.server.run_directory) / _SOURCES).read_bytes()
        return msgspec.json.decode(told, type=dict[str, str])
    except (OSError, msgspec.MsgspecError):
        return {}


def given_up(config: Config) -> list[str]:
    """Return the names of the children that died too often to be started again."""
    try:
        return (Path(config.server.run_directory) / GIVEN_UP).read_text().splitlines()
    except OSError:
        return []


def read_effective_config(environ: Mapping[str, str]) -> Config:
    """Read the configuration that the supervisor checked.

    Raises:
        ConfigError: the environment names no such file, or it cannot be read.
    """
    file = _effective(environ)
    try:
        return from_effective_json(file.read_bytes())
    except OSError as error:
        raise ConfigError(
            "", f"{file} cannot be read: {error}", hint="start it by `marquee serve`"
        ) from error


def read_effective_challenger(environ: Mapping[str, str]) -> Challenger | None:
    """Read the challenger that the supervisor checked, None where there is none.

    Raises:
        ConfigError: the environment names no configuration, or the file cannot be read.
    """
    file = _effective(environ).with_name(_CHALLENGER_CONFIG)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Challenger)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            "challenger.config", f"{file} cannot be read: {error}", hint="send SIGHUP to serve"
        ) from error


def _effective(environ: Mapping[str, str]) -> Path:
    named = environ.get(EFFECTIVE_CONFIG_VARIABLE)
    if named is None:
        raise ConfigError(
            "", f"{EFFECTIVE_CONFIG_VARIABLE} is not set", hint="start it by `marquee serve`"
        )
    return Path(named)
