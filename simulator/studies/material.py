"""What estimators need of one target policy, made when first asked for and kept for the others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.errors import EstimationError
from simulator.estimators.inputs import Inputs, weighted
from simulator.estimators.registry import EstimatorSpec
from simulator.intervals import Bounds
from simulator.logged import LoggedChoices
from simulator.reward_models import CrossFitted, balanced_weight, cross_fit, mrdr_weight
from simulator.studies.plans import JudgePlan
from simulator.targets import ChoiceTarget


class Predictions(NamedTuple):
    """A reward model's, both of shape (n,)."""

    predicted: FloatArray
    expected: FloatArray


class Material:
    """One target policy on the rounds it is judged on."""

    def __init__(
        self,
        logged: LoggedChoices,
        target: ChoiceTarget,
        plan: JudgePlan,
        fitted: CrossFitted | None,
    ) -> None:
        """Take what there is; ``fitted`` is the reward model that all policies share."""
        self.logged = logged
        self.plan = plan
        self._target = target
        self._fitted = fitted
        self._probability = target.chosen_probability(logged)
        self.weight = weighted(logged.reward, self._probability, logged.propensity).weight
        """Shape (n,): importance weights."""
        self._balanced: FloatArray | None = None
        self._predictions: dict[str, Predictions] = {}
        # Seeded apart from everything else: rejection must not share draws with resampling.
        self._uniform = np.random.default_rng([plan.seed, 1]).random(len(logged))

    def inputs(self, spec: EstimatorSpec) -> Inputs:
        """Return what an estimator is given."""
        weight = self.balanced() if spec.weighting == "balanced" else self.weight
        if not spec.needs_model:
            return Inputs(self.logged.reward, weight, uniform=self._uniform)
        predictions = self._predict(spec.model_weighting)
        return Inputs(self.logged.reward, weight, *predictions, self._uniform)

    def balanced(self) -> FloatArray:
        """Return (n,) weights by a classifier that tells the target's choices from the log's."""
        if self._balanced is None:
            self._balanced = balanced_weight(
                self.logged, self._target, folds=self.plan.folds, seed=self.plan.seed
            )
        return self._balanced

    def bounds(self, spec: EstimatorSpec, parameter: float | None) -> Bounds:
        """Return the range that an estimator's terms are within, whatever rounds are drawn.

        Rewards are taken to be within [0, 1], or what was seen where that is wider; weights up to
        what the plan knows, or else to 1 over the least propensity that was logged.
        """
        low = min(0.0, float(self.logged.reward.min()))
        high = max(1.0, float(self.logged.reward.max()))
        most = self.plan.weight_max or 1 / float(self.logged.propensity.min())
        reach = most
        if parameter is not None and spec.modified is not None:
            reach = float(spec.modified(np.array([most]), parameter)[0])
        if spec.needs_model:
            spread = high - low
            return Bounds(low - reach * spread, high + reach * spread, most, low, high)
        return Bounds(low * reach, high * reach, most, low, high)

    def _predict(self, weighting: str) -> Predictions:
        if weighting not in self._predictions:
            fitted = self._fitted if weighting == "uniform" else self._fit_for_target()
            if fitted is None:
                raise EstimationError(
                    "no reward model was fitted", hint="this is a fault of the study"
                )
            self._predictions[weighting] = Predictions(
                fitted.predicted(), fitted.expected(self._target)
            )
        return self._predictions[weighting]

    def _fit_for_target(self) -> CrossFitted:
        return cross_fit(
            self.logged,
            self.plan.model,
            folds=self.plan.folds,
            seed=self.plan.seed,
            round_weight=mrdr_weight(self._probability, self.logged.propensity),
        )
