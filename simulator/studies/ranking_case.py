"""One target policy on rankings; what estimators share is made once, when first needed."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from bandit.types import FloatArray
from simulator.diagnostics import diagnose
from simulator.diagnostics.weights import check_weight_max
from simulator.errors import EstimationError
from simulator.intervals import Bounds, importance_bounds
from simulator.logged import LoggedRankings
from simulator.policies.lotteries import at_logged
from simulator.rankings.inputs import (
    CascadeTarget,
    PlacementTarget,
    RankingInputs,
    ranking_inputs,
    with_examination,
    with_marginals,
)
from simulator.rankings.pbm_iips import examination, seen_examination
from simulator.rankings.registry import RANKING_ESTIMATORS, RankingEstimatorSpec
from simulator.results import Diagnostics
from simulator.reward_models import CrossFittedRankings
from simulator.studies.asked import Asked
from simulator.studies.cases import Answer, Grouping
from simulator.studies.logged_places import LoggedPlaces, Placing
from simulator.studies.plans import JudgePlan
from simulator.studies.splitting import Clusters


class OrderTarget(CascadeTarget, PlacementTarget, Protocol):
    """A target that tells all that estimators of rankings may ask."""


class _Curve(NamedTuple):
    """How far viewers look."""

    examination: FloatArray
    """Shape (L,): the chance of each position to be looked at, or in proportion to it."""
    told: str
    """Where it is taken from."""


class RankingCase:
    """See :class:`simulator.studies.cases.Case`; a round's reward is the sum of its positions'."""

    marked = ""

    def __init__(
        self,
        logged: LoggedRankings,
        target: OrderTarget,
        plan: JudgePlan,
        fitted: CrossFittedRankings | None,
        places: LoggedPlaces | None,
    ) -> None:
        """Take what there is; the reward model and the log's places are the same for all."""
        self.plan = plan
        self.cluster: Clusters | None = logged.cluster if plan.clustered else None
        self._logged = logged
        self._target = target
        self._fitted = fitted
        self._places = places or LoggedPlaces(None, "nobody worked them out")
        self._inputs = ranking_inputs(logged, target)

    @property
    def weight(self) -> FloatArray:
        """Shape (n,): weights of whole rankings."""
        return np.asarray(self._inputs.cascade_weight()[:, -1])

    def answer(self, asked: Asked) -> Answer:
        """Return what an estimator says."""
        spec = RANKING_ESTIMATORS[asked.name]
        terms = spec.terms(self._inputs_of(spec))
        warnings = (self._curve.told,) if spec.needs_examination else ()
        return Answer(terms, {}, self._bounds(spec), warnings)

    def diagnose(self, policy: str, asked: Asked) -> Diagnostics:
        """Return how far an estimator's word may be trusted.

        Raises:
            EstimationError: a weight, at whatever position, is above the largest possible.
        """
        spec = RANKING_ESTIMATORS[asked.name]
        weight = self._weight_of(spec)
        check_weight_max(self._largest_weight(spec), self.plan.weight_max)
        return diagnose(
            weight,
            target_name=policy,
            cluster=self._logged.cluster,
            reward=np.asarray(self._inputs.reward.sum(axis=1)),
        )

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

    def _inputs_of(self, spec: RankingEstimatorSpec) -> RankingInputs:
        if spec.needs_model:
            return self._modelled
        if spec.needs_marginals:
            return self._with_marginals
        return self._examined if spec.needs_examination else self._inputs

    @cached_property
    def _modelled(self) -> RankingInputs:
        if self._fitted is None:
            raise EstimationError(
                "no reward model was fitted", hint="name the model of the study's plan"
            )
        return self._fitted.fill(self._inputs, self._target)

    @cached_property
    def _with_marginals(self) -> RankingInputs:
        marginal = self._logged.marginal
        if marginal is None:
            marginal = at_logged(self._placements(), self._logged.items)
        return with_marginals(self._inputs, self._logged, self._target, marginal)

    @cached_property
    def _examined(self) -> RankingInputs:
        logging = Placing(self._placements())
        curve = self._curve.examination
        return with_examination(self._inputs, self._logged, logging, self._target, curve)

    @cached_property
    def _curve(self) -> _Curve:
        """Return how far viewers look, by what they saw or else by what they rewarded."""
        curve = seen_examination(self._logged)
        source = "the share of pages on which it was seen"
        if curve is None:
            marginal = at_logged(self._placements(), self._logged.items)
            curve = examination(self._logged, marginal)
            source = "what it earned, as the log does not tell what was seen"
        shown = ", ".join(f"{value:.2g}" for value in curve)
        return _Curve(
            curve,
            f"a position is taken to be looked at whatever stands there, by {source} "
            f"({shown} from the top); intervals take this as exact",
        )

    def _placements(self) -> FloatArray:
        """Return (n, L, R) where the policy that wrote the log would have put its rows.

        Raises:
            EstimationError: that is not known of all rounds.
        """
        if self._places.placements is None:
            raise EstimationError(
                "this estimator needs the log's probabilities of rows at positions whatever "
                f"stands above, but {self._places.unknown}",
                hint="or use rips, which needs none",
            )
        return self._places.placements

    def _weight_of(self, spec: RankingEstimatorSpec) -> FloatArray:
        """Return (n,) the weights that an estimator uses, their mean where it has several.

        Each has a mean of 1 in expectation. Of position by position weights that holds at every
        position, and so of their mean over a ranking's places; of weights by examination, of their
        mean weighted by it.
        """
        if spec.name in ("sips", "snsips"):
            return self.weight
        placed = self._logged.placed()
        try:
            inputs = self._inputs_of(spec)
        except EstimationError:
            # There is no estimate either, which says why; these are weights of what was logged.
            return np.asarray(self._inputs.cascade_weight().mean(axis=1, where=placed))
        if spec.needs_examination:
            looked_at = placed * self._curve.examination
            weighted = (inputs.examined_weight() * looked_at).sum(axis=1)
            return np.asarray(weighted / looked_at.sum(axis=1))
        weight = inputs.marginal_weight() if spec.needs_marginals else inputs.cascade_weight()
        return np.asarray(weight.mean(axis=1, where=placed))

    def _largest_weight(self, spec: RankingEstimatorSpec) -> float:
        """Return the largest weight that an estimator uses, at any position."""
        if spec.name in ("sips", "snsips"):
            return float(self.weight.max())
        try:
            inputs = self._inputs_of(spec)
        except EstimationError:
            return 0.0
        if spec.needs_examination:
            weight = inputs.examined_weight()
        else:
            weight = inputs.marginal_weight() if spec.needs_marginals else inputs.cascade_weight()
        return float(weight.max(where=self._logged.placed(), initial=0.0))

    def _bounds(self, spec: RankingEstimatorSpec) -> Bounds | None:
        """Return the range of an estimator's terms, where the plan knows the largest weight.

        Rewards at a position must be within [0, 1]: what was seen of others is no bound.
        """
        most, reward = self.plan.weight_max, self._inputs.reward
        if most is None or spec.needs_model or reward.min() < 0 or reward.max() > 1:
            return None
        positions = float(self._logged.items.shape[1])
        return importance_bounds(most, 0.0, positions)._replace(source="as told")
