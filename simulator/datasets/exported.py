"""Reads what ``marquee log export`` wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bandit.config import Config
from bandit.errors import OutcomeFilesError
from bandit.joiner import Outcome
from bandit.outcome_files import Manifest, OutcomeFiles
from bandit.outcome_files.collecting import collecting_rarely
from bandit.outcome_files.manifest import exposures
from simulator.datasets.feedback_notes import Reports, closing_notes
from simulator.datasets.joining import concatenate, concatenate_rankings
from simulator.datasets.page_rounds import (
    Pages,
    choices_of,
    ordered_without_chance,
    rankings_of,
)
from simulator.datasets.page_scan import NO_SEGMENT, PageScan
from simulator.datasets.source import BATCH_ROUNDS, Kind, Reading, with_placeholders
from simulator.errors import LoggedDataError
from simulator.logged import ROWS_TOLD, Logged, LoggedChoices, LoggedRankings
from simulator.progress import Watch

_PAGES_AT_ONCE: Final = 500


class ExportSource:
    """Pages of our own log, joined with their feedback."""

    has_propensities = True

    def __init__(self, path: Path, reading: Reading) -> None:
        """Look an export over.

        Raises:
            LoggedDataError: a file is missing or cut short, a decision stands there twice, a
                propensity is wrong, or a choice is not in its catalog version.
        """
        self.path = path
        self.name = reading.name or path.name
        self._files = _opened(path)
        manifest = self._files.manifest
        scan = PageScan(reading.segment)
        reports = Reports()
        certain = self._look_over(scan, reports, reading.watch)
        if not reading.skip_bad:
            scan.faults.refuse(str(path))
        _check_segments(scan, reading.segment)
        documents = {version: self._files.catalog(version) for version in manifest.catalogs}
        artworks = scan.items(documents)
        unknown = scan.unknown_choices(artworks)
        if unknown and not reading.skip_bad:
            raise _unknown_artworks(unknown)
        rows = scan.row_table(documents)
        config = reading.config
        self._pages = Pages(
            rule=manifest.reward if config is None else config.reward,
            exposure=manifest.exposure if config is None else exposures(config),
            contexts=scan.contexts(),
            segments=scan.segments(),
            segment=reading.segment,
            artworks=artworks,
            rows=rows,
            row_codes=rows.code_of,
            longest=scan.longest,
            most_rows=scan.most_rows,
            keep_certain=reading.keep_certain,
            catalogs=documents,
        )
        self._dropped = scan.dropped
        self.skipped = len(scan.dropped)
        self.rounds_max = certain.titles
        self.kind: Kind = _kind(scan)
        self.notes = [
            *_manifest_notes(manifest, config),
            *closing_notes(manifest),
            *reports.notes(self._pages.exposure),
            *scan.faults.notes(),
            *([f"{len(unknown):,} choices left out: no catalog holds them"] if unknown else []),
            *([] if reading.keep_certain else certain.notes()),
            *self._pages.contexts.notes("context"),
            *artworks.table.columns.notes("artworks"),
        ]

    def choices(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield a round for each seen title; see :class:`~simulator.datasets.source.Source`.

        Raises:
            LoggedDataError: the pages hold rows only, or a file was changed meanwhile.
        """
        if self.kind == "rankings":
            raise LoggedDataError(
                "choices", "these pages hold rows without titles", hint="evaluate rankings"
            )
        yield from _gathered(self._rounds(choices_of), batch, concatenate)

    def choices_to_estimate(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rounds with placeholders in place of what was logged."""
        yield from map(with_placeholders, self.choices(batch))

    def rankings(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedRankings]:
        """Yield a round for each page with rows.

        Raises:
            LoggedDataError: the pages hold no rows, or a file was changed meanwhile.
        """
        if self.kind == "choices":
            raise LoggedDataError(
                "rankings", "these pages hold titles without rows", hint="evaluate single choices"
            )
        yield from _gathered(self._rounds(rankings_of), batch, concatenate_rankings)

    def _rounds(self, convert: Callable[[Pages, list[Outcome]], Logged]) -> Iterator[Logged]:
        first = 0
        batches = _outcomes(self._files)
        while True:
            with collecting_rarely():
                outcomes = next(batches, None)
                if outcomes is None:
                    return
                good = [
                    outcome
                    for number, outcome in enumerate(outcomes, first)
                    if number not in self._dropped
                ]
                first += len(outcomes)
                part = convert(self._pages, good)
            yield part

    def _look_over(self, scan: PageScan, reports: Reports, watch: Watch) -> _Certain:
        certain = _Certain()
        label, total = f"looking over {self.name}", self._files.manifest.outcomes
        with collecting_rarely(), watch.task(label, total, "pages") as advance:
            for outcomes in _outcomes(self._files):
                scan.take(outcomes)
                reports.take(outcomes)
                certain.take(outcomes)
                advance(len(outcomes))
        return certain


class _Certain:
    """Counts what was decided without chance."""

    def __init__(self) -> None:
        self.titles = 0
        """Titles on all pages, seen or not."""
        self._titles = self._orders = self._all_orders = 0

    def take(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            decision = outcome.decision
            self.titles += len(decision.titles)
            self._titles += sum(choice.propensity == 1 for choice in decision.titles)
            self._all_orders += bool(decision.rows)
            self._orders += ordered_without_chance(decision)

    def notes(self) -> list[str]:
        told = []
        if self._titles:
            told.append(
                f"{self._titles:,} of {self.titles:,} artworks were served without chance "
                "(holdout, baseline, or no choice): left out where there was a choice"
            )
        if self._orders:
            told.append(
                f"{self._orders:,} of {self._all_orders:,} pages were ordered without chance "
                "(holdout, baseline, or before the first model): left out as rankings"
            )
        return told


def _opened(path: Path) -> OutcomeFiles:
    try:
        return OutcomeFiles(path)
    except OutcomeFilesError as error:
        raise LoggedDataError("manifest", error.message, hint=error.hint) from error


def _outcomes(files: OutcomeFiles) -> Iterator[list[Outcome]]:
    try:
        yield from files.outcomes(_PAGES_AT_ONCE)
    except OutcomeFilesError as error:
        raise LoggedDataError("file", error.message, hint=error.hint) from error


def _gathered(
    parts: Iterator[Logged], batch: int, join: Callable[[list[Logged]], Logged]
) -> Iterator[Logged]:
    """Put small parts together until there are ``batch`` rounds, and yield so many at most."""
    waiting: list[Logged] = []
    for part in parts:
        if len(part):
            waiting.append(part)
        if sum(map(len, waiting)) >= batch:
            yield from _cut(join(waiting), batch)
            waiting = []
    if waiting:
        yield from _cut(join(waiting), batch)


def _cut(whole: Logged, batch: int) -> Iterator[Logged]:
    if len(whole) <= batch:
        yield whole
        return
    for first in range(0, len(whole), batch):
        yield whole.take(slice(first, first + batch))


def _kind(scan: PageScan) -> Kind:
    if not scan.longest:
        return "choices"
    return "both" if scan.has_titles else "rankings"


def _check_segments(scan: PageScan, segment: str | None) -> None:
    if scan.pages and scan.segments() == [NO_SEGMENT] and segment not in (None, "share"):
        raise LoggedDataError(
            str(segment),
            "is a feature that no page's context has",
            hint="tell segments apart by `share` or by a feature of the context",
        )


def _unknown_artworks(unknown: set[tuple[str, str, str]]) -> LoggedDataError:
    told = [
        f"{title}/{artwork} of {version}" for version, title, artwork in sorted(unknown)[:ROWS_TOLD]
    ]
    return LoggedDataError(
        "action",
        f"{len(unknown):,} artworks that were chosen are in no catalog that is there "
        f"(first: {', '.join(told)})",
        hint="export the log where its catalog's directory is whole, or leave them out with "
        "--skip-bad",
    )


def _manifest_notes(manifest: Manifest, config: Config | None) -> list[str]:
    told = []
    if manifest.open_decisions:
        told.append(f"{manifest.open_decisions:,} decisions were still open and are not in it")
    if manifest.damaged_records:
        told.append(f"{manifest.damaged_records:,} damaged records of the log are not in it")
    told += [
        f"spool {name} is not in it: {why}" for name, why in manifest.unreadable_spools.items()
    ]
    early = manifest.closed_by.get("evicted", 0)
    if early:
        told.append(f"{early:,} decisions were closed before their window's end: too many waited")
    if config is not None and config.reward.window_s != manifest.reward.window_s:
        told.append(
            f"feedback was joined for {manifest.reward.window_s:g} s, not the configured "
            f"{config.reward.window_s:g} s: export the log again for another window"
        )
    return told
