"""The best of several, and of equals one at random: what is chosen, and how likely that was.

A batch is served before any of it is learned from. If of equals the first were taken, a whole batch
would show the same few items that nobody has seen yet, and a policy that learns by batches would
find out no more than these in each; so equals are alike, on every page anew, and a greedy policy
draws where it has no preference. Equal means equal to the last bit.

Shapes: m pages, R candidate rows, S places; scores of (m, R), or (1, R) where all pages have the
same, are -inf where there is no item. An order is (m, S) of indices into the R, -1 past a page's
last row; its probabilities are conditional on the rows above, and 1 past the last row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bandit.types import FloatArray, IndexArray
from simulator.pages import Codes
from simulator.policies.orders import Scores, best_order


class Chosen(NamedTuple):
    """What was drawn, and the probability of it."""

    choice: Codes
    probability: FloatArray


def draw_best(scores: Scores, rng: np.random.Generator) -> Chosen:
    """Choose the best of the last axis of scores; shapes are those of the others."""
    width = scores.shape[-1]
    chosen = scores.argmax(axis=-1).ravel()
    flat = scores.reshape(-1, width)
    best = np.take_along_axis(flat, chosen[:, None], axis=1)
    # Sets are short and ties are rare: counting along so short an axis would take longest.
    level = np.flatnonzero(flat == np.where(np.isfinite(best), best, np.inf)) // width
    again = level[1:][level[1:] == level[:-1]]
    tied = again[np.diff(again, prepend=-1) > 0]
    probability = np.ones(len(flat))
    if len(tied):
        among = flat[tied] == best[tied]
        equals = among.sum(axis=1)
        turn = (rng.random(len(tied)) * equals).astype(np.intp)
        chosen[tied] = (among.cumsum(axis=1) > turn[:, None]).argmax(axis=1)
        probability[tied] = 1.0 / equals
    shape = scores.shape[:-1]
    return Chosen(chosen.astype(np.int32).reshape(shape), probability.reshape(shape))


def best_pmf(scores: Scores) -> FloatArray:
    """Return the probability of each of the last axis to be chosen: all on the best, evenly."""
    level = (scores == scores.max(axis=-1, keepdims=True)) & (scores > -np.inf)
    return np.asarray(level / np.maximum(level.sum(axis=-1, keepdims=True), 1))


def draw_best_order(scores: Scores, places: int, pages: int, rng: np.random.Generator) -> Chosen:
    """Put the best first, on each of so many pages."""
    order = best_order(scores, places)
    found = _scores_of(scores, order)
    last = np.where(order[:, -1] >= 0, found[:, -1], np.inf)[:, None]
    at_last = found == last
    below = np.count_nonzero(scores == last, axis=1)[:, None] - at_last.sum(axis=1, keepdims=True)
    equals = np.where(at_last, below, 0)
    for place in range(places):
        equals[:, place] += (found[:, place:] == found[:, place, None]).sum(axis=1)
    probability = np.where(order >= 0, 1.0 / np.maximum(equals, 1), 1.0)
    tied = np.flatnonzero((probability < 1.0).any(axis=1))
    if len(scores) == 1:
        order, probability, found, at_last = (
            np.repeat(one, pages, axis=0) for one in (order, probability, found, at_last)
        )
        tied = np.arange(pages) if len(tied) else tied
    if len(tied):
        if below.any():
            part = scores if len(scores) == 1 else scores[tied]
            level = part == (last if len(scores) == 1 else last[tied])
            order[tied] = _with_others(order[tied], at_last[tied], level, rng)
        turn = np.lexsort((rng.random((len(tied), places)), -found[tied]), axis=-1)
        order[tied] = np.take_along_axis(order[tied], turn, axis=1)
    return Chosen(order, probability)


def _with_others(order: Codes, at_last: Codes, level: Codes, rng: np.random.Generator) -> Codes:
    """Fill the last places, whose rows have equals further below, with any of these.

    Args:
        order: (m, S).
        at_last: (m, S), which places hold the last score.
        level: (m, R) or (1, R), which rows have it.
        rng: draws.
    """
    columns = np.flatnonzero(level.any(axis=0))
    keys = rng.random((len(order), len(columns)), dtype=np.float32)
    keys = np.where(level[:, columns], keys, np.float32(-np.inf))
    count = at_last.sum(axis=1)
    drawn = columns[best_order(keys, int(count.max(initial=1)))]
    turn = np.maximum(at_last.cumsum(axis=1) - 1, 0)
    others = np.take_along_axis(drawn, turn, axis=1)
    return np.where(at_last, others, order).astype(np.int32)


def best_in_turn(scores: Scores, order: Codes) -> FloatArray:
    """Return how likely each place of any order was to be taken so, given those above it."""
    found = _scores_of(scores, order)
    probability = np.ones(order.shape)
    for place in range(order.shape[1]):
        own, above = found[:, place, None], found[:, :place]
        better = np.count_nonzero(scores > own, axis=1) - (above > own).sum(axis=1)
        equals = np.count_nonzero(scores == own, axis=1) - (above == own).sum(axis=1)
        probability[:, place] = np.where(better > 0, 0.0, 1.0 / np.maximum(equals, 1))
    return np.where(order >= 0, probability, 1.0)


def best_placements(scores: Scores, places: int) -> FloatArray:
    """Return (m, S, R) the probability of each row at each place, whatever is above.

    Equals share the places that they take up together.
    """
    count, rows = scores.shape
    ranked = np.argsort(-scores, axis=1, kind="stable")
    values = np.take_along_axis(scores, ranked, axis=1)
    starts = np.ones(values.shape, np.bool_)
    starts[:, 1:] = values[:, 1:] != values[:, :-1]
    first = np.maximum.accumulate(np.where(starts, np.arange(rows), 0), axis=1)
    group = np.cumsum(starts).reshape(count, rows) - 1
    size = np.bincount(group.ravel())[group]
    place = np.arange(places)[:, None]
    within = (first[:, None] <= place) & (place < (first + size)[:, None])
    there = np.isfinite(values)[:, None]
    shares = np.where(within & there, 1.0 / size[:, None], 0.0)
    placements = np.zeros((count, places, rows))
    index: IndexArray = np.broadcast_to(ranked[:, None], placements.shape)
    np.put_along_axis(placements, index, shares, axis=2)
    return placements


def _scores_of(scores: Scores, order: Codes) -> Scores:
    """Return (m, S) the scores of an order, -inf past its end."""
    index = np.maximum(order, 0).astype(np.intp)
    found = scores[0][index] if len(scores) == 1 else np.take_along_axis(scores, index, axis=1)
    return np.where(order >= 0, found, scores.dtype.type(-np.inf))
