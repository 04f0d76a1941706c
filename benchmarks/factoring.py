"""Three ways to score a page's artworks from hashed weights, and what each costs beside.

*Direct*: every cross of a context feature with an artwork's or title's feature is hashed and its
weight gathered. *Columns*: for each context feature a column over all artworks of the catalog holds
its partial sum, made anew for every snapshot and catalog; a page gathers and weighs twenty of them.
*Vocabulary*, which is served: each distinct feature of the catalog gets its sum over the context
once a page, and an artwork gathers the sums of its features; nothing is kept.

The three are written here as plainly as each allows, one thread, and give the same scores.
"""

from __future__ import annotations

import time
from typing import Final, NamedTuple

import numpy as np

from bandit.catalog import Catalog
from bandit.config.schema import Config
from bandit.features import CONTEXT, CROSS_PRIME, Encoded, FeatureMatrix, encode
from bandit.types import Float32Array, HashArray, IndexArray, Page
from benchmarks.big_catalogs import big_catalog
from benchmarks.figures import Board
from benchmarks.in_process import models_of
from benchmarks.pages import CONTEXT_FEATURES, pages_of
from benchmarks.turns import Middle, take_turns, timed

CATALOGS: Final = {"20k": 20_000, "1m": 1_000_000}
COLUMNS_IN_USE: Final = 10 * 12 + 10
"""Distinct context features of the standard pages: ten categories of twelve values, ten numbers."""
WORK: Final = "scores of 240 × 8 artworks, context × artwork and context × title crossed"


class Items(NamedTuple):
    """A catalog's features, as each of the three wants them."""

    artworks: FeatureMatrix
    titles: FeatureMatrix
    title_of: IndexArray
    """Shape (M,)."""
    identity: HashArray
    """Shape (M,)."""
    vocabulary: HashArray
    """Shape (V,): distinct features of artworks and titles."""
    artwork_places: IndexArray
    """Shape (M, F): places in the vocabulary."""
    title_places: IndexArray
    """Shape (T, F)."""

    @classmethod
    def of(cls, catalog: Catalog) -> Items:
        """Lay out a catalog."""
        offsets = catalog.artwork_offsets
        titles, count = len(offsets) - 1, int(offsets[-1])
        artworks = _contiguous(catalog.artwork_features.take(np.arange(count)))
        of_titles = _contiguous(catalog.title_features.take(np.arange(titles)))
        both = np.concatenate([artworks.hashes.ravel(), of_titles.hashes.ravel()])
        vocabulary, places = np.unique(both, return_inverse=True)
        split = artworks.hashes.size
        return cls(
            artworks,
            of_titles,
            np.repeat(np.arange(titles), np.diff(offsets)),
            catalog.artwork_hashes,
            vocabulary,
            places[:split].reshape(artworks.hashes.shape),
            places[split:].reshape(of_titles.hashes.shape),
        )


def _contiguous(matrix: FeatureMatrix) -> FeatureMatrix:
    hashes, values = matrix
    return FeatureMatrix(np.ascontiguousarray(hashes), np.ascontiguousarray(values))


class Asked(NamedTuple):
    """A page, found in a catalog."""

    context: Encoded
    artworks: IndexArray
    """Shape (m,)."""

    @classmethod
    def of(cls, page: Page, catalog: Catalog) -> Asked:
        """Find a page's artworks."""
        titles = [catalog.title_index(str(name)) or 0 for row in page.rows for name in row.titles]
        ends = catalog.artwork_offsets
        artworks = np.concatenate([np.arange(ends[title], ends[title + 1]) for title in titles])
        return cls(encode(CONTEXT, page.context), artworks)


def directly(weights: Float32Array, items: Items, asked: Asked) -> Float32Array:
    """Score by hashing every cross."""
    titles = items.title_of[asked.artworks]
    mask = np.uint32(len(weights) - 1)
    score = uncrossed(weights, items, asked.artworks)
    score += asked.context.values @ weights.take(asked.context.hashes & mask)
    prefix = (asked.context.hashes * np.uint32(CROSS_PRIME))[:, None, None]
    for matrix, indices in ((items.artworks, asked.artworks), (items.titles, titles)):
        gathered = weights.take((prefix ^ matrix.hashes.take(indices, axis=0)) & mask, mode="clip")
        over_context = np.einsum("c,caf->af", asked.context.values, gathered)
        score += np.einsum("af,af->a", over_context, matrix.values.take(indices, axis=0))
    return score


class Columns(NamedTuple):
    """A snapshot's partial sums over all artworks of a catalog, each of shape (M,)."""

    uncrossed: Float32Array
    by_context: dict[int, Float32Array]
    """By the hash of a context feature: what one unit of it adds to every artwork's score."""


