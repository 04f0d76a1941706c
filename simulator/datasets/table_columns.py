"""Columns of a plain table, as rounds have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bandit.types import Float32Array
from simulator.datasets.seen_ids import Hashes, number_hashes, text_hashes
from simulator.datasets.table_files import Piece
from simulator.logged import CodeArray


def as_features(numbers: npt.NDArray[Any]) -> Float32Array:
    """Return features; what float32 cannot hold becomes an infinity, which is told of as such."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32, copy=False)


def hashes(column: npt.NDArray[Any]) -> Hashes:
    """Return 64-bit hashes of texts, or numbers as they are."""
    if np.issubdtype(column.dtype, np.integer):
        return number_hashes(column)
    return text_hashes(column.astype(str))


def candidates(piece: Piece, width: int) -> CodeArray | None:
    """Return (n, width) candidates, padded with -1; None where all rounds have the same."""
    found = piece.get("candidates")
    if found is None:
        return None
    padded = np.full((len(found), width), -1, np.int32)
    padded[:, : found.shape[1]] = found
    return padded


def counts(piece: Piece, width: int) -> CodeArray | int:
    """Return how many actions each row has, or all have."""
    found = piece.get("candidates")
    return width if found is None else (found >= 0).sum(axis=1).astype(np.int32)
