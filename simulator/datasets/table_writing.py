"""Writes rounds as the plain tables that :mod:`simulator.datasets.tables` reads.

What stands where is told there. Parquet has no place for the features of items, and neither format
for their names; decisions are not named. Parquet is written batch by batch in bounded memory; an
NPZ archive is put together in memory first, as it is when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bandit.outcome_files.arrow import arrow
from simulator.datasets.joining import concatenate
from simulator.datasets.whole_files import whole_file
from simulator.logged import CodeArray, LoggedChoices


def write_parquet(path: Path, batches: Iterable[LoggedChoices]) -> int:
    """Write rounds, one row each and one row group a batch, and return how many.

    Raises:
        OSError: the file cannot be written.
        LoggedDataError: the batches cannot be read to their end.
    """
    count = 0
    writer: Any = None
    with whole_file(path) as unfinished, ExitStack() as opened:
        for logged in batches:
            table = arrow().table(_parquet_columns(logged))
            if writer is None:
                made = arrow("parquet").ParquetWriter(unfinished, table.schema, compression="zstd")
                writer = opened.enter_context(made)
            writer.write_table(table)
            count += len(logged)
    return count


def write_npz(path: Path, batches: Iterable[LoggedChoices]) -> int:
    """Write rounds as one archive, and return how many.

    Raises:
        OSError: the file cannot be written.
        LoggedDataError: there is no round, or the batches cannot be read to their end.
    """
    logged = concatenate(batches)
    columns: dict[str, Any] = _columns(logged) | {
        "candidates": logged.candidates,
        "context": logged.context,
        "item_features": logged.item_features,
    }
    if logged.candidates is None:
        columns["action_count"] = np.array(logged.action_count)
    if logged.context is not None and logged.names.contexts:
        columns["context_names"] = np.array(list(logged.names.contexts), np.str_)
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(
            file, **{name: column for name, column in columns.items() if column is not None}
        )
    return len(logged)


def _columns(logged: LoggedChoices) -> dict[str, npt.NDArray[Any] | None]:
    """Return the columns that both formats have alike."""
    segment: npt.NDArray[Any] | None = logged.segment
    if logged.segment is not None and logged.names.segments:
        segment = np.array(list(logged.names.segments), np.str_)[logged.segment]
    return {
        "action": logged.action,
        "reward": logged.reward,
        "propensity": logged.propensity,
        "position": logged.position,
        "viewer": logged.cluster,
        "segment": segment,
    }


def _parquet_columns(logged: LoggedChoices) -> dict[str, Any]:
    columns: dict[str, Any] = dict(_columns(logged))
    if logged.candidates is None:
        columns["action_count"] = np.full(len(logged), logged.action_count, np.int32)
    else:
        columns["candidates"] = _lists(logged.candidates)
    if logged.context is not None:
        names = logged.names.contexts or range(logged.context.shape[1])
        columns |= {f"context_{name}": logged.context[:, one] for one, name in enumerate(names)}
    return {name: column for name, column in columns.items() if column is not None}


def _lists(candidates: CodeArray) -> Any:
    """Return padded sets as lists of different length."""
    offered = candidates >= 0
    ends = np.concatenate(([0], np.cumsum(offered.sum(axis=1)))).astype(np.int32)
    return arrow().ListArray.from_arrays(ends, candidates[offered])
