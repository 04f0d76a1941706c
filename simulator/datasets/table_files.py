"""The files of plain tables, a piece at a time: Parquet through Arrow, NPZ through NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from zipfile import BadZipFile, is_zipfile

import numpy as np
import numpy.typing as npt

from bandit.outcome_files.arrow import arrow
from bandit.types import Float32Array
from simulator.datasets.faults import check_numbers
from simulator.errors import LoggedDataError
from simulator.wording import counted

Piece = Mapping[str, npt.NDArray[Any]]
"""Column by name, each with one entry a row; candidates are padded with -1."""

PART_ROWS: Final = 1_000_000
"""Rows of a part, where no single group of rows has more."""

_DOCUMENTED: Final = ("action", "reward", "propensity", "candidates", "action_count", "position",
                      "viewer", "segment", "decision")  # fmt: skip
_WHOLE: Final = ("context", "context_names", "item_features")
"""What else an archive may hold."""


class Groups(NamedTuple):
    """Some groups of rows of a file, which follow each other."""

    path: Path
    """Absolute, as others may read it."""
    groups: tuple[int, ...]
    """Empty where a file is always read as a whole."""


class Part(NamedTuple):
    """Rows that follow each other in the order of the files: what can be read by itself."""

    groups: tuple[Groups, ...]
    first: int
    """The number of its first row over all files, from 0."""
    rows: int


class ParquetFiles:
    """One Parquet file, or all below a directory, in the order of their paths."""

    item_features: Float32Array | None = None
    context_names: Sequence[str] = ()
    items = 0

    def __init__(self, path: Path) -> None:
        """Read the files' schemas.

        Raises:
            LoggedDataError: there is no file, or one is damaged or has other columns.
        """
        self._files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not self._files:
            raise LoggedDataError("files", f"{path} holds no Parquet", hint="give another path")
        found = [self._names(file) for file in self._files]
        for file, names in zip(self._files, found, strict=True):
            if names != found[0]:
                raise LoggedDataError(
                    "columns",
                    f"{file} has other columns than {self._files[0]}",
                    hint="keep tables of different columns in different directories",
                )
        self.columns = found[0]
        self._sizes = [_group_sizes(file) for file in self._files]
        self.rows = sum(map(sum, self._sizes))

    def parts(self) -> list[Part]:
        """Return all rows in parts of ``PART_ROWS``, about: small files are put together."""
        found: list[Part] = []
        groups: list[Groups] = []
        first = rows = 0
        for file, sizes in zip(self._files, self._sizes, strict=True):
            begun = 0
            for number, size in enumerate(sizes):
                rows += size
                if rows >= PART_ROWS:
                    groups.append(Groups(file.absolute(), tuple(range(begun, number + 1))))
                    found.append(Part(tuple(groups), first, rows))
                    groups, first, rows, begun = [], first + rows, 0, number + 1
            if begun < len(sizes):
                groups.append(Groups(file.absolute(), tuple(range(begun, len(sizes)))))
        if groups:
            found.append(Part(tuple(groups), first, rows))
        return found

    def pieces_of(self, part: Part, rows: int, columns: Sequence[str]) -> Iterator[Piece]:
        """Yield a part's rows in order, ``rows`` at a time or fewer.

        Raises:
            LoggedDataError: a file is damaged or cut short.
        """
        for path, groups in part.groups:
            yield from _pieces(path, rows, columns, groups)

    def pieces(self, rows: int, columns: Sequence[str]) -> Iterator[Piece]:
        """Yield the rows of all files in order, ``rows`` at a time or fewer.

        Raises:
            LoggedDataError: a file is damaged or cut short.
        """
        for file in self._files:
            yield from _pieces(file, rows, columns, None)

    def _names(self, file: Path) -> list[str]:
        with _damage_told(file), arrow("parquet").ParquetFile(file) as opened:
            names: list[str] = opened.schema_arrow.names
        return [one for one in names if one in _DOCUMENTED or one.startswith("context_")]


class NpzFile:
    """A NumPy archive; it is held in memory as a whole."""

    def __init__(self, path: Path) -> None:
        """Read the archive.

        Raises:
            LoggedDataError: it is damaged, or its columns differ in length.
        """
        arrays = _arrays(path)
        features = arrays.pop("item_features", None)
        if features is not None:
            check_numbers(features, "item_features", str(path))
        self.item_features = None if features is None else features.astype(np.float32)
        self.items = 0 if "candidates" in arrays or features is None else len(features)
        self.context_names: Sequence[str] = [str(one) for one in arrays.pop("context_names", ())]
        self.rows = rows = len(arrays["reward"]) if "reward" in arrays else 0
        count = arrays.get("action_count")
        if count is not None and count.ndim == 0:
            arrays["action_count"] = np.full(rows, count)
        for name, array in arrays.items():
            _check_shape(name, array, rows if "reward" in arrays else len(array))
        self._arrays = arrays
        self.columns = list(self._arrays)

    def parts(self) -> list[Part]:
        """Return all rows as one part: others would need the whole archive for theirs."""
        return [Part((), 0, self.rows)]

    def pieces_of(self, part: Part, rows: int, columns: Sequence[str]) -> Iterator[Piece]:
        """Yield the rows of the one part."""
        del part
        yield from self.pieces(rows, columns)

    def pieces(self, rows: int, columns: Sequence[str]) -> Iterator[Piece]:
        """Yield the rows in order, ``rows`` at a time or fewer."""
        for first in range(0, len(self._arrays["reward"]), rows):
            yield {name: self._arrays[name][first : first + rows] for name in columns}


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an archive that are known by name."""
    arrays = {}
    # Opened here: where an archive is damaged, NumPy leaves closing to the collector.
    with _damage_told(path), path.open("rb") as file:
        if not is_zipfile(file):
            raise BadZipFile("it is no archive as numpy.savez writes it")
        file.seek(0)
        archive = np.load(file, allow_pickle=False)
        for name in archive.files:
            if name in (*_DOCUMENTED, *_WHOLE) or name.startswith("context_"):
                arrays[name] = _array(path, name, archive)
    return arrays


