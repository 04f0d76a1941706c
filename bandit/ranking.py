"""The order of rows: ranking strategies, and the exact propensity of every position.

A strategy is its own configuration: a frozen struct decoded straight from TOML, told apart by
``type``. Pinned rows keep their position and are taken out of the lottery; the others fill the
places that are left, from the top. The propensity of a position is conditional on the rows above
it, so that the product down to any position is the probability of that top of the page.

All of it is pure: the noise comes in as uniforms, one a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from bandit.errors import ModelError, PageError
from bandit.types import FloatArray, IndexArray


class Ranked(NamedTuple):
    """An order of rows, from the top."""

    order: IndexArray
    """(L,) indices into the candidate rows."""
    propensities: FloatArray
    """(L,) each in (0, 1]: the row's probability of standing there, given the rows above it."""


class RankingStrategy(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag_field="type",
):
    """Scores in, an order and its propensities out. R rows are candidates, L are served.

    ``pinned`` maps a position, from 0 at the top, to the index of the row that keeps it. A position
    past the last of the R is moved up to the end; several such keep their order.
    """

    def rank(
        self,
        scores: FloatArray,
        uniforms: FloatArray,
        pinned: Mapping[int, int],
        rows_max: int | None = None,
    ) -> Ranked:
        """Draw an order.

        Args:
            scores: (R,) expected rewards.
            uniforms: (R,) in the open interval (0, 1), one a row; the same give the same order.
            pinned: position → row index.
            rows_max: serve only so many, from the top; rows pinned below fall off.

        Raises:
            ModelError: a score is not finite.
            PageError: a pin names no row, a negative position, or a row pinned before.
        """
        check_scores(scores)
        if not pinned:
            return self._drawn(scores, uniforms, rows_max)
        pins = _pins_by_position(len(scores), pinned)
        free = np.flatnonzero(~np.isin(np.arange(len(scores)), pins))
        order = pins.copy()
        order[pins < 0] = free[self._draw(scores[free], uniforms[free])]
        order = order[:rows_max]
        return Ranked(order, self._propensities(scores, order, pins, free))

    def conditional_propensities(
        self, scores: FloatArray, order: IndexArray, pinned: Mapping[int, int]
    ) -> FloatArray:
        """Return (L,) the propensities this strategy gives to an order that any policy drew.

        Args:
            scores: (R,) expected rewards.
            order: (L,) distinct indices into the rows, from the top; L may be below R.
            pinned: position → row index, as when the order was drawn.

        Raises:
            ModelError: a score is not finite.
            PageError: the pins are wrong, or the order repeats a row or contradicts the pins.
        """
        check_scores(scores)
        pins = _pins_by_position(len(scores), pinned)
        free = np.flatnonzero(~np.isin(np.arange(len(scores)), pins))
        _check_order(order, pins)
        return self._propensities(scores, order, pins, free)

    def logits(self, scores: FloatArray) -> FloatArray | None:
        """Return (F,) by which F unpinned rows are drawn, each in proportion to exp(logit).

        None where the best score is taken, always.
        """
        raise NotImplementedError

    def _propensities(
        self, scores: FloatArray, order: IndexArray, pins: IndexArray, free: IndexArray
    ) -> FloatArray:
        drawn = pins[: len(order)] < 0
        propensities = np.ones(len(order))
        chosen = np.searchsorted(free, order[drawn])
        propensities[drawn] = self._conditional(scores[free], chosen)
        return propensities

    def _drawn(self, scores: FloatArray, uniforms: FloatArray, rows_max: int | None) -> Ranked:
        """Draw an order of rows of which none is pinned."""
        order = self._draw(scores, uniforms)[:rows_max]
        return Ranked(order, self._conditional(scores, order))

    def _draw(self, scores: FloatArray, uniforms: FloatArray) -> IndexArray:
        """Return (F,) a permutation of the F unpinned rows."""
        raise NotImplementedError

    def _conditional(self, scores: FloatArray, chosen: IndexArray) -> FloatArray:
        """Return (M,) the propensities of drawing ``chosen``, one after the other, from (F,)."""
        raise NotImplementedError


