"""One target policy on rankings; what estimators share is made once, when first needed."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.diagnostics import diagnose
from simulator.errors import EstimationError
from simulator.intervals import Bounds
from simulator.logged import LoggedRankings
from simulator.rankings.inputs import CascadeTarget, RankingInputs, ranking_inputs
from simulator.rankings.registry import RANKING_ESTIMATORS, RankingEstimatorSpec
from simulator.results import Diagnostics
from simulator.reward_models import CrossFittedRankings
from simulator.studies.asked import Asked
from simulator.studies.cases import Answer, Grouping
from simulator.studies.plans import JudgePlan
from simulator.studies.splitting import Clusters


class RankingCase:
    """See :class:`simulator.studies.cases.Case`; a round's reward is the sum of its positions'."""

    marked = ""

    def __init__(
        self,
        logged: LoggedRankings,
        target: CascadeTarget,
        plan: JudgePlan,
        fitted: CrossFittedRankings | None,
    ) -> None:
        """Take what there is; ``fitted`` is the reward model that all policies share."""
        self.plan = plan
        self.cluster: Clusters | None = logged.cluster if plan.clustered else None
        self._logged = logged
        self._target = target
        self._fitted = fitted
        self._inputs = ranking_inputs(logged, target)
        self._with_model: RankingInputs | None = None

    @property
    def weight(self) -> FloatArray:
        """Shape (n,): weights of whole rankings."""
        return np.asarray(self._inputs.cascade_weight()[:, -1])

    def answer(self, asked: Asked) -> Answer:
        """Return what an estimator says."""
        spec = RANKING_ESTIMATORS[asked.name]
        if spec.needs_examination:
            raise EstimationError(
                f"{spec.name} needs to know how far viewers look, and the policy that logged",
                hint="use simulator.rankings.inputs.with_examination from Python, or another "
                "estimator here",
            )
        inputs = self._modelled() if spec.needs_model else self._inputs
        return Answer(spec.terms(inputs), {}, self._bounds(spec))

    def diagnose(self, policy: str, asked: Asked) -> Diagnostics:
        """Return how far an estimator's word may be trusted."""
        return diagnose(self._weight_of(RANKING_ESTIMATORS[asked.name]), target_name=policy)

    def segments(self) -> Grouping | None:
        """Return rankings by segment."""
        codes, names = self._logged.segment, self._logged.names.segments
        if codes is None:
            return None
        reward = np.asarray(self._inputs.reward.sum(axis=1))
        return Grouping(codes, names, reward, self.weight, self.cluster)

    def positions(self) -> Grouping | None:
        """Return places of rankings by position, each weighted by the ranking down to it."""
        placed = self._logged.placed()
        codes = np.broadcast_to(np.arange(placed.shape[1], dtype=np.int32), placed.shape)
        cluster = None
        if self.cluster is not None:
            cluster = np.broadcast_to(self.cluster[:, None], placed.shape)[placed]
        return Grouping(
            codes[placed],
            (),
            self._inputs.reward[placed],
            self._inputs.cascade_weight()[placed],
            cluster,
        )

    def _modelled(self) -> RankingInputs:
        if self._with_model is None:
            if self._fitted is None:
                raise EstimationError(
                    "no reward model was fitted", hint="name the model of the study's plan"
                )
            self._with_model = self._fitted.fill(self._inputs, self._target)
        return self._with_model

    def _weight_of(self, spec: RankingEstimatorSpec) -> FloatArray:
        """Return (n,) the weights that an estimator uses, their mean where it has several.

        Of position by position weights the mean over a ranking's places is taken: 1 in expectation
        as each of them is.
        """
        if spec.name in ("sips", "snsips"):
            return self.weight
        weight = self._inputs.cascade_weight()
        logged, target = self._inputs.logged_marginal, self._inputs.target_marginal
        if spec.needs_marginals and logged is not None and target is not None:
            weight = target / logged
        return np.asarray(weight.mean(axis=1, where=self._logged.placed()))

    def _bounds(self, spec: RankingEstimatorSpec) -> Bounds | None:
        """Return the range of an estimator's terms, where the plan knows the largest weight."""
        most = self.plan.weight_max
        if most is None or spec.needs_model:
            return None
        positions = self._logged.items.shape[1]
        low = min(0.0, float(self._inputs.reward.min())) * positions
        high = max(1.0, float(self._inputs.reward.max())) * positions
        return Bounds(low * most, high * most, most, low, high)
