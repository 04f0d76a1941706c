"""Estimates over logs larger than memory: a batch at a time, summed up as it goes.

For estimators whose terms of one round depend on no other round: IPS and SNIPS with a fixed
clipping, above all. Those with a reward model need one that was fitted before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bandit.types import FloatArray
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


class WeightSummary(NamedTuple):
    """Importance weights of a stream, summed up."""

    rounds: int = 0
    total: float = 0.0
    squares: float = 0.0
    largest: float = 0.0
    zeros: int = 0
    """Rounds whose action the target would never take."""

    def plus(self, weight: FloatArray) -> WeightSummary:
        """Return the summary with further weights, shape (n,)."""
        return WeightSummary(
            self.rounds + len(weight),
            self.total + float(weight.sum()),
            self.squares + float((weight * weight).sum()),
            max(self.largest, float(weight.max(initial=0.0))),
            self.zeros + int((weight == 0).sum()),
        )

    @property
    def effective_rounds(self) -> float:
        """(Σw)² / Σw² (Kish, 1965)."""
        return self.total**2 / self.squares if self.squares else 0.0


class Streamed(NamedTuple):
    """What a stream says of one target."""

    moments: dict[str, Moments]
    """By estimator."""
    weights: WeightSummary


def stream(
    batches: Iterable[LoggedChoices],
    targets: Sequence[ChoiceTarget],
    estimators: Estimators = WEIGHING,
    progress: Callable[[int], None] = lambda rounds: None,
) -> dict[str, Streamed]:
    """Return what the batches say of each target, by its name, in one pass.

    ``progress`` is told how many rounds each batch had.

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
    """Sums of one target."""

    def __init__(self, estimators: Estimators) -> None:
        self._estimators = estimators
        self._moments: dict[str, Moments] = {}
        self._weights = WeightSummary()

    def take(self, reward: FloatArray, weight: FloatArray) -> None:
        inputs = Inputs(reward=reward, weight=np.asarray(weight))
        self._weights = self._weights.plus(inputs.weight)
        for name, terms in self._estimators.items():
            found = Moments.of(terms(inputs))
            before = self._moments.get(name)
            self._moments[name] = found if before is None else before.merge(found)

    def streamed(self) -> Streamed:
        return Streamed(self._moments, self._weights)
