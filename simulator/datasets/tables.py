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

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from bandit.types import BoolArray, Float32Array, FloatArray
from simulator.datasets.faults import (
    BEYOND,
    NO_PROPENSITY,
    NO_PROPENSITY_HINT,
    OUTSIDE,
    REPEATED,
    Fault,
    Faults,
    actions_told_max,
    check_numbers,
    check_some_left,
    choice_faults,
    features_fault,
    whole_numbers,
)
from simulator.datasets.seen_ids import SeenIds, number_hashes, text_hashes
from simulator.datasets.source import BATCH_ROUNDS, Kind, Reading
from simulator.datasets.table_files import NpzFile, ParquetFiles, Piece
from simulator.errors import LoggedDataError, PropensityError
from simulator.logged import (
    ROWS_TOLD,
    CodeArray,
    LoggedChoices,
    LoggedRankings,
    Names,
    not_finite,
)
from simulator.wording import counted

_LOOKED_AT: Final = ("action", "reward", "propensity", "candidates", "action_count", "decision")
"""Columns of the first look, beside the segment's and the context's."""
_TELLS_ACTIONS: Final = ("candidates", "action_count", "action")
"""Columns that tell how many actions there are, the surest first."""
_CONTEXT: Final = "context_"


class _Shape(NamedTuple):
    """What the first look learned."""

    action_count: int
    segments: list[str]
    dropped: BoolArray | None
    """Shape (rows,), where some are left out."""


