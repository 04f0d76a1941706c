"""Policies that are arithmetic on arrays: a model of artworks, one of rows, whole batches at once.

Propensities are exact for greedy and softmax models, and for a share ``epsilon`` of uniform choices
mixed in: each title is drawn for itself, a page's order as a whole. Of equals any is taken
(:mod:`simulator.policies.ties`). Thompson sampling draws once
for every item and shows the best; how likely that was is not known, and told as NaN. Where it must
be, ``propensities`` lets artworks be drawn from the probability of each to be the best, found by
quadrature; of an order of rows drawn by Thompson sampling it stays unknown.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from bandit.sampling import choose
from bandit.types import FloatArray
from simulator.pages import Codes, Displays, Environment, Pages, Served
from simulator.policies.models import Asked, Model
from simulator.policies.observing import (
    artwork_sets,
    asked_by,
    observed_artworks,
    observed_rows,
    problems_of,
)
from simulator.policies.orders import (
    Scores,
    best_order,
    evenly_in_turn,
    gumbel,
    masked,
    mixed_in_turn,
    softmax_in_turn,
)
from simulator.policies.ties import best_in_turn, draw_best, draw_best_order
from simulator.streams import CHOICES, stream

_CELLS_AT_ONCE: Final = 4_000_000
"""Scores worked out together: batches are cut so that temporaries stay small."""


class Mixing(NamedTuple):
    """How a policy's choices are drawn."""

    epsilon: float = 0.0
    """Share of uniform choices mixed in."""
    propensities: bool = False
    """Whether artworks must have a known propensity, whatever it costs."""


class ArrayPolicy:
    """A policy of two models."""

    def __init__(self, name: str, artworks: Model, rows: Model, mixing: Mixing | None = None):
        self.name = name
        self._artworks = artworks
        self._rows = rows
        self._mixing = mixing or Mixing()

    def reset(self, environment: Environment, seed: int) -> None:
        """Start both models anew."""
        self._rng = stream(seed, CHOICES)
        self._rule = environment.rule
        self._sets = artwork_sets(environment)
        of_artworks, of_rows = problems_of(environment)
        self._artworks.start(of_artworks)
        self._rows.start(of_rows)

    def serve(self, pages: Pages) -> Served:
        """Choose artworks and orders for a batch."""
        cells = max(1, pages.rows.shape[1] + pages.titles[:1].size * self._sets.shape[1])
        at_once = max(1, _CELLS_AT_ONCE // cells)
        parts = [
            self._serve(pages, slice(start, start + at_once))
            for start in range(0, pages.size, at_once)
        ]
        return Served(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _serve(self, pages: Pages, part: slice) -> Served:
        asked = asked_by(pages).take(part)
        return Served(
            *self._ordered(asked, pages.rows[part], pages.rows_served),
            *self._drawn(asked, pages.titles[part]),
        )

    def _ordered(self, asked: Asked, rows: Codes, places: int) -> tuple[Codes, FloatArray]:
        model, epsilon = self._rows, self._mixing.epsilon
        same = len(rows) > 1 and bool((rows == rows[:1]).all())
        scores = model.scores(asked, rows[:1] if same else rows, self._rng)
        if model.kind == "softmax":
            order = best_order(scores + gumbel(self._rng, rows.shape), places)
            probability = softmax_in_turn(_spread_out(scores, rows), order)
        else:
            order, probability = draw_best_order(scores, places, len(rows), self._rng)
        if epsilon:
            aside = np.flatnonzero(self._rng.random(len(rows)) < epsilon)
            even = self._rng.random((len(aside), rows.shape[1]), dtype=np.float32)
            order[aside] = best_order(masked(even, rows[aside]), places)
            in_turn = softmax_in_turn if model.kind == "softmax" else best_in_turn
            probability[aside] = in_turn(_spread_out(scores, rows)[aside], order[aside])
            probability = mixed_in_turn(probability, evenly_in_turn(order, rows), epsilon)
        if model.kind == "thompson":
            probability = np.where(order >= 0, np.nan, 1.0)
        return order, probability

    def _drawn(self, asked: Asked, titles: Codes) -> tuple[Codes, FloatArray]:
        count = len(titles)
        if not titles.size:
            return titles.copy(), np.ones(titles.shape)
        model = self._artworks
        there = titles >= 0
        sets = np.where(there[..., None], self._sets[titles], -1).reshape(
            count, -1, self._sets.shape[1]
        )
        if model.kind == "softmax" or self._mixing.epsilon or self._mixing.propensities:
            chosen, propensities = self._from_pmf(asked, sets)
        else:
            chosen, propensities = draw_best(model.scores(asked, sets, self._rng), self._rng)
            if model.kind == "thompson":
                propensities = np.full(chosen.shape, np.nan)
        return (
            np.where(there, chosen.reshape(titles.shape), -1).astype(np.int32),
            np.where(there, propensities.reshape(titles.shape), 1.0),
        )

    def _from_pmf(self, asked: Asked, sets: Codes) -> tuple[Codes, FloatArray]:
        pmf = mixed_pmf(self._artworks.pmf(asked, sets), sets, self._mixing.epsilon)
        flat = np.broadcast_to(pmf, sets.shape).reshape(-1, sets.shape[-1]).copy()
        flat[~(sets >= 0).any(axis=-1).reshape(-1), 0] = 1.0
        chosen = choose(flat, self._rng.random(len(flat)))
        return chosen.astype(np.int32), np.take_along_axis(flat, chosen[:, None], axis=1)[:, 0]

    def learn(self, pages: Pages, served: Served, displays: Displays) -> None:
        """Let both models learn what was seen."""
        if pages.titles.shape[2]:
            self._artworks.learn(observed_artworks(pages, served, displays, self._sets))
        self._rows.learn(observed_rows(pages, served, displays, self._rule))


def _spread_out(scores: Scores, rows: Codes) -> Scores:
    """Return scores of (1, R) or (m, R) as (m, R)."""
    if scores.dtype == np.float32:
        return np.broadcast_to(scores.astype(np.float32, copy=False), rows.shape)
    return np.broadcast_to(scores.astype(np.float64, copy=False), rows.shape)


def mixed_pmf(pmf: FloatArray, sets: Codes, epsilon: float) -> FloatArray:
    """Mix a share of uniform choices into probabilities over the last axis of sets."""
    if not epsilon:
        return pmf
    there = sets >= 0
    even = there / np.maximum(there.sum(axis=-1, keepdims=True), 1)
    return np.asarray((1.0 - epsilon) * pmf + epsilon * even)
