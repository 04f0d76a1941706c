"""The policy that wrote another log, by how often it chose each item at each position.

Logged propensities are of what was chosen, at that moment, for that viewer; what a policy chose
over a whole log is its average over moments and viewers, and that is what is judged here. Every
item counts as chosen half a time more than it was (Jeffreys' prior), so that none is impossible.
"""

from __future__ import annotations

from typing import NoReturn, Self

import numpy as np

from bandit.types import FloatArray
from simulator.datasets.registry import concatenate, open_source
from simulator.errors import TargetError
from simulator.logged import CodeArray, LoggedChoices, LoggedRankings

PSEUDO_COUNT = 0.5


class LogTarget:
    """See the head of this module; it knows single choices out of one set for all rounds."""

    learns = False

    def __init__(self, name: str, written: LoggedChoices) -> None:
        """Count what a log chose.

        Raises:
            TargetError: its rounds had different sets to choose from.
        """
        self.name = name
        self._check(written)
        position = _positions(written)
        counts = np.full((int(position.max()) + 1, written.action_count), PSEUDO_COUNT)
        np.add.at(counts, (position, written.action), 1.0)
        self._frequency = counts / counts.sum(axis=1, keepdims=True)
        self._items = tuple(written.names.items)

    @classmethod
    def of(cls, location: str) -> Self:
        """Read a log, from a path or by its name among the data sets.

        Raises:
            MissingDataError: it is not there.
            LoggedDataError: it is wrong.
            TargetError: its rounds had different sets to choose from.
        """
        source = open_source(location)
        return cls(f"log:{source.name}", concatenate(source.choices()))

    def fit(self, training: LoggedChoices | LoggedRankings | None) -> None:
        """Learn nothing: another log was all there is to learn from."""

    def pmf(self, logged: LoggedChoices) -> FloatArray:
        """Return (n, K) probabilities."""
        return self._of(logged)[_positions(logged)]

    def chosen_probability(self, logged: LoggedChoices) -> FloatArray:
        """Return (n,) the probability of each logged action."""
        return np.asarray(self._of(logged)[_positions(logged), logged.action])

    def conditional_probability(self, logged: LoggedRankings) -> FloatArray:
        """Refuse rankings."""
        self._refuse()

    def marginal_probability(self, logged: LoggedRankings) -> FloatArray:
        """Refuse rankings."""
        self._refuse()

    def placement_probability(self, logged: LoggedRankings) -> FloatArray:
        """Refuse rankings."""
        self._refuse()

    def conditional_pmf(self, logged: LoggedRankings) -> FloatArray:
        """Refuse rankings."""
        self._refuse()

    def _of(self, logged: LoggedChoices) -> FloatArray:
        """Return the frequencies, checked to be of the same items and positions."""
        self._check(logged)
        positions = int(_positions(logged).max(initial=0)) + 1
        same = tuple(logged.names.items) == self._items
        if not same or (positions, logged.action_count) > self._frequency.shape:
            raise TargetError(
                f"{self.name} chose among other items or positions than these rounds have",
                hint="name a log of the same items",
            )
        return np.asarray(self._frequency, np.float64)

    def _check(self, logged: LoggedChoices) -> None:
        if logged.candidates is not None:
            raise TargetError(
                f"{self.name} cannot be judged where each round has a set of its own",
                hint="name a policy, or a TOML file of production's",
            )

    def _refuse(self) -> NoReturn:
        raise TargetError(
            f"{self.name} is known by single choices, not by orders",
            hint="judge it with --surface artwork",
        )


def _positions(logged: LoggedChoices) -> CodeArray:
    return np.zeros(len(logged), np.int32) if logged.position is None else logged.position
