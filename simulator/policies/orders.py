"""Orders of many pages at once: from scores to an order, and how likely an order was.

Shapes: m pages, R candidate rows, S places; scores of (m, R), -inf where a page has no row there,
are float32 or float64. An order is (m, S) of indices into the R rows, -1 past a page's last row.
The probability of a place is conditional on the rows above it, and 1 past the last row. These are
the rules of :mod:`bandit.ranking`, without pins, over batches.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from bandit.types import FloatArray
from simulator.pages import Codes

Scores = npt.NDArray[np.float32] | npt.NDArray[np.float64]

_SORTED_MAX: Final = 64
"""So many rows are sorted whole; of more the best are picked one by one, for a few places."""


def masked(scores: Scores, rows: Codes) -> Scores:
    """Return scores with -inf where a page has no row."""
    there = rows >= 0
    return scores if there.all() else np.where(there, scores, scores.dtype.type(-np.inf))


def best_order(scores: Scores, places: int) -> Codes:
    """Return each page's best rows from the top; of equals the first as asked.

    Where equals are alike, see :mod:`simulator.policies.ties`.
    """
    pages, rows = scores.shape
    if rows <= _SORTED_MAX:
        order = np.argsort(-scores, axis=1, kind="stable")[:, :places].astype(np.int32)
    else:
        order = _picked(scores, min(places, rows))
    order[np.take_along_axis(scores, order.astype(np.intp), axis=1) == -np.inf] = -1
    if order.shape[1] < places:
        short = np.full((pages, places - order.shape[1]), -1, np.int32)
        order = np.concatenate([order, short], axis=1)
    return order


def _picked(scores: Scores, places: int) -> Codes:
    left = scores.copy()
    every = np.arange(len(left))
    order = np.empty((len(left), places), np.int32)
    for place in range(places):
        best = left.argmax(axis=1)
        order[:, place] = np.where(left[every, best] > -np.inf, best, -1)
        left[every, best] = -np.inf
    return order


def evenly_in_turn(order: Codes, rows: Codes) -> FloatArray:
    """Return the probability of each place where every order is alike."""
    left = (rows >= 0).sum(axis=1)[:, None] - np.arange(order.shape[1])
    return np.where(order >= 0, 1.0 / np.maximum(left, 1), 1.0)


def softmax(logits: Scores) -> FloatArray:
    """Return probabilities in proportion to the exponentials of the last axis.

    0 for -inf, and throughout where nothing else is there.
    """
    weights = _exponentials(logits)
    total = weights.sum(axis=-1, keepdims=True)
    return np.asarray(weights / np.where(total > 0, total, 1.0))


def _exponentials(logits: Scores) -> FloatArray:
    """Return exponentials of the last axis, the greatest as 1."""
    top = logits.max(axis=-1, keepdims=True)
    found: FloatArray = np.exp((logits - np.where(np.isfinite(top), top, 0.0)).astype(np.float64))
    return found


def softmax_in_turn(logits: Scores, order: Codes) -> FloatArray:
    """Return the probability of each place under Plackett's (1975) and Luce's (1959) model."""
    placed = order >= 0
    index = np.maximum(order, 0).astype(np.intp)
    weights = _exponentials(logits)
    chosen = np.where(placed, np.take_along_axis(weights, index, axis=1), 0.0)
    _clear(weights, index, placed)
    # Summed from the bottom up: a total minus what was drawn would cancel to nothing.
    below = weights.sum(axis=1, keepdims=True) + chosen[:, ::-1].cumsum(axis=1)[:, ::-1]
    probability: FloatArray = np.ones(order.shape)
    np.divide(chosen, below, out=probability, where=placed & (below > 0))
    return probability


def mixed_in_turn(first: FloatArray, second: FloatArray, share: float) -> FloatArray:
    """Return the conditional probabilities of an order drawn whole from a mixture.

    ``first`` and ``second`` are those of the two parts, the second of which has ``share``. The
    probability of a top of the page is the mixture of both; each place's is the ratio of two.
    """
    tops = (1.0 - share) * first.cumprod(axis=1) + share * second.cumprod(axis=1)
    above = np.concatenate([np.ones((len(tops), 1)), tops[:, :-1]], axis=1)
    probability: FloatArray = np.zeros(tops.shape)
    np.divide(tops, above, out=probability, where=above > 0)
    return probability


def gumbel(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return standard Gumbel noise: the greatest of logits so disturbed is a softmax draw."""
    noise = rng.standard_exponential(shape, dtype=np.float32)
    return -np.log(np.maximum(noise, np.float32(1e-30)))


def _clear(weights: FloatArray, index: npt.NDArray[np.intp], placed: npt.NDArray[np.bool_]) -> None:
    pages, places = np.nonzero(placed)
    weights[pages, index[pages, places]] = 0.0
