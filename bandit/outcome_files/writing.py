"""Writes outcomes into Parquet files by day: ``date=2026-11-22/part-00000.parquet``.

The day is that of the decision by the log's clock, in UTC. Outcomes come in the order in which they
closed, so that a few days are open at a time; each gathers a group of rows before it writes, and
the cuts between groups and files depend on the outcomes alone: the same log gives the same bytes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bandit.clock import MICROSECONDS
from bandit.joiner import Outcome
from bandit.outcome_files.arrow import arrow
from bandit.outcome_files.columns import schema, to_batch
from bandit.outcome_files.manifest import ExportedFile

GROUP_PARTS: Final = 100_000
"""Titles, rows and events of a row group at least, held in memory for each open day."""
FILE_OUTCOMES_MAX: Final = 200_000
DAYS_OPEN_MAX: Final = 3


class _Day:
    """The file of one day that is being written, until :meth:`finish` or :meth:`abandon`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self._waiting: list[Outcome] = []
        self._parts = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: Any = arrow("parquet").ParquetWriter(path, schema(), compression="zstd")

    @property
    def full(self) -> bool:
        """Whether it holds as many outcomes as a file may: finish it before more are added."""
        return self.written + len(self._waiting) >= FILE_OUTCOMES_MAX

    def add(self, outcome: Outcome) -> None:
        """Take up an outcome; a group of them is written once it is large enough."""
        self._waiting.append(outcome)
        decision = outcome.decision
        self._parts += 1 + len(decision.titles) + len(decision.rows) + len(outcome.events)
        if self._parts >= GROUP_PARTS:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._file.write_batch(to_batch(self._waiting))
            self.written += len(self._waiting)
            self._waiting, self._parts = [], 0

    def finish(self) -> None:
        """Write what waits, and the footer: the file is whole from here on."""
        self._flush()
        self._file.close()

    def abandon(self) -> None:
        """Close the file without what waits; the caller removes it."""
        self._file.close()


class OutcomeWriter:
    """Writes outcomes below a directory.

    :meth:`write` any number of times, then once :meth:`close`, which returns what was written, or
    :meth:`abandon` after an error; nothing may be called after either.
    """

    def __init__(self, directory: Path, prefix: str = "") -> None:
        """``prefix`` begins the names of all files."""
        self._directory = directory
        self._prefix = prefix
        self._open: dict[str, _Day] = {}
        """By day, the one used longest ago first."""
        self._parts: dict[str, int] = {}
        self._files: list[ExportedFile] = []

    def write(self, outcome: Outcome) -> None:
        """Take up an outcome; outcomes are to come in the order in which they closed.

        Raises:
            OSError: the disk is full or the directory not writable.
        """
        date = datetime.fromtimestamp(outcome.decided_at_us // MICROSECONDS, UTC).date()
        key = date.isoformat()
        day = self._open.pop(key, None)
        if day is None:
            if len(self._open) >= DAYS_OPEN_MAX:
                self._finish(next(iter(self._open)))
            day = self._begin(key)
        self._open[key] = day
        day.add(outcome)
        if day.full:
            self._finish(key)

    def close(self) -> list[ExportedFile]:
        """Finish every file and return them, by path.

        Raises:
            OSError: the disk is full or the directory not writable.
        """
        for key in list(self._open):
            self._finish(key)
        return sorted(self._files, key=lambda file: file.path)

    def abandon(self) -> None:
        """Let go of all files, finished or not."""
        for day in self._open.values():
            day.abandon()
        self._open.clear()

    def _begin(self, key: str) -> _Day:
        part = self._parts.get(key, 0)
        self._parts[key] = part + 1
        return _Day(self._directory / f"date={key}" / f"{self._prefix}part-{part:05}.parquet")

    def _finish(self, key: str) -> None:
        day = self._open.pop(key)
        day.finish()
        path = day.path.relative_to(self._directory).as_posix()
        self._files.append(ExportedFile(path, day.written, day.path.stat().st_size))
