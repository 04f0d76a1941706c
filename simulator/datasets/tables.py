"""Rounds as plain tables: Parquet files, or a NumPy archive, with named columns.

| name | what it holds |
|---|---|
| ``action`` | integer from 0: index into the round's candidates, or an item where there are none |
| ``reward`` | number |
| ``propensity`` | number in (0, 1]; may be missing: then only estimates of it can be used |
| ``candidates`` | list of item numbers, in order; in NPZ shape (n, K), -1 past the end |
| ``action_count`` | how many items there are, where all rounds offer all of them; may be missing: |
| | then the greatest action counts, unless it is past 100,000 and ten times the rows |
| ``position`` | integer from 0 |
| ``viewer`` | text or integer: rounds of one viewer may be clustered |
| ``segment`` | text or integer: a group to tell results apart by |
| ``decision`` | text or integer that stands once: duplicates are refused |
| ``context_…`` | numbers: one column each; in NPZ also ``context``, shape (n, d), float |
| ``item_features`` | NPZ only: shape (items, f) |

A directory of Parquet files is read in the order of their paths; other columns are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from bandit.types import Float32Array, FloatArray
from simulator.datasets.faults import (
    NO_PROPENSITY_HINT,
    check_numbers,
    check_some_left,
    whole_numbers,
)
from simulator.datasets.source import BATCH_ROUNDS, Kind, Reading
from simulator.datasets.table_columns import as_features, candidates, counts, hashes
from simulator.datasets.table_files import NpzFile, ParquetFiles, Part, Piece
from simulator.datasets.table_look import look_over
from simulator.errors import LoggedDataError, PropensityError
from simulator.logged import (
    ROWS_TOLD,
    LoggedChoices,
    LoggedRankings,
    Names,
    not_finite,
)
from simulator.wording import counted

_CONTEXT: Final = "context_"


class TableSource:
    """Rounds of a table, whatever file it stands in."""

    kind: Kind = "choices"

    def __init__(self, path: Path, reading: Reading, table: ParquetFiles | NpzFile) -> None:
        """Look the table over.

        Raises:
            LoggedDataError: a column is missing, or rows are wrong; wrong propensities are told
                of when they are asked for.
        """
        self.path = path
        self.name = reading.name or path.stem
        self.rounds_max = table.rows
        self._table = table
        for name in ("action", "reward"):
            if name not in table.columns:
                raise LoggedDataError(
                    name,
                    f"{path} has no such column",
                    hint="name the columns as documented: action, reward, propensity, …",
                )
        _check_items(path, table.item_features)
        self._segment = self._segment_column(reading.segment)
        self._contexts = [name for name in table.columns if name.startswith(_CONTEXT)]
        self._shape = look_over(table, str(path), self.name, self._segment, self._contexts, reading)
        faults, self._unlawful = self._shape.faults, self._shape.unlawful
        if not reading.skip_bad:
            faults.refuse(str(path))
        self.has_propensities = "propensity" in table.columns and (
            reading.skip_bad or not self._unlawful.bad
        )
        self.skipped = 0 if self._shape.dropped is None else int(self._shape.dropped.sum())
        self._names = Names(
            contexts=table.context_names
            or [name.removeprefix(_CONTEXT) for name in self._contexts],
            segments=self._shape.segments,
        )
        self.notes = [] if not self.skipped else [*faults.notes(), *self._unlawful.notes()]
        check_some_left(table.rows, self.skipped, str(path), self.notes)
        if "propensity" not in table.columns:
            self.notes.append("no propensities were logged: only estimates of them can be used")

    def choices(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rows; see :class:`~simulator.datasets.source.Source`.

        Raises:
            PropensityError: propensities are missing, zero or above one; with count and rows.
        """
        self._check_propensities()
        pieces = self._table.pieces(batch, self._table.columns)
        yield from self._rounds(pieces, 0, estimate=False)

    def choices_to_estimate(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rows with placeholders for propensities, marked ``estimated``."""
        pieces = self._table.pieces(batch, self._table.columns)
        yield from self._rounds(pieces, 0, estimate=True)

    def rankings(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedRankings]:
        """Refuse: such a table holds single choices."""
        raise LoggedDataError(
            "rankings",
            "a plain table holds single choices",
            hint="give rankings as an export of our own log or as ccb dsjson",
        )

    def _check_propensities(self) -> None:
        if "propensity" not in self._table.columns:
            raise PropensityError(
                "propensity", f"{self.path} has no such column", hint=NO_PROPENSITY_HINT
            )
        if not self.has_propensities:
            self._unlawful.refuse(str(self.path))

    def _segment_column(self, asked: str | None) -> str:
        """Return the column that tells segments apart, which need not be there."""
        names = ("segment",) if asked in (None, "segment") else (asked, f"{_CONTEXT}{asked}")
        found = next((name for name in names if name in self._table.columns), None)
        if found is None and asked is not None:
            raise LoggedDataError(
                asked,
                f"{self.path} has no such column to tell segments apart",
                hint="name one of: " + ", ".join(self._table.columns),
            )
        return found or "segment"

    def _rounds(
        self, pieces: Iterator[Piece], first: int, *, estimate: bool
    ) -> Iterator[LoggedChoices]:
        """Yield the rounds of pieces, of which the first row has the number ``first``."""
        for piece in pieces:
            count = len(piece["action"])
            if self._shape.dropped is not None:
                kept = ~self._shape.dropped[first : first + count]
                piece = {name: column[kept] for name, column in piece.items()}
            first += count
            if len(piece["action"]):
                yield self._round(piece, estimate=estimate)

    def _round(self, piece: Piece, *, estimate: bool) -> LoggedChoices:
        width = self._shape.action_count
        if estimate:
            propensity = 1.0 / np.broadcast_to(counts(piece, width), len(piece["action"]))
        else:
            propensity = self._numbers(piece, "propensity")
        segment = None
        if self._segment in piece:
            found = np.searchsorted(self._shape.segments, piece[self._segment].astype(str))
            segment = found.astype(np.int32)
        return LoggedChoices(
            action=whole_numbers(piece["action"]),
            reward=self._numbers(piece, "reward"),
            propensity=propensity,
            action_count=width,
            candidates=candidates(piece, width),
            position=whole_numbers(piece["position"]) if "position" in piece else None,
            context=self._context(piece),
            item_features=self._table.item_features,
            cluster=hashes(piece["viewer"]) if "viewer" in piece else None,
            segment=segment,
            names=self._names,
            propensity_source="estimated" if estimate else "logged",
        )

    def _context(self, piece: Piece) -> Float32Array | None:
        if "context" in piece:
            return as_features(piece["context"])
        if not self._contexts:
            return None
        columns = np.empty((len(piece["action"]), len(self._contexts)), np.float32)
        for index, name in enumerate(self._contexts):
            columns[:, index] = piece[name]
        return columns

    def _numbers(self, piece: Piece, name: str) -> FloatArray:
        check_numbers(piece[name], name, str(self.path))
        return piece[name].astype(np.float64, copy=False)


class ParquetSource(TableSource):
    """Rounds in a Parquet file, or a directory of them."""

    def __init__(self, path: Path, reading: Reading) -> None:
        """Look the files over; see :class:`TableSource`."""
        table = ParquetFiles(path)
        super().__init__(path, reading, table)
        self._parts = table.parts()

    def parts(self) -> list[Part]:
        """Return the parts; see :class:`~simulator.datasets.source.PartedSource`."""
        return self._parts

    def choices_of_part(self, part: Part, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rows of a part; see :meth:`TableSource.choices`.

        Raises:
            PropensityError: propensities are missing, zero or above one; with count and rows.
        """
        self._check_propensities()
        pieces = self._table.pieces_of(part, batch, self._table.columns)
        yield from self._rounds(pieces, part.first, estimate=False)


class NpzSource(TableSource):
    """Rounds in a NumPy archive."""

    def __init__(self, path: Path, reading: Reading) -> None:
        """Look the archive over; see :class:`TableSource`."""
        super().__init__(path, reading, NpzFile(path))


def _check_items(path: Path, features: Float32Array | None) -> None:
    wrong = [] if features is None else np.flatnonzero(not_finite(features)).tolist()
    if wrong:
        raise LoggedDataError(
            "item_features",
            f"holds NaN or infinities in {counted(len(wrong), 'items')} of {path}",
            rows=wrong[:ROWS_TOLD],
            hint="fill in what is missing: items that all rounds share cannot be left out",
        )
