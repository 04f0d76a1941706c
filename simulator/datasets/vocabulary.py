"""From named features to a dense matrix of at most 256 columns.

Columns are learned by looking at everything once: features become tokens as production's own
encoder makes them (a number is one token, a string one token for each value, lists several), and
the tokens that most things have become columns, in alphabetical order. So the columns depend on
the data alone, never on its order, and each has a name that a reader understands.

Why not hashing, which needs no first look: two features in one column cannot be told apart, not by
a model and not by whoever reads a report; and a source is looked through once anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from bandit.features import tokens
from bandit.types import Features, Float32Array

COLUMNS_MAX: Final = 256

Tokens = Mapping[str, float]


def tokens_of(features: Features, prefix: str = "") -> dict[str, float]:
    """Return the tokens of a thing's features; names begin with ``prefix``."""
    return {
        f"{prefix}{token}": value
        for name, feature in features.items()
        for token, value in tokens(name, feature)
    }


class Vocabulary:
    """Counts in how many things each token stands."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, tokens: Iterable[str], times: int = 1) -> None:
        """Count the distinct tokens of a thing, which may stand for several like it."""
        for token in tokens:
            self._counts[token] += times

    def columns(self, most: int = COLUMNS_MAX) -> Columns:
        """Return the columns: the tokens that most things have, in alphabetical order."""
        ranked = sorted(self._counts, key=lambda token: (-self._counts[token], token))
        return Columns(tuple(sorted(ranked[:most])), left_out=len(ranked[most:]))


class Columns:
    """Named columns, and how to fill them."""

    def __init__(self, names: Sequence[str], left_out: int = 0) -> None:
        self.names = tuple(names)
        self.left_out = left_out
        """How many tokens have no column."""
        self._index = {name: index for index, name in enumerate(self.names)}

    def encode(self, things: Sequence[Tokens]) -> Float32Array:
        """Return (n, d) float32: the values of each thing's tokens, 0 where it has none."""
        encoded = np.zeros((len(things), len(self.names)), np.float32)
        index = self._index
        for row, thing in enumerate(things):
            for token, value in thing.items():
                column = index.get(token)
                if column is not None:
                    encoded[row, column] = value
        return encoded

    def notes(self, what: str) -> list[str]:
        """Return what to say of tokens left out."""
        if not self.left_out:
            return []
        return [
            f"{self.left_out:,} rarer features of the {what} have no column: "
            f"{len(self.names)} columns are the most"
        ]
