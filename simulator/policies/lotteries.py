"""How policies put rows in order on logged rounds, and what probabilities follow.

A lottery says of each round by which numbers its rows are ordered: logits from which they are drawn
one after the other (Plackett, 1975; Luce, 1959), or scores of which the best is taken always, of
equals any; and which rows are pinned where. Everything that estimators ask of a ranking policy
follows from it, on whatever order was logged.

Shapes: n rounds, L positions, R candidates; an order has indices into the candidates, -1 past its
end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bandit.types import BoolArray, FloatArray
from simulator.logged import LoggedRankings
from simulator.pages import Codes
from simulator.policies.orders import softmax, softmax_in_turn
from simulator.policies.ties import best_in_turn, best_placements, best_pmf
from simulator.rankings.placement import placement_probabilities


class Lotteries(NamedTuple):
    """How n rounds are ordered."""

    numbers: FloatArray
    """Shape (n, R): logits, or scores where ``greedy``; -inf for what is not there or pinned."""
    greedy: BoolArray
    """Shape (n,)."""
    pinned: Codes
    """Shape (n, L): the row pinned to a position, -1 where none is."""

    def conditional(self, order: Codes) -> FloatArray:
        """Return (n, L) the probability of each row of an order, given those above it.

        1 past the end and where the pinned row stands; 0 where a pinned row should stand.
        """
        free = np.where(self.pinned >= 0, -1, order).astype(np.int32)
        probability = np.ones(order.shape)
        drawn = ~self.greedy
        probability[drawn] = softmax_in_turn(self.numbers[drawn], free[drawn])
        probability[self.greedy] = best_in_turn(self.numbers[self.greedy], free[self.greedy])
        displaced = (self.pinned >= 0) & (order >= 0) & (order != self.pinned)
        return np.where(displaced, 0.0, probability)

    def conditional_pmf(self, order: Codes) -> FloatArray:
        """Return (n, L, R) what would stand at each position, given the rows above it."""
        left = self.numbers.copy()
        every = np.arange(len(left))
        pmf = np.zeros((*order.shape, left.shape[1]))
        for position in range(order.shape[1]):
            row, pinned = order[:, position], self.pinned[:, position]
            part = np.where(self.greedy[:, None], best_pmf(left), softmax(left))
            part[pinned >= 0] = 0.0
            part[every[pinned >= 0], pinned[pinned >= 0]] = 1.0
            part[row < 0] = 0.0
            pmf[:, position] = part
            left[every[row >= 0], row[row >= 0]] = -np.inf
        return pmf

    def placements(self, positions: int) -> FloatArray:
        """Return (n, L, R) the probability of each row at each position, whatever is above."""
        count, rows = self.numbers.shape
        free = np.zeros((count, positions, rows))
        drawn = np.flatnonzero(~self.greedy)
        if len(drawn):
            free[drawn] = placement_probabilities(self.numbers[drawn], positions)
        certain = np.flatnonzero(self.greedy)
        if len(certain):
            free[certain] = best_placements(self.numbers[certain], positions)
        if (self.pinned < 0).all():
            return free
        # The k-th position that nothing is pinned to takes the k-th of the rows drawn.
        open_before: npt.NDArray[np.int64] = np.cumsum(self.pinned < 0, axis=1) - (self.pinned < 0)
        placed = np.take_along_axis(free, open_before[:, :, None], axis=1)
        page, position = np.nonzero(self.pinned >= 0)
        placed[page, position] = 0.0
        placed[page, position, self.pinned[page, position]] = 1.0
        return placed


def alike(numbers: FloatArray, positions: int, *, greedy: bool) -> Lotteries:
    """Return lotteries of one kind, without pins."""
    count = len(numbers)
    pinned = np.full((count, positions), -1, np.int32)
    return Lotteries(numbers, np.full(count, greedy), pinned)


def at_logged(placements: FloatArray, order: Codes) -> FloatArray:
    """Return (n, L) each logged row's probability at its position, 1 past the end."""
    index = np.maximum(order, 0)[:, :, None].astype(np.intp)
    probability = np.take_along_axis(placements, index, axis=2)[:, :, 0]
    return np.where(order >= 0, probability, 1.0)


def of_logged(placements: FloatArray, order: Codes) -> FloatArray:
    """Return (n, L, L): [round, l, k] of the row logged at l, its probability of being at k."""
    index = np.maximum(order, 0)[:, None, :].astype(np.intp)
    shape = (*placements.shape[:2], order.shape[1])
    probability = np.take_along_axis(placements, np.broadcast_to(index, shape), axis=2)
    return np.where((order >= 0)[:, :, None], probability.transpose(0, 2, 1), 0.0)


class LotteryTarget:
    """A target whose orders of rows follow from lotteries; subclasses say which."""

    def lotteries(self, logged: LoggedRankings) -> Lotteries:
        """Return how each logged round's rows would be ordered."""
        raise NotImplementedError

    def placements(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L, R) the probability of each candidate at each position."""
        return self.lotteries(logged).placements(logged.items.shape[1])

    def conditional_probability(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L); see :class:`simulator.targets.RankingTarget`."""
        return self.lotteries(logged).conditional(logged.items)

    def marginal_probability(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L); see :class:`simulator.targets.RankingTarget`."""
        return at_logged(self.placements(logged), logged.items)

    def placement_probability(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L, L); see :class:`simulator.rankings.inputs.PlacementTarget`."""
        return of_logged(self.placements(logged), logged.items)

    def conditional_pmf(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L, R); see :class:`simulator.rankings.inputs.CascadeTarget`."""
        return self.lotteries(logged).conditional_pmf(logged.items)