class _Width(NamedTuple):
    """How many actions there are."""

    actions: int
    told_max: int | None
    """Where the greatest action tells: what no action may reach."""


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
        self._faults = Faults()
        self._unlawful = Faults()
        self._shape = self._look_over(reading)
        if not reading.skip_bad:
            self._faults.refuse(str(path))
        self.has_propensities = "propensity" in table.columns and (
            reading.skip_bad or not self._unlawful.bad
        )
        self.skipped = 0 if self._shape.dropped is None else int(self._shape.dropped.sum())
        self._names = Names(
            contexts=table.context_names
            or [name.removeprefix(_CONTEXT) for name in self._contexts],
            segments=self._shape.segments,
        )
        self.notes = [] if not self.skipped else [*self._faults.notes(), *self._unlawful.notes()]
        check_some_left(table.rows, self.skipped, str(path), self.notes)
        if "propensity" not in table.columns:
            self.notes.append("no propensities were logged: only estimates of them can be used")

    def choices(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rows; see :class:`~simulator.datasets.source.Source`.

        Raises:
            PropensityError: propensities are missing, zero or above one; with count and rows.
        """
        if "propensity" not in self._table.columns:
            raise PropensityError(
                "propensity", f"{self.path} has no such column", hint=NO_PROPENSITY_HINT
            )
        if not self.has_propensities:
            self._unlawful.refuse(str(self.path))
        yield from self._rounds(batch, estimate=False)

    def choices_to_estimate(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rows with placeholders for propensities, marked ``estimated``."""
        yield from self._rounds(batch, estimate=True)

    def rankings(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedRankings]:
        """Refuse: such a table holds single choices."""
        raise LoggedDataError(
            "rankings",
            "a plain table holds single choices",
            hint="give rankings as an export of our own log or as ccb dsjson",
        )

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

    def _look_over(self, reading: Reading) -> _Shape:
        ids = SeenIds() if "decision" in self._table.columns else None
        dropped: list[BoolArray] = []
        segments: set[Any] = set()
        looked_at = (*_LOOKED_AT, self._segment, "context", *self._contexts)
        wanted = [name for name in self._table.columns if name in looked_at]
        width = self._width(reading)
        with reading.watch.task(f"looking over {self.name}", self._table.rows, "rows") as advance:
            for piece in self._table.pieces(BATCH_ROUNDS, wanted):
                repeated = ids.take_hashes(_hashes(piece["decision"])) if ids else None
                dropped.append(~self._lawful(piece, width, repeated))
                if self._segment in piece:
                    segments.update(np.unique(piece[self._segment].astype(str)).tolist())
                advance(len(piece["action"]))
        bad = np.concatenate(dropped) if dropped else np.zeros(0, np.bool_)
        return _Shape(
            width.actions, sorted(segments), bad if reading.skip_bad and bad.any() else None
        )

    def _width(self, reading: Reading) -> _Width:
        """Return how many actions there are, as the column tells that tells it best."""
        telling = next(name for name in _TELLS_ACTIONS if name in self._table.columns)
        rows = self._table.rows
        items = self._table.items
        told_max = max(items, actions_told_max(rows)) if telling == "action" else None
        greatest = items - 1
        with reading.watch.task(f"finding the actions of {self.name}", rows, "rows") as advance:
            for piece in self._table.pieces(BATCH_ROUNDS, [telling]):
                check_numbers(piece[telling], telling, str(self.path))
                greatest = max(greatest, _greatest(piece, told_max))
                advance(len(piece[telling]))
        return _Width(greatest + 1, told_max)

    def _lawful(self, piece: Piece, width: _Width, repeated: BoolArray | None) -> BoolArray:
        """Count what is wrong in a piece, and return which rows are good."""
        action = self._numbers(piece, "action")
        reward = self._numbers(piece, "reward")
        propensity = self._numbers(piece, "propensity") if "propensity" in piece else None
        wrong: dict[Fault, BoolArray] = {}
        if width.told_max is not None:
            wrong[BEYOND] = np.asarray(action >= width.told_max)
        wrong |= choice_faults(action, reward, propensity, _counts(piece, width.actions))
        if width.told_max is not None:
            wrong[OUTSIDE] &= ~wrong[BEYOND]
        wrong |= self._features_faults(piece)
        unlawful = wrong.pop(NO_PROPENSITY, None)
        if repeated is not None:
            wrong[REPEATED] = repeated
        good = self._faults.take(len(action), wrong)
        if unlawful is not None:
            good &= self._unlawful.take(len(action), {NO_PROPENSITY: unlawful})
        return good

    def _features_faults(self, piece: Piece) -> dict[Fault, BoolArray]:
        columns = ["context"] if "context" in piece else self._contexts
        return {
            features_fault(name): not_finite(_as_features(self._numbers(piece, name)))
            for name in columns
        }

    def _rounds(self, batch: int, *, estimate: bool) -> Iterator[LoggedChoices]:
        first = 0
        for piece in self._table.pieces(batch, self._table.columns):
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
            propensity = 1.0 / np.broadcast_to(_counts(piece, width), len(piece["action"]))
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
            candidates=_candidates(piece, width),
            position=whole_numbers(piece["position"]) if "position" in piece else None,
            context=self._context(piece),
            item_features=self._table.item_features,
            cluster=_hashes(piece["viewer"]) if "viewer" in piece else None,
            segment=segment,
            names=self._names,
            propensity_source="estimated" if estimate else "logged",
        )

    def _context(self, piece: Piece) -> Float32Array | None:
        if "context" in piece:
            return _as_features(piece["context"])
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
        super().__init__(path, reading, ParquetFiles(path))


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


def _as_features(numbers: np.ndarray) -> Float32Array:
    # What float32 cannot hold becomes an infinity, which is told of as such.
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32, copy=False)


def _hashes(column: np.ndarray) -> Any:
    if np.issubdtype(column.dtype, np.integer):
        return number_hashes(column)
    return text_hashes(column.astype(str))


def _candidates(piece: Mapping[str, np.ndarray], width: int) -> CodeArray | None:
    found = piece.get("candidates")
    if found is None:
        return None
    padded = np.full((len(found), width), -1, np.int32)
    padded[:, : found.shape[1]] = found
    return padded


def _counts(piece: Piece, width: int) -> CodeArray | int:
    found = piece.get("candidates")
    return width if found is None else (found >= 0).sum(axis=1).astype(np.int32)


def _greatest(piece: Piece, told_max: int | None) -> int:
    """Return the last action that a piece tells of."""
    if "candidates" in piece:
        return int(piece["candidates"].shape[1]) - 1
    if "action_count" in piece:
        return int(whole_numbers(piece["action_count"]).max(initial=0)) - 1
    actions = whole_numbers(piece["action"])
    return int(actions.max(initial=0, where=actions < (told_max or 0)))
