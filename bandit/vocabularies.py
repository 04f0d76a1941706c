"""Which features many things have, and how much they use each: names for a model's weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from bandit.features import tokens
from bandit.types import Features

FEATURES_MAX: Final = 20_000
"""Most features of a namespace that are kept, those used most: all others have no name."""


class Vocabulary(msgspec.Struct, frozen=True):
    """The features seen in one namespace."""

    tokens: list[str]
    """As :func:`bandit.features.tokens` writes them, used most first."""
    uses: list[float]
    """The mean size of each one's value over all things, those that lack it counted as 0."""


def gather(things: Iterable[Features], most: int = FEATURES_MAX) -> Vocabulary:
    """Collect the features of many things."""
    sums: dict[str, float] = {}
    count = 0
    for features in things:
        count += 1
        for name, value in features.items():
            for token, number in tokens(name, value):
                sums[token] = sums.get(token, 0.0) + abs(number)
    ordered = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:most]
    return Vocabulary([token for token, _ in ordered], [size / count for _, size in ordered])
