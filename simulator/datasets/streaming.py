"""Estimates over logs larger than memory: a batch at a time, summed up as it goes.

For estimators whose terms of one round depend on no other round: IPS and SNIPS with a fixed
clipping, above all. Those with a reward model need one that was fitted before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.diagnostics.weights import WeightSums
from simulator.errors import LoggedDataError
from simulator.estimators.inputs import Inputs
from simulator.estimators.ips import ips
from simulator.estimators.snips import snips
from simulator.logged import LoggedChoices
from simulator.moments import Moments
from simulator.targets import ChoiceTarget, check_chosen
from simulator.terms import Terms

Estimators = Mapping[str, Callable[[Inputs], Terms]]

WEIGHING: Estimators = {"ips": ips, "snips": snips}
"""What is estimated where nothing else is asked for."""


class Streamed(NamedTuple):
    """What a stream says of one target."""

    moments: dict[str, Moments]
    """By estimator."""
    weights: WeightSums


def stream(
    batches: Iterable[LoggedChoices],
    targets: Sequence[ChoiceTarget],
    estimators: Estimators = WEIGHING,
    progress: Callable[[int], None] = lambda rounds: None,
) -> dict[str, Streamed]:
    """Return what the batches say of each target, by its name, in one pass.

    Args:
        batches: read once, one after the other; none is kept. Any sizes, empty ones included.
        targets: each is asked for the probability of the logged action, shape (n,) of a batch's n
            rounds, batch by batch in their order: those that learn must be fitted before.
        estimators: by the name to tell results apart by. Each gets reward and weight, both of
            shape (n,), of one batch at a time, so that a round's term may rest on that round alone.
        progress: told how many rounds a batch had, once all targets have judged it.

    Raises:
        LoggedDataError: there is no round.
        TargetError: a target's probabilities are not lawful.
    """
    sums = {target.name: _Sums(estimators) for target in targets}
    rounds = 0
    for logged in batches:
        for target in targets:
            probability = target.chosen_probability(logged)
            check_chosen(probability, len(logged))
            sums[target.name].take(logged.reward, probability / logged.propensity)
        rounds += len(logged)
        progress(len(logged))
    if not rounds:
        raise LoggedDataError(
            "rounds", "there are none", hint="give batches with at least one round"
        )
    return {name: one.streamed() for name, one in sums.items()}


class _Sums:
    """Sums of one target; :meth:`streamed` may be called once at least one batch was taken."""

    def __init__(self, estimators: Estimators) -> None:
        self._estimators = estimators
        self._moments: dict[str, Moments] = {}
        self._weights = WeightSums.none()

    def take(self, reward: FloatArray, weight: FloatArray) -> None:
        """Add a batch: rewards and importance weights, both of shape (n,)."""
        inputs = Inputs(reward=reward, weight=np.asarray(weight))
        self._weights = self._weights.plus(inputs.weight, reward)
        for name, terms in self._estimators.items():
            found = Moments.of(terms(inputs))
            before = self._moments.get(name)
            self._moments[name] = found if before is None else before.merge(found)

    def streamed(self) -> Streamed:
        """Return the sums as they stand now."""
        return Streamed(self._moments, self._weights)
