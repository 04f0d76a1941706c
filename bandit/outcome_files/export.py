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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

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
    ExportedFile,
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


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What was written of one share of a log's decisions; the fields are the manifest's."""

    log_clock_us: int
    closed_by: dict[str, int]
    open_decisions: int
    damaged_records: int
    unreadable_spools: dict[str, str]
    dispositions: dict[str, int]
    catalogs: list[str]
    """Versions that outcomes name, by first use."""
    notices: list[str]
    files: list[ExportedFile]


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
    with replacing(directory) as beside:
        share = export_share(reader, config, beside, now_us, progress)
        return finish(beside, [share], catalogs, config)


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


def export_share(
    reader: EventReader,
    config: Config,
    directory: Path,
    until_us: int,
    progress: Callable[[int], None] = lambda records: None,
    prefix: str = "",
) -> Share:
    """Write the outcomes of what a reader reads below ``directory``, up to an instant.

    ``prefix`` begins the files' names. :func:`finish` makes an export of one share or several.

    Raises:
        LogError: the log cannot be read.
        OSError: the disk does not take it.
        LibraryMissingError: pyarrow is not installed.
    """
    settings = config.learner
    merge = LogMerge(reader, settings.batch_records_max)
    joiner = Joiner(config.reward, settings.open_decisions_max, settings.events_per_decision_max)
    writer = OutcomeWriter(directory, prefix)
    taken = _Taken(writer)
    try:
        with collecting_rarely():
            _take(merge, joiner, taken, until_us, progress)
        files = writer.close()
    finally:
        writer.abandon()
    return Share(
        log_clock_us=merge.clock_us,
        closed_by=dict(taken.closed_by),
        open_decisions=joiner.waiting,
        damaged_records=taken.damaged,
        unreadable_spools=dict(merge.unreadable),
        dispositions=joiner.counts,
        catalogs=list(taken.catalogs),
        notices=taken.notices,
        files=files,
    )


def finish(
    directory: Path, shares: Sequence[Share], catalogs: CatalogDocuments, config: Config
) -> ExportReport:
    """Add what makes an export of the files of shares: catalogs and a manifest.

    Raises:
        OSError: the disk does not take it.
    """
    closed_by, dispositions = Counter[str](), Counter[str]()
    unreadable: dict[str, str] = {}
    for share in shares:
        closed_by.update(share.closed_by)
        dispositions.update(share.dispositions)
        unreadable |= share.unreadable_spools
    named = dict.fromkeys(version for share in shares for version in share.catalogs)
    files = sorted((file for share in shares for file in share.files), key=lambda one: one.path)
    missing = _write_catalogs(directory, catalogs, named)
    for file in files:
        sync_file(directory / file.path)
    manifest = Manifest(
        log_clock_us=min(share.log_clock_us for share in shares),
        outcomes=sum(closed_by.values()),
        closed_by=dict(sorted(closed_by.items())),
        open_decisions=sum(share.open_decisions for share in shares),
        damaged_records=sum(share.damaged_records for share in shares),
        unreadable_spools=unreadable,
        dispositions=dict(dispositions),
        reward=config.reward,
        exposure=exposures(config),
        catalogs=[one for one in named if one != EMPTY_VERSION and one not in missing],
        missing_catalogs=missing,
        files=files,
    )
    write_manifest(directory, manifest)
    sync_directory(directory)
    notices = dict.fromkeys(notice for share in shares for notice in share.notices)
    return ExportReport(manifest, list(notices))


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
