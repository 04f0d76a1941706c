"""What estimators of rankings are given: (n, L) arrays of what was logged.

Past the end of a short ranking both probabilities are 1 and the reward is 0, so that nothing there
moves a weight or a sum.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from bandit.types import FloatArray
from simulator.errors import EstimationError, TargetError
from simulator.logged import LoggedRankings
from simulator.targets import SUM_TOLERANCE, RankingTarget

_NO_MARGINALS = (
    "log marginal propensities: for Plackett-Luce orders placement_probabilities gives them, for "
    "uniform orders they are 1 over the number of candidates; or use rips, which needs none"
)
_NO_EXAMINATION = "add it: simulator.rankings.inputs.with_examination"


class CascadeTarget(RankingTarget, Protocol):
    """A target that tells its probabilities of every candidate; Cascade-DR needs them."""

    def conditional_pmf(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L, R): what would stand at each position, given the items logged above it."""
        ...


class PlacementTarget(Protocol):
    """A policy that tells where it would put the items logged; the position-based model needs it.

    :func:`simulator.rankings.placement.placement_probabilities` gives this exactly.
    """

    def placement_probability(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L, L): [round, l, k] of the item logged at l, its probability of being at k.

        Whatever stands above; past a ranking's end the rows are 0.
        """
        ...


class RankingInputs(NamedTuple):
    """n rankings of L positions, float64 arrays of shape (n, L)."""

    reward: FloatArray
    logged: FloatArray
    """Logged propensities of each item, given those above it; in (0, 1]."""
    target: FloatArray
    """The target's probabilities of each logged item, given those logged above it."""
    logged_marginal: FloatArray | None = None
    """Logged propensities of each item at its position, whatever stands above; in (0, 1]."""
    target_marginal: FloatArray | None = None
    """The target's."""
    logged_examined: FloatArray | None = None
    """The examination that the logging policy gave each logged item on average, over all positions
    it might have put it to: Σₖ examination(k) · P(item at k); positive where an item stands."""
    target_examined: FloatArray | None = None
    """The same under the target."""
    predicted: FloatArray | None = None
    """A reward model's prediction for each logged item, given those above."""
    expected: FloatArray | None = None
    """The prediction averaged over what the target would put there, given those logged above."""

    def cascade_weight(self) -> FloatArray:
        """Return (n, L): the ratio of the probabilities of the ranking down to each position."""
        return np.asarray(np.cumprod(self.target / self.logged, axis=1), np.float64)

    def marginal_weight(self) -> FloatArray:
        """Return (n, L): the ratio of the marginal probabilities at each position.

        Raises:
            EstimationError: there are none.
        """
        logged = needed(self.logged_marginal, "marginal propensities of the log", _NO_MARGINALS)
        target = needed(self.target_marginal, "the target's marginal probabilities", _NO_MARGINALS)
        return target / logged

    def examined_weight(self) -> FloatArray:
        """Return (n, L): the ratio of the examination that each logged item gets on average.

        Raises:
            EstimationError: there is no examination.
        """
        target = needed(self.target_examined, "examination under the target", _NO_EXAMINATION)
        logged = needed(self.logged_examined, "examination under the log", _NO_EXAMINATION)
        return target / logged


def ranking_inputs(logged: LoggedRankings, target: RankingTarget) -> RankingInputs:
    """Put together what is known without a reward model or examination.

    Marginals are asked of the target only where the log has its own.

    Raises:
        TargetError: the target's probabilities have the wrong shape or lie outside [0, 1].
    """
    placed = logged.placed()
    conditional = _checked(target.conditional_probability(logged), placed.shape)
    inputs = RankingInputs(
        reward=np.where(placed, logged.reward, 0.0),
        logged=np.where(placed, logged.propensity, 1.0),
        target=np.where(placed, conditional, 1.0),
    )
    return inputs if logged.marginal is None else with_marginals(inputs, logged, target)


def with_marginals(
    inputs: RankingInputs,
    rankings: LoggedRankings,
    target: RankingTarget,
    marginal: FloatArray | None = None,
) -> RankingInputs:
    """Add each logged item's probability at its position, whatever stands above.

    Args:
        inputs: what is known so far.
        rankings: the rankings that the inputs are from.
        target: the policy to judge.
        marginal: (n, L) those of the policy that wrote the log; None takes what the log tells.

    Raises:
        EstimationError: neither is given.
        TargetError: the target's probabilities have the wrong shape or lie outside [0, 1].
    """
    placed = rankings.placed()
    given = rankings.marginal if marginal is None else marginal
    logged = needed(given, "marginal propensities of the log", _NO_MARGINALS)
    found = _checked(target.marginal_probability(rankings), placed.shape)
    return inputs._replace(
        logged_marginal=np.where(placed, logged, 1.0),
        target_marginal=np.where(placed, found, 1.0),
    )


def with_examination(
    inputs: RankingInputs,
    rankings: LoggedRankings,
    logging: PlacementTarget,
    target: PlacementTarget,
    examination: FloatArray,
) -> RankingInputs:
    """Add the average examination of each logged item under both policies.

    Args:
        inputs: what is known so far.
        rankings: the rankings that the inputs are from.
        logging: the policy that wrote the log.
        target: the policy to judge.
        examination: (L,) the probability that a viewer looks at each position, or anything in
            proportion to it.

    Raises:
        EstimationError: the logging policy gives an item no examination though it was logged.
    """
    placed = rankings.placed()
    under_logging = logging.placement_probability(rankings) @ examination
    under_target = target.placement_probability(rankings) @ examination
    if (under_logging[placed] <= 0).any():
        raise EstimationError(
            "items were logged that the logging policy, as given, puts where nobody looks",
            hint="give the policy that wrote the log, and a positive examination of position 0",
        )
    return inputs._replace(
        logged_examined=np.where(placed, under_logging, 1.0),
        target_examined=np.where(placed, under_target, 1.0),
    )


def needed(values: FloatArray | None, what: str, hint: str) -> FloatArray:
    """Return inputs that an estimator cannot do without.

    Raises:
        EstimationError: they are missing.
    """
    if values is None:
        raise EstimationError(f"this estimator needs {what}", hint=hint)
    return values


def _checked(probability: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    if probability.shape != shape:
        raise TargetError(
            f"the target gave probabilities of shape {probability.shape} for rankings of {shape}",
            hint="give one probability a round and position, of the logged item",
        )
    with np.errstate(invalid="ignore"):
        lawful = (probability >= 0) & (probability <= 1 + SUM_TOLERANCE)
    if not lawful.all():
        first = int(np.flatnonzero(~lawful.all(axis=1))[0])
        raise TargetError(
            f"the target's probabilities are outside [0, 1] (first at round {first})",
            hint="mend the policy's arithmetic",
        )
    return probability
