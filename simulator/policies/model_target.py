"""Array policies as targets: fitted on a part of a log, frozen, and asked about the rest.

A target is the policy that :class:`simulator.policies.array_policy.ArrayPolicy` with the same model
and known propensities would be, once it stopped learning: what it serves is drawn from these
probabilities. What it learns is a plain regression on what was logged, without importance weights.

Thompson sampling is judged on single choices, where the probability that a draw is the best can be
worked out. Of an order of rows it cannot, and such a target refuses rankings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.errors import TargetError
from simulator.logged import CodeArray, LoggedChoices, LoggedRankings
from simulator.pages import Codes
from simulator.policies.array_policy import mixed_pmf
from simulator.policies.lotteries import Lotteries, LotteryTarget, alike
from simulator.policies.models import Asked, Model, Observed, Problem
from simulator.policies.orders import mixed_in_turn

_CELLS_AT_ONCE: Final = 2_000_000
_RUN_MAX: Final = 64
"""Rounds that are asked for together because their contexts are one."""

Logged = LoggedChoices | LoggedRankings


class ModelTarget(LotteryTarget):
    """A model, frozen."""

    def __init__(
        self, name: str, make: Callable[[], Model], *, learns: bool, epsilon: float = 0.0
    ) -> None:
        self.name = name
        self.learns = learns
        self._make = make
        self._epsilon = epsilon
        self._problem = Problem(np.zeros((0, 0), np.float32), 0, 1)
        self._model: Model | None = None if learns else make()

    def fit(self, training: Logged | None) -> None:
        """Learn from logged rounds; without any, know nothing but the prior of no items."""
        if not self.learns or training is None:
            return
        self._problem = problem_of(training)
        self._model = self._make()
        self._model.start(self._problem)
        if isinstance(training, LoggedChoices):
            observed = Observed(asked_by(training), training.items(), training.reward)
        else:
            observed = observed_rows(training)
        self._model.learn(observed)

    def pmf(self, logged: LoggedChoices) -> FloatArray:
        """Return (n, K) probabilities; see :class:`simulator.targets.ChoiceTarget`."""
        pmf = np.empty((len(logged), logged.action_count))
        for part, found in self._parts(logged):
            pmf[part] = found
        return pmf

    def chosen_probability(self, logged: LoggedChoices) -> FloatArray:
        """Return (n,) probabilities of what was logged."""
        chosen = np.empty(len(logged))
        for part, found in self._parts(logged):
            action = logged.action[part].astype(np.intp)
            chosen[part] = np.take_along_axis(found, action[:, None], axis=1)[:, 0]
        return chosen

    def _parts(self, logged: LoggedChoices) -> Iterator[tuple[slice, FloatArray]]:
        self._check(logged)
        at_once = max(1, _CELLS_AT_ONCE // max(1, logged.action_count, len(self._problem.items)))
        for start in range(0, len(logged), at_once):
            part = slice(start, start + at_once)
            yield part, self._pmf_of(logged.take(part))

    def _pmf_of(self, logged: LoggedChoices) -> FloatArray:
        asked = asked_by(logged)
        if logged.candidates is None:
            sets = np.arange(logged.action_count, dtype=np.int32)[None]
            pmf = mixed_pmf(self._fitted.pmf(asked, sets), sets, self._epsilon)
            return np.broadcast_to(pmf, (len(logged), logged.action_count))
        runs = _runs(asked)
        sets = np.full((len(runs.first), runs.longest, logged.action_count), -1, np.int32)
        sets[runs.of_round, runs.place] = logged.candidates
        pmf = mixed_pmf(self._fitted.pmf(asked.take(runs.first), sets), sets, self._epsilon)
        return np.broadcast_to(pmf, sets.shape)[runs.of_round, runs.place]

    def conditional_probability(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L); see :class:`simulator.targets.RankingTarget`."""
        found = self.lotteries(logged).conditional(logged.items)
        if not self._epsilon:
            return found
        even = _even(logged).conditional(logged.items)
        return mixed_in_turn(found, even, self._epsilon)

    def conditional_pmf(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L, R); see :class:`simulator.rankings.inputs.CascadeTarget`."""
        own = self.lotteries(logged)
        found = own.conditional_pmf(logged.items)
        if not self._epsilon:
            return found
        even = _even(logged)
        shares = [
            share * _above(one.conditional(logged.items))
            for share, one in ((1 - self._epsilon, own), (self._epsilon, even))
        ]
        both = shares[0] + shares[1]
        weight = np.divide(shares[0], both, out=np.zeros(both.shape), where=both > 0)[:, :, None]
        return np.asarray(weight * found + (1 - weight) * even.conditional_pmf(logged.items))

    def placements(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, L, R) the probability of each candidate at each position."""
        positions = logged.items.shape[1]
        found = self.lotteries(logged).placements(positions)
        if not self._epsilon:
            return found
        return (1 - self._epsilon) * found + self._epsilon * _even(logged).placements(positions)

    def lotteries(self, logged: LoggedRankings) -> Lotteries:
        """Return how rows would be ordered, but for the share of any order."""
        self._check(logged)
        model = self._fitted
        if model.kind == "thompson":
            raise TargetError(
                f"how likely {self.name} is to draw an order of rows cannot be worked out",
                hint="judge it on single choices, or simulate it in an environment",
            )
        rows = candidate_rows(logged)
        # Neither kind that is left draws anything to make its scores.
        scores = model.scores(asked_by(logged), rows, np.random.default_rng(0))
        numbers = np.broadcast_to(scores.astype(np.float64), rows.shape).copy()
        return alike(numbers, logged.items.shape[1], greedy=model.kind == "greedy")

    @property
    def _fitted(self) -> Model:
        if self._model is None:
            raise TargetError(
                f"{self.name} was not trained", hint="keep a part of the log for training"
            )
        return self._model

    def _check(self, logged: Logged) -> None:
        if self.learns and self._model is not None:
            known = len(self._problem.items)
            if _item_count(logged) > known:
                raise TargetError(
                    f"{self.name} learned of {known} items, the rounds have {_item_count(logged)}",
                    hint="train and judge on rounds with the same items",
                )


