"""Cross-fitted reward models of rankings, for the doubly robust estimator under a cascade.

One model is fitted to the reward at each position, given context, item and position; it is any of
the models for single choices, so that an item's code never enters as a number. What an item does to
the positions below is told from the target itself. With π the target's probabilities at a position
given what is above, m the model's predictions and M(b) the sum of m(b) over all positions below,

    q̂(a) = m(a) + Σ_{b≠a} π(b) / (1 - π(a)) · M(b)

is what is expected from the position down to the end, as if what is below were drawn from π without
a: the next draw of a Plackett–Luce policy, and near it further down. The estimator is unbiased
whatever q̂ is; predictions of all reward to come lower its variance where predictions of the
position's own would not, for the weights of the top act on all below (Jiang and Li, 2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.encoding import Pairs, Sets, space_of
from simulator.errors import TargetError
from simulator.logged import LoggedRankings
from simulator.rankings.inputs import CascadeTarget, RankingInputs
from simulator.reward_models.cross_fitting import FoldModels, fit_folds
from simulator.reward_models.folds import fold_of_rounds
from simulator.reward_models.model import Training
from simulator.targets import SUM_TOLERANCE

_CELLS_MAX: Final = 1 << 20
"""Most probabilities asked of a target at once."""
_REST_LEAST: Final = 1e-9
"""Where the target has no more than this left for other items, nothing is told of those below."""


class CascadePredictions(NamedTuple):
    """What :func:`simulator.rankings.cascade_dr.cascade_dr` needs; both of shape (n, L)."""

    predicted: FloatArray
    expected: FloatArray


@dataclass(frozen=True, slots=True)
class CrossFittedRankings:
    """A reward model of logged rankings, cross-fitted."""

    logged: LoggedRankings
    fitted: FoldModels

    def cascade(self, target: CascadeTarget) -> CascadePredictions:
        """Return predictions for the logged items, and their means under the target.

        Raises:
            TargetError: the target's probabilities are not lawful.
        """
        shape = self.logged.items.shape
        result = CascadePredictions(np.zeros(shape), np.zeros(shape))
        for rounds in self._blocks():
            part = self.logged.take(rounds)
            pmf = _checked(target.conditional_pmf(part), part)
            below = np.zeros((len(part), self.logged.item_count))
            for position in reversed(range(shape[1])):
                of_position = pmf[:, position]
                own = self._table(part, position, rounds)
                to_come = own + _rest_of_page(of_position, below)
                placed = part.items[:, position] >= 0
                expected = np.einsum("mr,mr->m", of_position, to_come)
                result.expected[rounds, position] = np.where(placed, expected, 0.0)
                chosen = np.maximum(part.items[:, position, None], 0)
                predicted = np.take_along_axis(to_come, chosen, axis=1)[:, 0]
                result.predicted[rounds, position] = np.where(placed, predicted, 0.0)
                below += own * placed[:, None]
        return result

    def fill(self, inputs: RankingInputs, target: CascadeTarget) -> RankingInputs:
        """Return the inputs with predictions for a target; errors as for :meth:`cascade`."""
        found = self.cascade(target)
        return inputs._replace(predicted=found.predicted, expected=found.expected)

    def _blocks(self) -> Iterator[slice]:
        count, positions = self.logged.items.shape
        size = max(1, _CELLS_MAX // max(positions * self.logged.item_count, 1))
        for start in range(0, count, size):
            yield slice(start, min(start + size, count))

    def _table(self, part: LoggedRankings, position: int, rounds: slice) -> FloatArray:
        """Return (m, R) the reward that each candidate is predicted to earn at a position."""
        sets = Sets(part.context, np.full(len(part), position, np.int32), part.candidates)
        wanted = np.ones((len(part), part.item_count), np.bool_)
        if part.candidates is not None:
            wanted = part.candidates >= 0
        return self.fitted.table(sets, wanted, rounds)


def cross_fit_rankings(
    logged: LoggedRankings, model: str, *, folds: int = 3, seed: int
) -> CrossFittedRankings:
    """Fit a reward model of positions for each fold, on the rankings of the others.

    Arguments and errors are those of :func:`simulator.reward_models.cross_fitting.cross_fit`. All
    positions of a ranking, and all rankings of a viewer, are in one fold.
    """
    fold_of = fold_of_rounds(len(logged), folds, seed, logged.cluster)
    row, position = np.nonzero(logged.placed())
    items = logged.items[row, position]
    if logged.candidates is not None:
        items = logged.candidates[row, items]
    pairs = Pairs(
        items,
        None if logged.context is None else logged.context[row],
        position.astype(np.int32),
    )
    training = Training(space_of(logged), pairs, logged.reward[row, position], None)
    fitted = fit_folds(training, fold_of[row], folds, model, seed)
    return CrossFittedRankings(logged, FoldModels(fold_of, fitted.models))


def _rest_of_page(pmf: FloatArray, below: FloatArray) -> FloatArray:
    """Return (m, R) the mean of ``below``, (m, R), under ``pmf`` without each item itself."""
    total = np.einsum("mr,mr->m", pmf, below)[:, None]
    rest = 1 - pmf
    result = np.zeros_like(pmf)
    np.divide(total - pmf * below, rest, out=result, where=rest > _REST_LEAST)
    return result


def _checked(pmf: FloatArray, part: LoggedRankings) -> FloatArray:
    expected = (*part.items.shape, part.item_count)
    if pmf.shape != expected:
        raise TargetError(
            f"the target gave probabilities of shape {pmf.shape} for {expected}",
            hint="give one row a round and position, and one column a candidate",
        )
    with np.errstate(invalid="ignore"):
        lawful = (pmf >= 0).all(axis=2) & (np.abs(pmf.sum(axis=2) - 1) <= SUM_TOLERANCE)
    if not (lawful | ~part.placed()).all():
        raise TargetError(
            "the target's probabilities at a position are negative or do not sum to 1",
            hint="normalise them in the policy; nothing is normalised silently here",
        )
    return pmf
