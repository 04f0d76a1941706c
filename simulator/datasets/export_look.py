"""A first look through an export: what its pages hold, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from bandit.catalog import CatalogDocument
from bandit.collecting import collecting_rarely
from bandit.config import Config
from bandit.errors import OutcomeFilesError
from bandit.joiner import Outcome
from bandit.outcome_files import Manifest, OutcomeFiles
from bandit.outcome_files.manifest import exposures
from simulator.datasets.feedback_notes import LetIn, Reports, closing_notes
from simulator.datasets.page_items import ArtworkItems
from simulator.datasets.page_rounds import Pages, ordered_without_chance
from simulator.datasets.page_scan import NO_SEGMENT, PageScan
from simulator.datasets.source import Kind, Reading
from simulator.errors import LoggedDataError
from simulator.logged import ROWS_TOLD
from simulator.wording import counted

_PAGES_AT_ONCE: Final = 500


class ExportLook(NamedTuple):
    """What a first look tells."""

    pages: Pages
    """What outcomes are made into rounds by."""
    dropped: set[int]
    """Numbers of the pages to leave out, from 0."""
    titles: int
    """How many stand on all pages, seen or not."""
    kind: Kind
    notes: list[str]


def look_over(files: OutcomeFiles, where: str, name: str, reading: Reading) -> ExportLook:
    """Look through all outcomes: errors say ``where`` they are, progress has the ``name``.

    Raises:
        LoggedDataError: a file is cut short, a decision stands there twice, a propensity is wrong,
            a choice is not in its catalog version, or no context has the segment asked for.
    """
    gathered = _gather(files, f"looking over {name}", reading)
    scan = gathered.scan
    if not reading.skip_bad:
        scan.faults.refuse(where)
    _check_segments(scan, reading.segment)
    documents = {version: files.catalog(version) for version in files.manifest.catalogs}
    artworks = scan.items(documents)
    unknown = scan.unknown_choices(artworks)
    if unknown and not reading.skip_bad:
        raise _unknown_artworks(unknown)
    pages = _pages(files.manifest, scan, artworks, documents, reading)
    left_out = [] if reading.keep_certain else gathered.certain.notes()
    if unknown:
        left_out.insert(0, f"{counted(len(unknown), 'choices')} left out: no catalog holds them")
    notes = [
        *_manifest_notes(files.manifest, reading.config),
        *closing_notes(files.manifest),
        *gathered.reports.notes(pages.exposure),
        *gathered.let_in.notes(),
        *scan.faults.notes(),
        *left_out,
        *pages.contexts.notes("context"),
        *artworks.table.columns.notes("artworks"),
    ]
    return ExportLook(pages, scan.dropped, gathered.certain.titles, _kind(scan), notes)


def outcomes_of(
    files: OutcomeFiles, numbers: Sequence[int] | None = None
) -> Iterator[list[Outcome]]:
    """Yield outcomes in the order of the files, of all or some, a few hundred at a time.

    Raises:
        LoggedDataError: a file is damaged, cut short or gone.
    """
    try:
        yield from files.outcomes(_PAGES_AT_ONCE, numbers)
    except OutcomeFilesError as error:
        raise LoggedDataError("file", error.message, hint=error.hint) from error


class _Gathered(NamedTuple):
    """What counts outcomes as they pass."""

    scan: PageScan
    reports: Reports
    let_in: LetIn
    certain: _Certain


def _gather(files: OutcomeFiles, label: str, reading: Reading) -> _Gathered:
    gathered = _Gathered(PageScan(reading.segment), Reports(), LetIn(), _Certain())
    total = files.manifest.outcomes
    with collecting_rarely(), reading.watch.task(label, total, "pages") as advance:
        for outcomes in outcomes_of(files):
            for one in gathered:
                one.take(outcomes)
            advance(len(outcomes))
    return gathered


def _pages(
    manifest: Manifest,
    scan: PageScan,
    artworks: ArtworkItems,
    documents: Mapping[str, CatalogDocument],
    reading: Reading,
) -> Pages:
    rows, config = scan.row_table(documents), reading.config
    return Pages(
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


class _Certain:
    """Counts what was decided without chance."""

    def __init__(self) -> None:
        self.titles = 0
        """Titles on all pages, seen or not."""
        self._titles = self._orders = self._all_orders = 0

    def take(self, outcomes: list[Outcome]) -> None:
        """Count the next pages."""
        for outcome in outcomes:
            decision = outcome.decision
            self.titles += len(decision.titles)
            self._titles += sum(choice.propensity == 1 for choice in decision.titles)
            self._all_orders += bool(decision.rows)
            self._orders += ordered_without_chance(decision)

    def notes(self) -> list[str]:
        """Return what to tell of the pages taken so far."""
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
        f"no catalog that is there holds {counted(len(unknown), 'artworks')} that stood on pages "
        f"(first: {', '.join(told)})",
        hint="export the log where its catalog's directory is whole, or leave them out with "
        "--skip-bad",
    )


def _manifest_notes(manifest: Manifest, config: Config | None) -> list[str]:
    told = []
    if manifest.open_decisions:
        told.append(f"{counted(manifest.open_decisions, 'decisions')} still open and not in it")
    if manifest.damaged_records:
        told.append(f"{counted(manifest.damaged_records, 'damaged records')} of the log left out")
    told += [
        f"spool {name} is not in it: {why}" for name, why in manifest.unreadable_spools.items()
    ]
    early = manifest.closed_by.get("evicted", 0)
    if early:
        told.append(
            f"{counted(early, 'decisions')} closed before the window's end: too many waited"
        )
    if config is not None and config.reward.window_s != manifest.reward.window_s:
        told.append(
            f"feedback was joined for {manifest.reward.window_s:g} s, not the configured "
            f"{config.reward.window_s:g} s: export the log again for another window"
        )
    return told
