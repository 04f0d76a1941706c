"""One target policy on single choices; what estimators share is made once, when first needed."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.diagnostics import diagnose
from simulator.errors import EstimationError
from simulator.estimators.inputs import Inputs, weighted
from simulator.estimators.registry import EstimatorSpec, WeightRule, estimator_named
from simulator.intervals import Bounds, doubly_robust_bounds, importance_bounds
from simulator.logged import LoggedChoices
from simulator.results import Diagnostics
from simulator.reward_models import CrossFitted, balanced_weight, cross_fit, mrdr_weight
from simulator.studies.asked import Asked
from simulator.studies.cases import Answer, Grouping
from simulator.studies.plans import JudgePlan
from simulator.studies.splitting import Clusters
from simulator.targets import ChoiceTarget
from simulator.terms import Terms
from simulator.tuning import tune

ESTIMATED_MARK: Final = "propensities are estimated: what the log never tells cannot be corrected"
BIAS_WARNING: Final = "weights are modified: intervals do not tell of the bias that this brings"
CLASSIFIER_WARNING: Final = (
    "weights are a classifier's: intervals tell neither of its error nor of the bias that it brings"
)
TUNED_MARK: Final = (
    "the parameter was chosen by the rounds that are judged, so that intervals are too narrow"
)
UNIFORM_LOGGING: Final = "every logged propensity is one over the number of actions"
UNIFORM_TOLERANCE: Final = 1e-6
"""Relative: data sets round their propensities."""
GRID: Final = 1001


class Predictions(NamedTuple):
    """A reward model's, both of shape (n,)."""

    predicted: FloatArray
    expected: FloatArray


