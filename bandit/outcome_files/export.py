"""From a live log to an export: read-only, in bounded memory, whole or not at all.

The log is merged and joined exactly as the learner does, up to the instant at which the export
began; what is written are the outcomes that have closed by then. Everything goes into a directory
beside the one asked for, which is put in its place at the end. An earlier export that stands there
is replaced; anything else is left alone and refused.
"""

from __future__ import annotations

import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from bandit.catalog import EMPTY_VERSION, CatalogDocument, write_catalog_file
from bandit.collecting import collecting_rarely
from bandit.config.schema import Config
from bandit.errors import CatalogError, OutcomeFilesError
from bandit.eventlog.protocol import EventReader
from bandit.files import sync_directory, sync_file
from bandit.joiner import Joiner, Outcome
from bandit.merge import LogMerge
from bandit.outcome_files.manifest import (
    FILE_NAME,
    Manifest,
    catalog_file,
    exposures,
    write_manifest,
)
from bandit.outcome_files.writing import OutcomeWriter


class CatalogDocuments(Protocol):
    """Where catalog versions are found as they were stored."""

    def document(self, version: str) -> CatalogDocument:
        """Return a version.

        Raises:
            CatalogError: it is lost.
        """
        ...


class ExportReport(NamedTuple):
    """What an export did."""

    manifest: Manifest
    notices: list[str]
    """What an operator should know of spools."""


class _Taken:
    """What was seen of the log so far."""

    def __init__(self, writer: OutcomeWriter) -> None:
        self._writer = writer
        self.closed_by: Counter[str] = Counter()
        self.catalogs: dict[str, None] = {}
        self.damaged = 0
        self.notices: list[str] = []

    def write(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self.closed_by[outcome.closed_by] += 1
            self.catalogs.setdefault(outcome.decision.catalog)
            self._writer.write(outcome)


def export_log(
    reader: EventReader,
    catalogs: CatalogDocuments,
    config: Config,
    directory: Path,
    now_us: int,
    progress: Callable[[int], None] = lambda records: None,
) -> ExportReport:
    """Export the log up to ``now_us`` into ``directory``, which is made or replaced as a whole.

    ``progress`` is told how many records were read since it was last called.

    Raises:
        OutcomeFilesError: something other than an export stands at ``directory``, or the disk does
            not take it; what stood there is as it was.
        LogError: the log cannot be read.
        LibraryMissingError: pyarrow is not installed.
    """
    check_replaceable(directory)
    with replacing(directory) as beside, collecting_rarely():
        return _export_into(beside, reader, catalogs, config, now_us, progress)


def check_replaceable(directory: Path) -> None:
    """Check that an export may be put at ``directory``.

    Raises:
        OutcomeFilesError: something other than an export stands there.
    """
    if not directory.exists() or (directory / FILE_NAME).is_file():
        return
    if not directory.is_dir() or any(directory.iterdir()):
        raise OutcomeFilesError(
            f"{directory} is there already and is no export",
            hint="name a directory that is not there yet, is empty, or holds an earlier export",
        )


def _export_into(
    directory: Path,
    reader: EventReader,
    catalogs: CatalogDocuments,
    config: Config,
    now_us: int,
    progress: Callable[[int], None],
) -> ExportReport:
    settings = config.learner
    merge = LogMerge(reader, settings.batch_records_max)
    joiner = Joiner(config.reward, settings.open_decisions_max, settings.events_per_decision_max)
    writer = OutcomeWriter(directory)
    taken = _Taken(writer)
    try:
        _take(merge, joiner, taken, now_us, progress)
        files = writer.close()
    finally:
        writer.abandon()
    missing = _write_catalogs(directory, catalogs, taken.catalogs)
    for file in files:
        sync_file(directory / file.path)
    manifest = Manifest(
        log_clock_us=merge.clock_us,
        outcomes=sum(taken.closed_by.values()),
        closed_by=dict(sorted(taken.closed_by.items())),
        open_decisions=joiner.waiting,
        damaged_records=taken.damaged,
        unreadable_spools=dict(merge.unreadable),
        dispositions=joiner.counts,
        reward=config.reward,
        exposure=exposures(config),
        catalogs=[one for one in taken.catalogs if one != EMPTY_VERSION and one not in missing],
        missing_catalogs=missing,
        files=files,
    )
    write_manifest(directory, manifest)
    sync_directory(directory)
    return ExportReport(manifest, taken.notices)


def _take(
    merge: LogMerge,
    joiner: Joiner,
    taken: _Taken,
    until_us: int,
    progress: Callable[[int], None],
) -> None:
    """Take the log up to an instant, or as far as it is complete."""
    while merge.clock_us < until_us:
        before_us = merge.clock_us
        polled = merge.poll()
        taken.damaged += len(polled.damaged)
        taken.notices += [f"{notice.spool}: {notice.what}" for notice in polled.notices]
        for logged, at_us, late in polled.records:
            taken.write(joiner.take(logged.record, at_us, late=late))
        taken.write(joiner.advance(merge.clock_us))
        progress(len(polled.records) + len(polled.damaged))
        if not (polled.records or polled.damaged) and merge.clock_us == before_us:
            return


def _write_catalogs(
    directory: Path, catalogs: CatalogDocuments, versions: dict[str, None]
) -> list[str]:
    """Write each version into a file; return those that are lost."""
    missing = []
    for version in versions:
        if version == EMPTY_VERSION:
            continue
        try:
            document = catalogs.document(version)
        except CatalogError:
            missing.append(version)
            continue
        write_catalog_file(directory / catalog_file(version), document)
    return missing


@contextmanager
def replacing(directory: Path) -> Iterator[Path]:
    """Give a directory to write an export into, which takes ``directory``'s place once it is whole.

    Raises:
        OutcomeFilesError: the disk does not take it; what stood there is as it was.
    """
    beside = directory.with_name(f".{directory.name}.{secrets.token_hex(8)}.tmp")
    try:
        beside.mkdir(parents=True)
        yield beside
        _put_in_place(beside, directory)
    except OSError as error:
        raise OutcomeFilesError(
            f"the export cannot be written to {directory}: {error.strerror or error}",
            hint="make room there, or make it writable, and do the same again",
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put_in_place(beside: Path, directory: Path) -> None:
    """Put a finished export in place of an earlier one, which goes last."""
    old = directory.with_name(f".{directory.name}.{secrets.token_hex(8)}.old")
    stood = directory.exists()
    if stood:
        directory.rename(old)
    try:
        beside.rename(directory)
    except OSError:
        if stood:
            old.rename(directory)
        raise
    sync_directory(directory.parent)
    shutil.rmtree(old, ignore_errors=True)
