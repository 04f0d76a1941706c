"""Estimated propensities, for logs that were written without any; only when asked for.

They are right as far as the model of the logging policy is, and estimates made with them are marked
so. ``frequencies`` takes it that the logging policy did not look at the context: each item has a
strength, and is chosen in proportion to it out of a round's action set (Luce, 1959), position by
position. With one action set for all that is each action's frequency. ``logistic`` is multinomial
logistic regression on the context, for logs with one action set of moderate size: it works on an
(n, K) array.

A round's propensity is estimated from the other folds. Frequencies count every action as chosen
half a time more than it was (Jeffreys' prior), and no propensity is below 1e-6, so that none is
impossible.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bandit.types import FloatArray
from simulator.errors import EstimationError
from simulator.logged import CodeArray, LoggedChoices
from simulator.reward_models.folds import fold_of_rounds
from simulator.reward_models.threads import one_thread

_PSEUDO_COUNT: Final = 0.5
_ITERATIONS_MAX: Final = 200
_TOLERANCE: Final = 1e-8
_PROPENSITY_LEAST: Final = 1e-6


def estimate_propensities(
    logged: LoggedChoices,
    *,
    seed: int,
    folds: int = 3,
    model: Literal["frequencies", "logistic"] = "frequencies",
) -> LoggedChoices:
    """Return the rounds with estimated propensities, marked as such.

    Args:
        logged: n rounds; the propensities they carry are not looked at.
        seed: of the folds.
        folds: how many parts; rounds of one viewer are in one.
        model: see the head of this module.

    Raises:
        EstimationError: there are too few rounds for so many folds, or ``logistic`` was asked for
            where action sets differ or there is no context.
    """
    fold_of = fold_of_rounds(len(logged), folds, seed, logged.cluster)
    if model == "logistic" and (logged.candidates is not None or logged.context is None):
        raise EstimationError(
            "propensities by logistic regression need a context and one action set for all rounds",
            hint="estimate them by frequencies",
        )
    propensity = np.empty(len(logged))
    for fold in range(folds):
        inside = np.flatnonzero(fold_of == fold)
        outside = np.flatnonzero(fold_of != fold)
        if model == "logistic":
            propensity[inside] = _by_context(logged, outside, inside)
        else:
            propensity[inside] = _by_frequency(logged, outside, inside)
    return replace(
        logged,
        propensity=np.clip(propensity, _PROPENSITY_LEAST, 1.0),
        propensity_source="estimated",
    )


def _by_frequency(logged: LoggedChoices, outside: np.ndarray, inside: np.ndarray) -> FloatArray:
    result = np.empty(len(inside))
    position = np.zeros(len(logged), np.int32) if logged.position is None else logged.position
    for at in np.unique(position[inside]):
        rows = np.flatnonzero(position[inside] == at)
        known = outside[position[outside] == at]
        if logged.candidates is None:
            counts = np.bincount(logged.action[known], minlength=logged.action_count)
            share = (counts + _PSEUDO_COUNT) / (len(known) + _PSEUDO_COUNT * len(counts))
            result[rows] = share[logged.action[inside[rows]]]
        else:
            strength = _strengths(logged.candidates, logged.items(), known)
            sets = logged.candidates[inside[rows]]
            of_set = np.where(sets >= 0, strength[sets], 0.0).sum(axis=1)
            result[rows] = strength[logged.items()[inside[rows]]] / of_set
    return result


def _strengths(candidates: CodeArray, items: CodeArray, known: np.ndarray) -> FloatArray:
    """Return (items,) the strengths most likely to lead to what was chosen in the known rounds.

    By minorisation and maximisation (Hunter, 2004): an item's strength is how often it was chosen
    over the sum of 1 / (strength of the set) of all sets that it was in.
    """
    total = int(candidates.max()) + 1
    chosen = np.bincount(items[known], minlength=total) + _PSEUDO_COUNT
    sets = candidates[known]
    there = sets >= 0
    flat = sets[there]
    strength = np.full(total, 1.0 / total)
    for _ in range(_ITERATIONS_MAX):
        of_set = np.where(there, strength[sets], 0.0).sum(axis=1)
        offered = np.broadcast_to((1 / of_set)[:, None], sets.shape)[there]
        updated = chosen / (_PSEUDO_COUNT * total + np.bincount(flat, offered, minlength=total))
        updated /= updated.sum()
        settled = bool((np.abs(updated - strength) <= _TOLERANCE * updated).all())
        strength = updated
        if settled:
            break
    return strength


def _by_context(logged: LoggedChoices, outside: np.ndarray, inside: np.ndarray) -> FloatArray:
    columns = [] if logged.context is None else [logged.context]
    if logged.position is not None:
        columns.append(np.eye(int(logged.position.max()) + 1, dtype=np.float32)[logged.position])
    matrix = np.hstack(columns)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    with one_thread():
        model.fit(matrix[outside], logged.action[outside])
    column_of = np.full(logged.action_count, -1)
    column_of[model.classes_] = np.arange(len(model.classes_))
    shares = np.column_stack([model.predict_proba(matrix[inside]), np.zeros(len(inside))])
    return np.asarray(shares[np.arange(len(inside)), column_of[logged.action[inside]]])
