"""Batches of rounds put together into one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from bandit.events import DecisionRecord
from simulator.datasets.packed_records import PackedRecords
from simulator.errors import LoggedDataError
from simulator.logged import DecisionOrigin, LoggedChoices, LoggedRankings

_Logged = TypeVar("_Logged", LoggedChoices, LoggedRankings)

_BY_ROUND = ("candidates", "position", "context", "cluster", "segment", "marginal", "seen")
"""Columns that every batch has, or none."""


def concatenate(parts: Iterable[LoggedChoices]) -> LoggedChoices:
    """Put batches of one source together; a single one is returned as it is.

    Items, features and names are those of the first batch.

    Raises:
        LoggedDataError: there is no batch, or their columns differ.
    """
    batches = _given(list(parts))
    if len(batches) == 1:
        return batches[0]
    widest = max(batch.action_count for batch in batches)
    mixed = len({batch.action_count for batch in batches if batch.candidates is None}) > 1
    if mixed or len({batch.candidates is None for batch in batches}) > 1:
        batches = [_with_candidates(batch, widest) for batch in batches]
    columns = _joined_columns(batches, ("action", "reward", "propensity"))
    estimated = any(batch.propensity_source == "estimated" for batch in batches)
    return replace(
        batches[0],
        **columns,
        action_count=widest,
        origin=_joined_origin(batches),
        propensity_source="estimated" if estimated else "logged",
    )


def concatenate_rankings(parts: Iterable[LoggedRankings]) -> LoggedRankings:
    """Put batches of one source together; a single one is returned as it is.

    Shorter pages are padded to the longest. Items, features and names are those of the first.

    Raises:
        LoggedDataError: there is no batch, or their columns differ.
    """
    batches = _given(list(parts))
    if len(batches) == 1:
        return batches[0]
    columns = _joined_columns(batches, ("items", "reward", "propensity"))
    most = max(batch.item_count for batch in batches)
    return replace(batches[0], **columns, item_count=most, origin=_joined_origin(batches))


def _given(batches: list[_Logged]) -> list[_Logged]:
    if not batches:
        raise LoggedDataError(
            "rounds",
            "there are none",
            hint="check that the log holds decisions with feedback, and that chance had a part in "
            "them; --keep-certain keeps those that were decided without",
        )
    return batches


def _with_candidates(batch: LoggedChoices, width: int) -> LoggedChoices:
    if batch.candidates is not None:
        return batch
    row = np.full(width, -1, np.int32)
    row[: batch.action_count] = np.arange(batch.action_count, dtype=np.int32)
    return replace(batch, candidates=np.tile(row, (len(batch), 1)))


def _joined_columns(batches: Sequence[Any], always: Sequence[str]) -> dict[str, Any]:
    present = {field.name for field in fields(batches[0])}
    joined = {}
    for name in (*always, *(name for name in _BY_ROUND if name in present)):
        columns = [getattr(batch, name) for batch in batches]
        if all(column is None for column in columns):
            continue
        if any(column is None for column in columns):
            raise LoggedDataError(
                name,
                f"is missing in {sum(column is None for column in columns)} of "
                f"{len(columns)} batches",
                hint="concatenate batches of one source",
            )
        joined[name] = np.concatenate(_padded(name, columns))
    return joined


def _padded(name: str, columns: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """Return columns of one width; what is past a round's end is filled as the type says."""
    if columns[0].ndim == 1:
        return list(columns)
    width = max(column.shape[1] for column in columns)
    if name == "context" and any(column.shape[1] != width for column in columns):
        raise LoggedDataError(
            name, "has another number of columns in some batch", hint="read one source at a time"
        )
    filler = {"propensity": 1, "marginal": 1, "reward": 0, "seen": False}.get(name, -1)
    return [
        np.pad(column, ((0, 0), (0, width - column.shape[1])), constant_values=filler)
        for column in columns
    ]


def _joined_origin(batches: Sequence[LoggedChoices | LoggedRankings]) -> DecisionOrigin | None:
    origins = [batch.origin for batch in batches if batch.origin is not None]
    if len(origins) < len(batches):
        return None
    # Batches cut out of one share its records, and go on sharing them.
    first_of: dict[int, int] = {}
    distinct: list[Sequence[DecisionRecord]] = []
    count = 0
    for origin in origins:
        if id(origin.records) not in first_of:
            first_of[id(origin.records)] = count
            distinct.append(origin.records)
            count += len(origin.records)
    return DecisionOrigin(
        records=PackedRecords.join(distinct),
        record_of=np.concatenate(
            [origin.record_of + np.int32(first_of[id(origin.records)]) for origin in origins]
        ),
        title_of=np.concatenate([origin.title_of for origin in origins]),
        catalogs={name: one for origin in origins for name, one in (origin.catalogs or {}).items()},
    )
