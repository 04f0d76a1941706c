"""K-fold cross-fitting: no round is predicted by a model that was trained on it.

Source: Chernozhukov et al., 2018, "Double/debiased machine learning"; in doubly robust estimators
it removes the bias that comes of a model knowing the very rewards it is to be corrected by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np

from bandit.types import BoolArray, FloatArray
from simulator.encoding import Pairs, Sets, logged_pairs, logged_sets, space_of
from simulator.errors import EstimationError, NoOverlapError
from simulator.logged import LoggedChoices
from simulator.reward_models.boosting import fit_boosting
from simulator.reward_models.folds import FoldArray, fold_of_rounds
from simulator.reward_models.logistic import fit_logistic
from simulator.reward_models.model import RewardModel, Training
from simulator.reward_models.vw import fit_vw
from simulator.targets import ChoiceTarget, check_pmf

Fit = Callable[[Training, int], RewardModel]

_FITS: Final[Mapping[str, Fit]] = MappingProxyType(
    {
        "logistic": fit_logistic,
        "logistic-crossed": partial(fit_logistic, crossed=True),
        "boosting": fit_boosting,
        "vw": fit_vw,
    }
)
MODELS: Final[tuple[str, ...]] = tuple(_FITS)
"""Names of the models: ``logistic`` is additive, the others let context and items interact."""

_CELLS_MAX: Final = 1 << 18
"""Most predictions made at once."""


def blocks(count: int, width: int) -> Iterator[slice]:
    """Cut rounds of ``width`` predictions each into pieces of bounded memory."""
    size = max(1, _CELLS_MAX // max(width, 1))
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


@dataclass(frozen=True, slots=True)
class FoldModels:
    """One model a fold, each trained on all the other folds."""

    fold_of: FoldArray
    """Shape (n,): the fold of each round."""
    models: Sequence[RewardModel]

    def predict(self, pairs: Pairs, rounds: slice | np.ndarray = slice(None)) -> FloatArray:
        """Return (m,) out-of-fold predictions of pairs of the rounds given, one each."""
        folds = self.fold_of[rounds]
        result = np.empty(len(folds))
        for fold, model in enumerate(self.models):
            for block in blocks(len(rows := np.flatnonzero(folds == fold)), 1):
                result[rows[block]] = model.predict(pairs.take(rows[block]))
        return result

    def table(self, sets: Sets, wanted: BoolArray, rounds: slice | np.ndarray) -> FloatArray:
        """Return (m, K) out-of-fold predictions of the rounds given; see ``RewardModel.table``."""
        folds = self.fold_of[rounds]
        result = np.empty(wanted.shape)
        for fold, model in enumerate(self.models):
            rows = np.flatnonzero(folds == fold)
            result[rows] = model.table(sets.take(rows), wanted[rows])
        return result


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """A reward model of logged choices, cross-fitted."""

    logged: LoggedChoices
    fitted: FoldModels

    def predicted(self) -> FloatArray:
        """Return (n,) what is predicted for the logged actions."""
        return self.fitted.predict(logged_pairs(self.logged))

    def expected(self, target: ChoiceTarget, *, chunk: int = 65536) -> FloatArray:
        """Return (n,) the predictions averaged over the target's probabilities.

        The target is asked for ``chunk`` rounds at a time, and predictions are made for fewer, so
        that memory does not grow with n.

        Raises:
            TargetError: the target's probabilities are not lawful.
        """
        result = np.empty(len(self.logged))
        for start in range(0, len(result), chunk):
            part = self.logged.take(slice(start, start + chunk))
            pmf = target.pmf(part)
            check_pmf(pmf, part.eligible())
            sets = logged_sets(part)
            for block in blocks(*pmf.shape):
                rounds = slice(start + block.start, start + block.stop)
                table = self.fitted.table(sets.take(block), pmf[block] > 0, rounds)
                result[rounds] = np.einsum("mk,mk->m", pmf[block], table)
        return result


def cross_fit(
    logged: LoggedChoices,
    model: str,
    *,
    folds: int = 3,
    seed: int,
    round_weight: FloatArray | None = None,
) -> CrossFitted:
    """Fit a reward model for each fold, on the rounds of the others.

    Args:
        logged: n rounds. Rounds of one viewer (``cluster``) are in one fold.
        model: one of :data:`MODELS`.
        folds: how many; 3 is usual.
        seed: of the folds and of what a model draws. The same seed gives the same numbers.
        round_weight: (n,) how much each round counts in training, not negative.

    Raises:
        EstimationError: there is no such model, there are too few rounds for so many folds, or the
            weights are not lawful.
        NoOverlapError: all rounds that a fold's model could be trained on have weight 0.
    """
    fold_of = fold_of_rounds(len(logged), folds, seed, logged.cluster)
    space, pairs = space_of(logged), logged_pairs(logged)
    training = Training(space, pairs, logged.reward, round_weight)
    return CrossFitted(logged, fit_folds(training, fold_of, folds, model, seed))


def fit_folds(
    training: Training, fold_of: FoldArray, folds: int, model: str, seed: int
) -> FoldModels:
    """Fit one model for each fold; arguments and errors as for :func:`cross_fit`."""
    if model not in _FITS:
        raise EstimationError(
            f"there is no reward model {model!r}", hint=f"take one of {', '.join(MODELS)}"
        )
    weight = training.weight
    if weight is not None and not (np.isfinite(weight) & (weight >= 0)).all():
        raise EstimationError(
            "a round's weight in training is negative or not finite",
            hint="weigh rounds by finite numbers from 0",
        )
    models = []
    for fold in range(folds):
        rows = np.flatnonzero(fold_of != fold)
        of_rows = None if weight is None else weight[rows]
        if of_rows is not None and not of_rows.any():
            raise NoOverlapError(
                "no round that the reward model could be trained on has weight",
                hint="weigh all rounds alike, or judge a target that overlaps with the log",
            )
        part = Training(training.space, training.pairs.take(rows), training.reward[rows], of_rows)
        models.append(_FITS[model](part, seed + fold))
    return FoldModels(fold_of, models)
