"""Reads a service's own event log, live or not: its spools, with the catalogs that they name.

The log is exported into a temporary directory first, as ``marquee log export`` does it, and read
from there: a live log grows between two looks, an export does not. So the rounds of a log and of
its export are the same by construction.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from contextlib import closing
from pathlib import Path
from typing import Final

from bandit.catalog import CatalogDocument, CatalogStore
from bandit.clock import WallClock
from bandit.config import Config, load_config
from bandit.errors import CatalogError, OutcomeFilesError
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.outcome_files import export_log
from simulator.datasets.exported import ExportSource
from simulator.datasets.source import Reading
from simulator.errors import LoggedDataError, MissingDataError

_CATALOG: Final = "catalog"
_LOG: Final = "log"


class EventLogSource(ExportSource):
    """A service's log as it stands now."""

    def __init__(self, path: Path, reading: Reading) -> None:
        """Take up the log.

        ``path`` is the directory of the spools, the state directory that holds it as ``log``, one
        of the spools, or a configuration that names it.

        Raises:
            MissingDataError: there are no spools.
            LoggedDataError: see :class:`~simulator.datasets.exported.ExportSource`.
        """
        config, log, catalog = _located(path, reading.config)
        clock = WallClock.from_environment()
        exported = Path(tempfile.mkdtemp(prefix="marquee-"))
        weakref.finalize(self, shutil.rmtree, exported, ignore_errors=True)
        with closing(SqliteEventReader(log, clock)) as reader:
            if not reader.spools():
                raise MissingDataError(
                    f"there are no spools in {log}",
                    hint="give the directory that the configuration's log.directory names",
                )
            catalogs = CatalogStore(catalog, config.limits) if catalog.is_dir() else _NoCatalogs()
            total = sum(
                reader.last_sequence(spool) - reader.sequence_before(spool, 0)
                for spool in reader.spools()
            )
            try:
                with reading.watch.task(f"joining {path}", total, "records") as advance:
                    report = export_log(
                        reader, catalogs, config, exported / _LOG, clock.now_us(), advance
                    )
            except OutcomeFilesError as error:
                raise LoggedDataError("log", error.message, hint=error.hint) from error
        super().__init__(exported / _LOG, reading._replace(config=config))
        self.path = log
        self.name = reading.name or str(path)
        self.notes += report.notices
        if reading.config is None and path.suffix != ".toml":
            self.notes.append("reward and exposure are the defaults: no configuration was given")


class _NoCatalogs:
    """The catalogs of a log that came without them."""

    def document(self, version: str) -> CatalogDocument:
        """Raise that it is lost."""
        raise CatalogError("", f"no catalog is there to hold {version}")


def _located(path: Path, given: Config | None) -> tuple[Config, Path, Path]:
    """Return the configuration, and the directories of the log and of the catalogs."""
    if path.suffix == ".toml":
        config = given or load_config(path, os.environ)
        return config, Path(config.log.directory), Path(config.catalog.directory)
    log = path if path.is_dir() else path.parent
    if (log / _LOG).is_dir():
        log = log / _LOG
    beside = log.parent / _CATALOG
    if given is None:
        return Config(), log, beside
    return given, log, beside if beside.is_dir() else Path(given.catalog.directory)