def column(weights: Float32Array, items: Items, hashed: int) -> Float32Array:
    """Return (M,) what one unit of a context feature adds to every artwork's score."""
    mask = np.uint32(len(weights) - 1)
    prefix = np.uint32(hashed * CROSS_PRIME & 0xFFFFFFFF)
    own, of_titles = (
        np.einsum("mf,mf->m", weights.take((prefix ^ matrix.hashes) & mask), matrix.values)
        for matrix in (items.artworks, items.titles)
    )
    return np.asarray(own + of_titles[items.title_of])


def from_columns(weights: Float32Array, columns: Columns, asked: Asked) -> Float32Array:
    """Score by columns that were made before."""
    hashes, values = asked.context
    score = columns.uncrossed.take(asked.artworks)
    score += values @ weights.take(hashes & np.uint32(len(weights) - 1))
    for hashed, value in zip(hashes.tolist(), values, strict=True):
        score += value * columns.by_context[hashed].take(asked.artworks)
    return score


def from_vocabulary(weights: Float32Array, items: Items, asked: Asked) -> Float32Array:
    """Score by sums over the context, one for each distinct feature of the catalog."""
    mask = np.uint32(len(weights) - 1)
    hashes, values = asked.context
    prefix = (hashes * np.uint32(CROSS_PRIME))[:, None]
    sums = values @ weights.take((prefix ^ items.vocabulary) & mask, mode="clip")
    sums += weights.take(items.vocabulary & mask, mode="clip")
    score = weights.take(items.identity.take(asked.artworks) & mask, mode="clip")
    score += values @ weights.take(hashes & mask)
    for places, matrix, indices in (
        (items.artwork_places, items.artworks, asked.artworks),
        (items.title_places, items.titles, items.title_of.take(asked.artworks)),
    ):
        of_features = sums.take(places.take(indices, axis=0), mode="clip")
        score += np.einsum("af,af->a", of_features, matrix.values.take(indices, axis=0))
    return score


def uncrossed(weights: Float32Array, items: Items, artworks: IndexArray) -> Float32Array:
    """Return (m,) the terms of artworks that are not crossed, but for the context's own."""
    mask = np.uint32(len(weights) - 1)
    score = weights.take(items.identity[artworks] & mask)
    for matrix, indices in ((items.artworks, artworks), (items.titles, items.title_of[artworks])):
        gathered = weights.take(matrix.hashes[indices] & mask)
        score += np.einsum("af,af->a", gathered, matrix.values[indices])
    return score


def measure_factoring(board: Board, *, quick: bool) -> None:
    """Measure the three on two sizes of catalog."""
    weights = models_of(Config())["artwork"].arrays.weights
    for label, artworks in CATALOGS.items():
        catalog = big_catalog(artworks, board.say)
        add_ways(board, label, catalog, weights, rounds=3 if quick else 30, pages=2 if quick else 4)


def add_ways(
    board: Board, label: str, catalog: Catalog, weights: Float32Array, *, rounds: int, pages: int
) -> None:
    """Measure the three on one catalog."""
    items = Items.of(catalog)
    asked = [Asked.of(page, catalog) for page in pages_of(catalog.title_ids, pages)]
    wanted = sorted({hashed for page in asked for hashed in page.context.hashes.tolist()})
    began = time.perf_counter()
    by_context = {hashed: column(weights, items, hashed) for hashed in wanted}
    a_column_s = (time.perf_counter() - began) / len(wanted)
    everything = np.arange(len(items.identity))
    columns = Columns(uncrossed(weights, items, everything), by_context)
    ways = {
        "direct": lambda number: directly(weights, items, asked[number % pages]),
        "columns": lambda number: from_columns(weights, columns, asked[number % pages]),
        "vocabulary": lambda number: from_vocabulary(weights, items, asked[number % pages]),
    }
    seconds = take_turns({name: timed(way) for name, way in ways.items()}, rounds)
    size = f"a catalog of {len(items.identity):,} artworks"
    for name in ways:
        middle = Middle.of(seconds[name] * 1e3)
        work = f"{WORK}, {name}: {size}; {rounds} rounds"
        board.add(f"factoring_{name}_{label}_ms", middle.value, "ms", work, spread=middle.spread)
    in_use = f"of {COLUMNS_IN_USE} columns, those that the standard contexts need, {size}"
    cold = f"of a page none of whose {CONTEXT_FEATURES} columns are there, {size}"
    board.add(f"factoring_columns_{label}_cold_ms", a_column_s * CONTEXT_FEATURES * 1e3, "ms", cold)
    board.add(
        f"factoring_columns_{label}_swap_s",
        a_column_s * COLUMNS_IN_USE,
        "s",
        f"to make them for a new snapshot: {in_use}; the other ways have nothing to make",
    )
    board.add(
        f"factoring_columns_{label}_mb",
        COLUMNS_IN_USE * len(items.identity) * 4 / 2**20,
        "MB",
        f"a snapshot, in 32 bits: {in_use}; the other ways keep nothing",
    )
