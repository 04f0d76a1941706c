"""Estimates on a log that passes by: its terms summed up by viewer, whatever its length.

Sums of different parts of a log add up; from all of them an interval follows that takes a viewer's
rounds together. DR's reward model is fitted beforehand, on a log of its own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.encoding import logged_pairs, space_of
from simulator.environments.recording import logged_choices
from simulator.estimators.inputs import weighted
from simulator.estimators.registry import estimator_named
from simulator.experiments.overlap import TAUGHT_SEED, Stage
from simulator.intervals.statistic import ClusterArray, Ratio, Statistic
from simulator.loop import run
from simulator.reward_models.cross_fitting import CrossFitted, FoldModels
from simulator.reward_models.logistic import fit_logistic
from simulator.reward_models.model import RewardModel, Training
from simulator.terms import Terms

ESTIMATORS: Final = ("ips", "snips", "dr")
MODEL_PAGES: Final = 400


class Judging(NamedTuple):
    """What jobs share."""

    stage: Stage
    model: RewardModel
    viewers: int


class Logged(NamedTuple):
    """One run of the exploring policy."""

    seed: int
    pages: int


def fitted_model(stage: Stage) -> RewardModel:
    """Fit the reward model on a log of its own."""
    environment = stage.world.environment(MODEL_PAGES, MODEL_PAGES)
    rounds = next(run(environment, stage.cast.logs.policy(), TAUGHT_SEED))
    logged = logged_choices(environment, *rounds)
    return fit_logistic(Training(space_of(logged), logged_pairs(logged), logged.reward, None), 0)


def sums_of_run(judging: Judging, task: Logged) -> FloatArray:
    """Return (policies, estimators, 4, viewers) sums; see :func:`sums_by_viewer`."""
    stage = judging.stage
    environment = stage.world.environment(task.pages)
    targets = [one.target() for one in stage.cast.judged]
    sums = np.zeros((len(targets), len(ESTIMATORS), 4, judging.viewers))
    for each in run(environment, stage.cast.logs.policy(), task.seed):
        viewer = each.pages.viewers[each.displays.page]
        logged = logged_choices(environment, *each)
        model = FoldModels(np.zeros(len(logged), np.int32), [judging.model])
        fitted = CrossFitted(logged, model)
        predicted = fitted.predicted()
        for place, target in enumerate(targets):
            inputs = weighted(
                logged.reward,
                target.chosen_probability(logged),
                logged.propensity,
                predicted=predicted,
                expected=fitted.expected(target),
            )
            for which, name in enumerate(ESTIMATORS):
                terms = estimator_named(name).terms(inputs, None)
                sums[place, which] += sums_by_viewer(terms, viewer, judging.viewers)
    return sums


def sums_by_viewer(terms: Terms, viewer: ClusterArray, viewers: int) -> FloatArray:
    """Return (4, viewers): sums of plain terms, of numerators, of denominators, and rounds.

    ``viewer`` is (n,), from 0 to ``viewers`` - 1. Terms without a denominator are plain; of others
    the base is.
    """
    nothing = np.zeros(len(terms))
    if terms.denominator is None:
        columns = [terms.influence(), nothing, nothing]
    else:
        base = nothing if terms.base is None else terms.base
        columns = [base, terms.numerator, terms.denominator]
    columns.append(np.ones(len(terms)))
    return np.stack([np.bincount(viewer, column, viewers) for column in columns])


def statistic(sums: FloatArray) -> Statistic:
    """Return the estimate of all rounds, by viewers, from (4, viewers) sums."""
    plain, numerator, denominator, rounds = sums
    ratios = (Ratio(numerator, denominator),) if denominator.any() else ()
    return Statistic(len(rounds), plain, ratios, rounds)