def _array(path: Path, name: str, archive: Mapping[str, Any]) -> npt.NDArray[Any]:
    try:
        return np.asarray(archive[name])
    except ValueError as error:
        # NumPy's advice for these is to unpickle them, which would run whatever they hold.
        if "Object arrays" not in str(error):
            raise
        raise LoggedDataError(
            name,
            f"is an array of Python objects in {path}",
            hint="write it as an array of numbers, or of text: names.astype(str)",
        ) from error


def _check_shape(name: str, array: npt.NDArray[Any], rows: int) -> None:
    dimensions = 2 if name in ("candidates", "context") else 1
    if array.ndim != dimensions:
        raise LoggedDataError(
            name,
            f"has the shape {array.shape}",
            hint=f"give an array of {dimensions} dimension{'s' * (dimensions > 1)}, one entry a "
            "round",
        )
    if len(array) != rows:
        raise LoggedDataError(
            name,
            f"has {counted(len(array), 'rows')}, the rewards have {rows:,}",
            hint="give every column one entry a round",
        )


def _group_sizes(file: Path) -> list[int]:
    with _damage_told(file), arrow("parquet").ParquetFile(file) as opened:
        found = opened.metadata
        return [int(found.row_group(number).num_rows) for number in range(found.num_row_groups)]


def _pieces(
    file: Path, rows: int, columns: Sequence[str], groups: Sequence[int] | None
) -> Iterator[Piece]:
    with _damage_told(file), arrow("parquet").ParquetFile(file, pre_buffer=False) as opened:
        for batch in opened.iter_batches(
            rows, row_groups=groups, columns=list(columns), use_threads=False
        ):
            yield {name: _column(name, batch.column(name)) for name in columns}


def _column(name: str, column: Any) -> npt.NDArray[Any]:
    pa = arrow()
    if name != "candidates":
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        values: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        raise LoggedDataError(name, f"holds {column.type}, not lists", hint="give lists of items")
    lengths = column.value_lengths().fill_null(0).to_numpy()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    padded = np.full((len(lengths), int(lengths.max(initial=0))), -1, np.int32)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = flat
    return padded


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, BadZipFile, arrow().ArrowException) as error:
        raise LoggedDataError(
            "file",
            f"{path} cannot be read: {error}",
            hint="the file is damaged or cut short, or not what its name says; copy it again",
        ) from error
