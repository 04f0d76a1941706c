"""A document's items as numbers: strings one-hot, sets multi-hot, numbers as they are."""

from __future__ import annotations

import numpy as np

from bandit.catalog import CatalogDocument
from bandit.types import Features, Float32Array
from simulator.pages import Items


def items_of(document: CatalogDocument) -> Items:
    """Return what is known of a document's items: artworks with their titles' features, and rows.

    Columns are in alphabetical order of ``name=value``; an item without features has none.
    """
    counts = [len(title.artworks) for title in document.titles]
    artworks = [
        {
            **{f"title.{name}": value for name, value in title.features.items()},
            **{f"artwork.{name}": value for name, value in artwork.features.items()},
        }
        for title in document.titles
        for artwork in title.artworks
    ]
    return Items(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.intp),
        feature_table(artworks),
        feature_table([row.features for row in document.rows]),
    )


def feature_table(items: list[Features]) -> Float32Array:
    """Return (items, columns): features as numbers."""
    numbered = [_numbers(features) for features in items]
    columns = sorted({name for features in numbered for name in features})
    place = {name: index for index, name in enumerate(columns)}
    table = np.zeros((len(items), len(columns)), np.float32)
    for index, features in enumerate(numbered):
        for name, value in features.items():
            table[index, place[name]] = value
    return table


def _numbers(features: Features) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, value in features.items():
        if isinstance(value, str):
            numbers[f"{name}={value}"] = 1.0
        elif isinstance(value, list):
            for index, part in enumerate(value):
                if isinstance(part, str):
                    numbers[f"{name}={part}"] = 1.0
                else:
                    numbers[f"{name}[{index}]"] = float(part)
        else:
            numbers[name] = float(value)
    return numbers