class PlackettLuce(RankingStrategy, frozen=True, tag="plackett_luce"):
    """Rows drawn one after the other, each in proportion to exp(score / temperature).

    The model is Plackett's (1975) and Luce's (1959); an order is drawn at once by sorting scores
    with Gumbel noise added (Kool, van Hoof and Welling, 2019).
    """

    temperature: Annotated[
        float,
        Meta(
            gt=0,
            description="Difference in expected reward that makes a row e times as likely to stand "
            "above another.",
        ),
    ] = 0.02
    logit_range_max: Annotated[
        float,
        Meta(
            gt=0,
            le=500,
            description="A row whose score / temperature is further than this below the best "
            "unpinned row's is drawn as if it were so far, which keeps every order possible: no "
            "row's propensity is below exp(-logit_range_max) / rows.",
        ),
    ] = 10.0

    def _drawn(self, scores: FloatArray, uniforms: FloatArray, rows_max: int | None) -> Ranked:
        logits = self.logits(scores)
        order = _gumbel_order(logits, uniforms)[:rows_max]
        return Ranked(order, _softmax_in_turn(logits, order))

    def _draw(self, scores: FloatArray, uniforms: FloatArray) -> IndexArray:
        return _gumbel_order(self.logits(scores), uniforms)

    def _conditional(self, scores: FloatArray, chosen: IndexArray) -> FloatArray:
        return _softmax_in_turn(self.logits(scores), chosen)

    def logits(self, scores: FloatArray) -> FloatArray:
        """Return (F,) logits within [-logit_range_max, 0], the best at 0."""
        if not len(scores):
            return scores
        with np.errstate(over="ignore"):
            below = (scores - scores.max()) / self.temperature
        return np.asarray(np.maximum(below, -self.logit_range_max))


class UniformOrder(RankingStrategy, frozen=True, tag="uniform"):
    """Every order of the unpinned rows alike."""

    def logits(self, scores: FloatArray) -> FloatArray:
        """Return (F,) zeros."""
        return np.zeros(len(scores))

    def _draw(self, scores: FloatArray, uniforms: FloatArray) -> IndexArray:
        return _gumbel_order(np.zeros(len(scores)), uniforms)

    def _conditional(self, scores: FloatArray, chosen: IndexArray) -> FloatArray:
        return 1.0 / (len(scores) - np.arange(len(chosen)))


class GreedyOrder(RankingStrategy, frozen=True, tag="greedy"):
    """The best score first, always; of equals the first in the request."""

    def logits(self, scores: FloatArray) -> None:
        """Return None: nothing is drawn."""

    def _draw(self, scores: FloatArray, uniforms: FloatArray) -> IndexArray:
        return np.argsort(-scores, kind="stable")

    def _conditional(self, scores: FloatArray, chosen: IndexArray) -> FloatArray:
        """Return 1 where the best of what is left was chosen, 0 elsewhere."""
        places = np.empty(len(scores), dtype=np.intp)
        places[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
        rest = np.ones(len(scores), dtype=np.bool_)
        rest[chosen] = False
        left = np.append(places[chosen], places[rest].min(initial=len(scores)))
        best = np.minimum.accumulate(left[::-1])[::-1][:-1]
        return np.where(places[chosen] == best, 1.0, 0.0)


Ranking = PlackettLuce | UniformOrder | GreedyOrder


def _gumbel_order(logits: FloatArray, uniforms: FloatArray) -> IndexArray:
    """Sort by logit plus standard Gumbel noise, -log(-log u)."""
    noisy = np.log(-np.log(uniforms)) - logits
    return np.asarray(noisy.argsort(kind="stable"))


def _softmax_in_turn(logits: FloatArray, chosen: IndexArray) -> FloatArray:
    """Return (M,) the softmax of each chosen logit over those not chosen before it."""
    weights = np.exp(logits)
    drawn = weights.take(chosen)
    below = 0.0
    if len(chosen) < len(logits):
        weights[chosen] = 0.0
        below = float(weights.sum())
    # Summed from the bottom up: a total minus what was drawn would cancel to nothing.
    left = drawn[::-1].copy()
    left[:1] += below
    return np.asarray(drawn / left.cumsum()[::-1])


def check_scores(scores: FloatArray) -> None:
    """Check that scores can be ranked by.

    Raises:
        ModelError: a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise ModelError(
            "a row's score is not finite",
            hint="roll back to an earlier snapshot: this one's weights cannot be used",
        )


def _pins_by_position(rows: int, pinned: Mapping[int, int]) -> IndexArray:
    """Return (R,) the row pinned to each position, -1 where none is."""
    pins = np.full(rows, -1, dtype=np.intp)
    if len(set(pinned.values())) < len(pinned):
        raise PageError(
            "rows", "a row is pinned to two positions", hint="pin each row to one position"
        )
    below = len(pinned)
    for position, row in sorted(pinned.items()):
        if position < 0 or not 0 <= row < rows:
            raise PageError(
                "rows",
                f"no row {row} can be pinned to position {position} of {rows} rows",
                hint="pin rows of the page, to positions from 0",
            )
        pins[min(position, rows - below)] = row
        below -= 1
    return pins


def _check_order(order: IndexArray, pins: IndexArray) -> None:
    expected = pins[: len(order)]
    repeated = len(np.unique(order)) < len(order)
    outside = len(order) > len(pins) or bool(((order < 0) | (order >= len(pins))).any())
    if repeated or outside:
        raise PageError(
            "rows",
            "an order must name rows of the page, each once",
            hint="take the order from the decision that holds these rows",
        )
    if (np.where(np.isin(order, pins), order, -1) != expected).any():
        raise PageError(
            "rows",
            "the order does not have the pinned rows in their places",
            hint="give the pins of the decision that the order is from",
        )