class _Runs(NamedTuple):
    """Neighbouring rounds that share a context and segment."""

    longest: int
    first: Codes
    """Shape (runs,): the first round of each."""
    of_round: Codes
    """Shape (n,)."""
    place: Codes
    """Shape (n,): of each round in its run."""


def _runs(asked: Asked) -> _Runs:
    count = len(asked.segments)
    differs = (asked.contexts[1:] != asked.contexts[:-1]).any(axis=1)
    differs |= asked.segments[1:] != asked.segments[:-1]
    begins = np.concatenate([[True], differs])[:count]
    first = np.flatnonzero(begins)
    place = np.arange(count) - np.repeat(first, np.diff(np.append(first, count)))
    begins |= place % _RUN_MAX == 0
    place %= _RUN_MAX
    return _Runs(
        int(place.max(initial=0)) + 1,
        np.flatnonzero(begins).astype(np.int32),
        (np.cumsum(begins) - 1).astype(np.int32),
        place.astype(np.int32),
    )


def asked_by(logged: Logged) -> Asked:
    """Return who was decided for."""
    count = len(logged)
    contexts = np.zeros((count, 0), np.float32) if logged.context is None else logged.context
    segments = np.zeros(count, np.int32) if logged.segment is None else logged.segment
    return Asked(contexts, segments)


def problem_of(logged: Logged) -> Problem:
    """Return what a model may know of logged rounds beforehand."""
    items = logged.item_features
    count = max(len(logged.names.items), _item_count(logged))
    if items is None or len(items) < count:
        items = np.zeros((count, 0), np.float32)
    asked = asked_by(logged)
    segments = max(len(logged.names.segments), int(asked.segments.max(initial=0)) + 1)
    return Problem(items, asked.contexts.shape[1], segments)


def observed_rows(logged: LoggedRankings) -> Observed:
    """Return what each row that was seen earned; all that stood there, where that is not told."""
    shown = logged.placed() if logged.seen is None else logged.placed() & logged.seen
    page, position = np.nonzero(shown)
    rows = candidate_rows(logged)
    item = rows[page, logged.items[page, position]]
    return Observed(
        asked_by(logged).take(page.astype(np.int32)), item, logged.reward[page, position]
    )


def candidate_rows(logged: LoggedRankings) -> CodeArray:
    """Return (n, R) the item codes of each round's candidates."""
    if logged.candidates is not None:
        return logged.candidates
    every = np.arange(logged.item_count, dtype=np.int32)
    return np.broadcast_to(every, (len(logged), logged.item_count))


def _item_count(logged: Logged) -> int:
    if logged.candidates is not None:
        return int(logged.candidates.max(initial=-1)) + 1
    return logged.action_count if isinstance(logged, LoggedChoices) else logged.item_count


def _even(logged: LoggedRankings) -> Lotteries:
    numbers = np.where(candidate_rows(logged) >= 0, 0.0, -np.inf)
    return alike(numbers, logged.items.shape[1], greedy=False)


def _above(conditional: FloatArray) -> FloatArray:
    """Return (n, L) the probability of all that stands above each position."""
    tops = conditional.cumprod(axis=1)
    return np.concatenate([np.ones((len(tops), 1)), tops[:, :-1]], axis=1)
