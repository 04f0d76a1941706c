"""Reads what ``marquee log export`` wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from bandit.collecting import collecting_rarely
from bandit.errors import OutcomeFilesError
from bandit.joiner import Outcome
from bandit.outcome_files import OutcomeFiles
from simulator.datasets.export_look import look_over, outcomes_of
from simulator.datasets.joining import concatenate, concatenate_rankings
from simulator.datasets.page_rounds import Pages, choices_of, rankings_of
from simulator.datasets.source import BATCH_ROUNDS, Kind, Reading, with_placeholders
from simulator.datasets.table_files import Groups, Part
from simulator.errors import LoggedDataError
from simulator.logged import Logged, LoggedChoices, LoggedRankings

_MISSING: Final = {
    "choices": ("these pages hold rows without titles", "evaluate rankings"),
    "rankings": ("these pages hold titles without rows", "evaluate single choices"),
}
"""Kind of rounds → what is said where there are none, and what to do."""


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
        look = look_over(self._files, str(path), self.name, reading)
        self._pages = look.pages
        self._dropped = look.dropped
        self.skipped = len(look.dropped)
        self.rounds_max = look.titles
        self.kind: Kind = look.kind
        self.notes = look.notes

    def choices(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield a round for each seen title, ``batch`` of them at most at a time.

        It may be called any number of times, and yields the same rounds each time; candidates have
        shape (n, K) with the K of the title that has most artworks on any page.

        Raises:
            LoggedDataError: the pages hold rows only, or a file was changed meanwhile.
        """
        self._need("choices")
        yield from _gathered(self._rounds(choices_of), batch, concatenate)

    def parts(self) -> list[Part]:
        """Return each file as a part; see :class:`~simulator.datasets.source.PartedSource`."""
        found: list[Part] = []
        first = 0
        for file in self._files.manifest.files:
            found.append(Part((Groups(Path(file.path), ()),), first, file.outcomes))
            first += file.outcomes
        return found

    def choices_of_part(self, part: Part, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rounds of one file; see :meth:`choices`.

        Raises:
            LoggedDataError: the pages hold rows only, or the file was changed meanwhile.
        """
        self._need("choices")
        paths = [str(groups.path) for groups in part.groups]
        files = self._files.manifest.files
        numbers = [number for number, file in enumerate(files) if file.path in paths]
        yield from _gathered(self._rounds(choices_of, part.first, numbers), batch, concatenate)

    def choices_to_estimate(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rounds with placeholders in place of what was logged."""
        yield from map(with_placeholders, self.choices(batch))

    def rankings(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedRankings]:
        """Yield a round for each page with rows, ``batch`` of them at most at a time.

        It may be called any number of times; all arrays by position have shape (n, L) with the L of
        the longest page, candidates (n, R) with the R of the page that had most to choose from.

        Raises:
            LoggedDataError: the pages hold no rows, or a file was changed meanwhile.
        """
        self._need("rankings")
        yield from _gathered(self._rounds(rankings_of), batch, concatenate_rankings)

    def _need(self, wanted: Kind) -> None:
        if self.kind not in (wanted, "both"):
            what, hint = _MISSING[wanted]
            raise LoggedDataError(wanted, what, hint=hint)

    def _rounds(
        self,
        convert: Callable[[Pages, list[Outcome]], Logged],
        first: int = 0,
        numbers: Sequence[int] | None = None,
    ) -> Iterator[Logged]:
        batches = outcomes_of(self._files, numbers)
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


def _opened(path: Path) -> OutcomeFiles:
    try:
        return OutcomeFiles(path)
    except OutcomeFilesError as error:
        raise LoggedDataError("manifest", error.message, hint=error.hint) from error


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