class ChoiceCase:
    """See :class:`simulator.studies.cases.Case`."""

    def __init__(
        self,
        logged: LoggedChoices,
        target: ChoiceTarget,
        plan: JudgePlan,
        fitted: CrossFitted | None,
    ) -> None:
        """Take what there is; ``fitted`` is the reward model that all policies share."""
        self.plan = plan
        self.marked = ESTIMATED_MARK if logged.propensity_source == "estimated" else ""
        self.cluster: Clusters | None = logged.cluster if plan.clustered else None
        self._weight_max, self._known_by = plan.weight_max, "as told"
        if plan.weight_max is None:
            self._weight_max, self._known_by = known_weight_max(logged), UNIFORM_LOGGING
        self._logged = logged
        self._target = target
        self._fitted = fitted
        probability = target.chosen_probability(logged)
        self.weight = weighted(logged.reward, probability, logged.propensity).weight
        self._balanced: FloatArray | None = None
        self._predictions: dict[str, Predictions] = {}
        self._diagnostics: dict[str, Diagnostics] = {}
        # Seeded apart from everything else: rejection must not share draws with resampling.
        self._uniform = np.random.default_rng([plan.seed, 1]).random(len(logged))

    def answer(self, asked: Asked) -> Answer:
        """Return what an estimator says."""
        spec = estimator_named(asked.name)
        inputs = self._inputs(spec)
        if asked.parameter is None:
            bounds = self._bounds(spec, None)
            return Answer(spec.terms(inputs, None), {}, bounds, _own_warnings(spec))
        if asked.parameter != "tuned":
            return self._modified(spec, spec.terms(inputs, asked.parameter), asked.parameter, {})
        method = self.plan.tuning
        tuned = tune(spec, inputs, method=method)
        found = self._modified(spec, tuned.terms, tuned.parameter, {"chosen by": method})
        return found._replace(marked=TUNED_MARK)

    def _modified(
        self, spec: EstimatorSpec, terms: Terms, parameter: float, how: dict[str, float | str]
    ) -> Answer:
        told = parameter if math.isfinite(parameter) else "none"
        warnings = _own_warnings(spec)
        if (
            spec.modified is not None
            and (spec.modified(self.weight, parameter) != self.weight).any()
        ):
            warnings = (*warnings, BIAS_WARNING)
        parameters = {spec.parameter or "parameter": told, **how}
        return Answer(terms, parameters, self._bounds(spec, parameter), warnings)

    def diagnose(self, policy: str, asked: Asked) -> Diagnostics:
        """Return how far an estimator's word may be trusted."""
        weighting = estimator_named(asked.name).weighting
        if weighting not in self._diagnostics:
            balanced = weighting == "balanced"
            self._diagnostics[weighting] = diagnose(
                self._balanced_weight() if balanced else self.weight,
                target_name=policy,
                logged=self._logged,
                reward=self._logged.reward,
                weight_max_known=None if balanced else self.plan.weight_max,
            )
        return self._diagnostics[weighting]

    def segments(self) -> Grouping | None:
        """Return rounds by segment."""
        codes, names = self._logged.segment, self._logged.names.segments
        if codes is None:
            return None
        return Grouping(codes, names, self._logged.reward, self.weight, self.cluster)

    def positions(self) -> Grouping | None:
        """Return rounds by position."""
        codes = self._logged.position
        if codes is None:
            return None
        return Grouping(codes, (), self._logged.reward, self.weight, self.cluster)

    def _inputs(self, spec: EstimatorSpec) -> Inputs:
        weight = self._balanced_weight() if spec.weighting == "balanced" else self.weight
        if not spec.needs_model:
            return Inputs(self._logged.reward, weight, uniform=self._uniform)
        predictions = self._predict(spec.model_weighting)
        return Inputs(self._logged.reward, weight, *predictions, self._uniform)

    def _balanced_weight(self) -> FloatArray:
        """Return (n,) weights by a classifier that tells the target's choices from the log's."""
        if self._balanced is None:
            self._balanced = balanced_weight(
                self._logged, self._target, folds=self.plan.folds, seed=self.plan.seed
            )
        return self._balanced

    def _predict(self, weighting: str) -> Predictions:
        if weighting not in self._predictions:
            fitted = self._fitted if weighting == "uniform" else self._fit_for_target()
            if fitted is None:
                raise EstimationError(
                    "no reward model was fitted", hint="name the model of the study's plan"
                )
            self._predictions[weighting] = Predictions(
                fitted.predicted(), fitted.expected(self._target)
            )
        return self._predictions[weighting]

    def _fit_for_target(self) -> CrossFitted:
        return cross_fit(
            self._logged,
            self.plan.model,
            folds=self.plan.folds,
            seed=self.plan.seed,
            round_weight=mrdr_weight(self.weight, self._logged.propensity),
        )

    def _bounds(self, spec: EstimatorSpec, parameter: float | None) -> Bounds | None:
        """Return the range that an estimator's terms are within, whatever rounds are drawn.

        It is known where the largest weight is and rewards are within [0, 1]; the largest weight
        that happens to be in the log, or one over the smallest propensity in it, is no bound.
        """
        most = self._weight_max
        reward = self._logged.reward
        if most is None or spec.weighting == "balanced" or reward.min() < 0 or reward.max() > 1:
            return None
        if parameter is not None and spec.modified is not None:
            most = largest_modified(spec.modified, most, parameter)
        bounds = doubly_robust_bounds(most) if spec.needs_model else importance_bounds(most)
        return bounds._replace(source=self._known_by)


def _own_warnings(spec: EstimatorSpec) -> tuple[str, ...]:
    return (CLASSIFIER_WARNING,) if spec.weighting == "balanced" else ()


def known_weight_max(logged: LoggedChoices) -> float | None:
    """Return the largest weight that there can be: known of uniform logging, None of any other."""
    counts = logged.action_counts()
    uniform = np.abs(logged.propensity * counts - 1) <= UNIFORM_TOLERANCE
    return float(counts.max()) if bool(uniform.all()) else None


def largest_modified(modified: WeightRule, most: float, parameter: float) -> float:
    """Return how large a weight of at most ``most`` can be once it was modified.

    Clipping and switching are largest at their parameter, shrinkage at its root.
    """
    grid = np.linspace(0.0, most, GRID)
    turning = np.array([parameter, np.sqrt(parameter)])
    return float(modified(np.append(grid, turning[turning <= most]), parameter).max())
