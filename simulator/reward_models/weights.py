"""Weights of rounds that a model gives or takes: MRDR's, and balanced ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from bandit.types import FloatArray
from simulator.encoding import logged_pairs, space_of
from simulator.logged import CodeArray, LoggedChoices
from simulator.reward_models.cross_fitting import fit_folds
from simulator.reward_models.folds import fold_of_rounds
from simulator.reward_models.model import Training
from simulator.targets import ChoiceTarget, check_pmf

ODDS_MAX: Final = 1e4
"""Largest balanced weight: a classifier that is surer has overfitted."""

_CHUNK = 65536


def mrdr_weight(weight: FloatArray, propensity: FloatArray) -> FloatArray:
    """Return (n,) how much each round counts in training a reward model for ``mrdr``: w² (1 - p).

    With w the target's probability over the propensity p, (n,) both. Given a context, the part of
    the doubly robust estimator's variance that the model has a hand in is

        Σₐ e(a)² / p(a) - (Σₐ e(a))²    for errors e(a) = π(a) (q(a) - q̂(a)),

    whose diagonal, Σₐ e(a)² (1 - p(a)) / p(a), is the expectation over logged actions of
    w² (1 - p) (q - q̂)². Targets that always choose one action have no other part, and this is then
    the weight of Farajtabar, Chow and Ghavamzadeh, 2018, "More robust doubly robust off-policy
    evaluation". For stochastic targets the products of different actions' errors are left out.
    """
    return np.square(weight) * (1 - propensity)


def balanced_weight(
    logged: LoggedChoices,
    target: ChoiceTarget,
    *,
    seed: int,
    folds: int = 3,
    model: str = "boosting",
) -> FloatArray:
    """Return (n,) weights that make the logged rounds look like the target's, by a classifier.

    The classifier tells logged actions from actions drawn from the target, in the same rounds; its
    odds for what was logged stand in for the ratio of probabilities, and no propensities are
    needed. Source: Sondhi, Arbour and Dimmery, 2020, "Balanced off-policy evaluation in general
    action spaces".

    Args:
        logged: n rounds.
        target: the policy to judge; one action a round is drawn from it.
        seed: of the draws, the folds and the classifier.
        folds: how many parts; a round's weight is told by a classifier that saw neither it nor
            other rounds of its viewer.
        model: one of ``MODELS``. It must let context and items interact, unless neither policy
            looks at the context.

    Raises:
        EstimationError: as for ``cross_fit``.
        TargetError: the target's probabilities are not lawful.
    """
    chosen = logged_pairs(logged)
    twice = np.tile(np.arange(len(logged)), 2)
    items = np.concatenate([chosen.item, _drawn_items(logged, target, seed)])
    both = chosen.take(twice)._replace(item=items)
    label = np.repeat([0.0, 1.0], len(logged))
    fold_of = fold_of_rounds(len(logged), folds, seed, logged.cluster)
    training = Training(space_of(logged), both, label, None)
    fitted = fit_folds(training, fold_of[twice], folds, model, seed)
    share = replace(fitted, fold_of=fold_of).predict(chosen)
    return share / np.maximum(1 - share, share / ODDS_MAX)


def _drawn_items(logged: LoggedChoices, target: ChoiceTarget, seed: int) -> CodeArray:
    """Return (n,) codes of one item a round, drawn from the target."""
    uniforms = np.random.default_rng([seed, 1]).random(len(logged))
    actions = np.empty(len(logged), np.int32)
    for start in range(0, len(logged), _CHUNK):
        part = logged.take(slice(start, start + _CHUNK))
        pmf = target.pmf(part)
        check_pmf(pmf, part.eligible())
        below = np.cumsum(pmf, axis=1)
        reached = uniforms[start : start + _CHUNK, None] * below[:, -1:]
        actions[start : start + _CHUNK] = (below <= reached).sum(axis=1)
    if logged.candidates is None:
        return actions
    return logged.candidates[np.arange(len(logged)), actions]
