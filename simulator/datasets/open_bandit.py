"""The Open Bandit Dataset (Saito, Aihara, Matsutani and Narita, 2021) as its CSV files.

A directory holds one campaign under one logging policy: ``item_context.csv`` and the log beside it,
``men.csv`` say. One row is one position of a display of three; which rows made one display is not
told, so that there are no rankings to be had. Positions are counted from 1 in the files, from 0
here. The context holds the four user features as categories and the user's past clicks by item.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bandit.outcome_files.arrow import arrow
from bandit.types import BoolArray, Float32Array
from simulator.datasets.faults import (
    Fault,
    Faults,
    check_some_left,
    choice_faults,
    features_fault,
    whole_numbers,
)
from simulator.datasets.source import BATCH_ROUNDS, Kind, Reading, with_placeholders
from simulator.datasets.vocabulary import Columns, Vocabulary
from simulator.errors import LoggedDataError
from simulator.logged import CodeArray, LoggedChoices, LoggedRankings, Names, not_finite

ITEMS_FILE: Final = "item_context.csv"
USER_FEATURES: Final = ("user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3")
_BLOCK_BYTES: Final = 8_000_000
_AFFINITY_OF: Final = "user-item_"
_NUMBERS: Final = ("item_id", "position", "click", "propensity_score")

_NO_POSITION: Final = Fault(
    "position", "is not a whole number from 1", "positions are counted from 1 in these files"
)


def log_file(directory: Path) -> Path | None:
    """Return the log in a campaign's directory, None if it is no such directory."""
    if not (directory / ITEMS_FILE).is_file():
        return None
    logs = sorted(path for path in directory.glob("*.csv") if path.name != ITEMS_FILE)
    return logs[0] if len(logs) == 1 else None


