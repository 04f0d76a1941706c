"""Which places of a page a viewer looks at: so many rows from the top, so far along each.

The first row is seen with one chance, each further row with another if the row above it was;
along a row each next place is seen with a third. These depths are drawn before anything is known
of what is shown, so a place's chance of being seen is the product of its row's and its column's.
(Rows and columns of a page as two cascades; in a row alone this is the dependent click model's
continuation, Guo, Liu and Wang, 2009, with one chance for all places.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bandit.types import FloatArray
from simulator.pages import Codes

SEES_FIRST_ROW: Final = 0.98
SEES_NEXT_ROW: Final = 0.88
SEES_NEXT_COLUMN: Final = 0.93


@dataclass(frozen=True, slots=True)
class Examination:
    """How far viewers look on pages of so many positions and columns."""

    positions: int
    columns: int
    first_row: float = SEES_FIRST_ROW
    next_row: float = SEES_NEXT_ROW
    next_column: float = SEES_NEXT_COLUMN

    def row_attention(self) -> FloatArray:
        """Return (positions,): the chance that a viewer gets to a row's position."""
        return np.asarray(self.first_row * self.next_row ** np.arange(self.positions))

    def column_attention(self) -> FloatArray:
        """Return (columns,): the chance of seeing a place along a row that is seen."""
        return np.asarray(self.next_column ** np.arange(self.columns))

    def depths(self, count: int, random: np.random.Generator) -> Codes:
        """Draw (count, positions): how many columns of each row are looked at, 0 past the last."""
        luck = random.random((count, self.positions + 1), dtype=np.float32)
        rows = _passed(luck[:, 0], self.row_attention())
        depths = _passed(luck[:, 1:], self.column_attention())
        depths[np.arange(self.positions) >= rows[:, None]] = 0
        return depths


def _passed(luck: np.ndarray[tuple[int, ...], np.dtype[np.float32]], chances: FloatArray) -> Codes:
    """Return how many of the falling chances each uniform lies below."""
    rising = chances[::-1].astype(np.float32)
    at = np.searchsorted(rising, luck.ravel(), side="right")
    return (len(chances) - at).astype(np.int32).reshape(luck.shape)