class OpenBanditSource:
    """One campaign under one logging policy."""

    kind: Kind = "choices"
    has_propensities = True

    def __init__(self, path: Path, reading: Reading) -> None:
        """Look the campaign's files over; ``path`` is its directory or its log.

        Raises:
            LoggedDataError: a file is missing, is not what it should be, or a row is wrong.
        """
        directory = path if path.is_dir() else path.parent
        self.path = _located(path)
        self.name = reading.name or "/".join(directory.parts[-2:])
        self._skip_bad = reading.skip_bad
        self._segment = _user_feature(reading.segment)
        self._items, self._item_features, feature_names = _read_items(directory / ITEMS_FILE)
        look = _Look(self._items, self._segment)
        with reading.watch.task(f"looking over {self.name}", None, "rows") as advance:
            for table in self._tables():
                look.take(table)
                advance(table.num_rows)
        if not reading.skip_bad:
            look.faults.refuse(str(self.path))
        check_some_left(look.faults.rows, look.faults.bad, str(self.path), look.faults.notes())
        self.skipped = look.faults.bad
        self.rounds_max = look.faults.rows
        self._users = look.users.columns()
        self._segments = sorted(look.segments)
        self._names = Names(
            items=[str(item) for item in range(self._items)],
            contexts=[
                *self._users.names,
                *(name.removeprefix(_AFFINITY_OF) for name in _affinities(self._items)),
            ],
            features=feature_names,
            segments=self._segments,
        )
        self.notes = [
            "rows are single positions whose displays cannot be linked again: no rankings",
            f"segments are {self._segment}",
            *look.faults.notes(),
        ]

    def choices(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rows that are good; see :class:`~simulator.datasets.source.Source`."""
        waiting: list[Any] = []
        count = 0
        for table in self._tables():
            waiting.append(table)
            count += table.num_rows
            if count >= batch:
                joined = arrow().concat_tables(waiting).combine_chunks()
                for first in range(0, count - batch + 1, batch):
                    yield self._rounds(joined.slice(first, batch))
                rest = count % batch
                waiting, count = [joined.slice(count - rest)], rest
        if count:
            yield self._rounds(arrow().concat_tables(waiting).combine_chunks())

    def choices_to_estimate(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedChoices]:
        """Yield the rows with placeholders in place of what was logged."""
        yield from map(with_placeholders, self.choices(batch))

    def rankings(self, batch: int = BATCH_ROUNDS) -> Iterator[LoggedRankings]:
        """Refuse: a row is one position of a display, and displays cannot be linked again."""
        raise LoggedDataError(
            "rankings",
            "each row of the Open Bandit Dataset is a single position, and nothing tells which "
            "rows made one display",
            hint="evaluate single choices on it; for rankings use a log that keeps whole pages",
        )

    def _rounds(self, table: Any) -> LoggedChoices:
        columns = _numbers(table)
        good = np.ones(table.num_rows, np.bool_)
        if self._skip_bad:
            for mask in _wrong(table, self._items).values():
                good &= ~mask
        users, segment = self._user_columns(table)
        affinity = np.column_stack(
            [_float32(table.column(name)) for name in _affinities(self._items)]
        )
        return LoggedChoices(
            action=whole_numbers(columns["item_id"])[good],
            reward=columns["click"][good],
            propensity=columns["propensity_score"][good],
            action_count=self._items,
            position=whole_numbers(columns["position"] - 1)[good],
            context=np.hstack([users, affinity])[good],
            item_features=self._item_features,
            segment=segment[good],
            names=self._names,
        )

    def _user_columns(self, table: Any) -> tuple[Float32Array, CodeArray]:
        encoded = np.zeros((table.num_rows, len(self._users.names)), np.float32)
        segment = np.zeros(table.num_rows, np.int32)
        for name in USER_FEATURES:
            column = table.column(name).combine_chunks().dictionary_encode()
            values, indices = column.dictionary.to_pylist(), column.indices.to_numpy()
            encoded += self._users.encode([{f"{name}={value}": 1.0} for value in values])[indices]
            if name == self._segment:
                codes = np.searchsorted(self._segments, values)
                segment = codes[indices].astype(np.int32)
        return encoded, segment

    def _tables(self) -> Iterator[Any]:
        """Yield the log in pieces, the columns that are needed, in order."""
        csv, pa = arrow("csv"), arrow()
        types = dict.fromkeys((*_NUMBERS, *_affinities(self._items)), pa.float64())
        types |= dict.fromkeys(USER_FEATURES, pa.string())
        with (
            _csv_faults(self.path),
            csv.open_csv(
                self.path,
                read_options=csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
                convert_options=csv.ConvertOptions(include_columns=list(types), column_types=types),
            ) as reader,
        ):
            for piece in reader:
                yield pa.Table.from_batches([piece])


class _Look:
    """Gathers what the pieces of a log say."""

    def __init__(self, items: int, segment: str) -> None:
        self._items = items
        self._segment = segment
        self.faults = Faults()
        self.users = Vocabulary()
        self.segments: set[str] = set()

    def take(self, table: Any) -> None:
        """Look at the next rows."""
        self.faults.take(table.num_rows, _wrong(table, self._items))
        for name in USER_FEATURES:
            for value, times in zip(*_value_counts(table.column(name)), strict=True):
                self.users.add([f"{name}={value}"], times)
                if name == self._segment:
                    self.segments.add(value)


def _located(path: Path) -> Path:
    """Return the log at ``path``, a file or a campaign's directory."""
    if path.is_dir():
        found = log_file(path)
        if found is not None:
            return found
        told = f"{path} does not hold {ITEMS_FILE} and one log beside it"
    else:
        if (path.parent / ITEMS_FILE).is_file():
            return path
        told = f"{path} is no log of the Open Bandit Dataset: there is no {ITEMS_FILE} beside it"
    raise LoggedDataError(
        "files",
        told,
        hint="give the directory of one campaign, such as obd/random/men; other tables are read "
        "as Parquet or NPZ with named columns",
    )


def _user_feature(segment: str | None) -> str:
    if segment is not None and segment not in USER_FEATURES:
        raise LoggedDataError(
            segment, "is no user feature", hint=f"choose of {', '.join(USER_FEATURES)}"
        )
    return segment or USER_FEATURES[0]


def _affinities(items: int) -> list[str]:
    """Return the columns of a user's past clicks, by item."""
    return [f"{_AFFINITY_OF}affinity_{item}" for item in range(items)]


def _wrong(table: Any, items: int) -> dict[Fault, BoolArray]:
    """Tell which rows are wrong."""
    columns = _numbers(table)
    position = columns["position"]
    wrong = choice_faults(columns["item_id"], columns["click"], columns["propensity_score"], items)
    wrong[_NO_POSITION] = ~((position >= 1) & (position == np.floor(position)))
    for name in _affinities(items):
        wrong[features_fault(name)] = not_finite(_float32(table.column(name)))
    return wrong


def _read_items(path: Path) -> tuple[int, Float32Array, tuple[str, ...]]:
    """Return how many items there are, and their features with names."""
    with _csv_faults(path):
        table = arrow("csv").read_csv(path)
    columns = [name for name in table.column_names if name.startswith("item_feature")]
    ids = table.column("item_id").to_pylist() if "item_id" in table.column_names else []
    if sorted(ids) != list(range(len(ids))) or not ids:
        raise LoggedDataError(
            "item_id", f"{path} does not number its items from 0", hint="give the file as published"
        )
    things: list[dict[str, float]] = [{} for _ in ids]
    for name in columns:
        for item, value in zip(ids, table.column(name).to_pylist(), strict=True):
            if isinstance(value, str):
                things[item][f"{name}={value}"] = 1.0
            else:
                things[item][name] = _finite(value, path, name)
    vocabulary = Vocabulary()
    for thing in things:
        vocabulary.add(thing)
    encoder: Columns = vocabulary.columns()
    return len(ids), encoder.encode(things), encoder.names


def _finite(value: float | None, path: Path, name: str) -> float:
    if value is None or not math.isfinite(value):
        raise LoggedDataError(
            name,
            f"{path} holds something that is no finite number",
            hint="give the file as published",
        )
    return float(value)


def _float32(column: Any) -> Float32Array:
    # What float32 cannot hold becomes an infinity, which is told of as such.
    with np.errstate(over="ignore"):
        return np.asarray(column.to_numpy(), np.float32)


def _numbers(table: Any) -> dict[str, npt.NDArray[np.float64]]:
    return {name: table.column(name).to_numpy().astype(np.float64, copy=False) for name in _NUMBERS}


def _value_counts(column: Any) -> tuple[list[str], list[int]]:
    counted = column.value_counts()
    return counted.field("values").to_pylist(), counted.field("counts").to_pylist()


@contextmanager
def _csv_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except (arrow().ArrowInvalid, arrow().ArrowKeyError, KeyError) as error:
        raise LoggedDataError(
            "file",
            f"{path} is not a file of the Open Bandit Dataset: {error}",
            hint="compare it with the published one; it may be cut short",
        ) from error
