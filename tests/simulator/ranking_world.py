"""A world small enough to list: four items, three positions, every ranking."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.logged import CodeArray, LoggedRankings
from simulator.policies.lotteries import Lotteries, alike
from simulator.rankings.inputs import RankingInputs
from simulator.rankings.placement import placement_probabilities

ITEMS, POSITIONS = 4, 3
RANKINGS: CodeArray = np.array(list(permutations(range(ITEMS), POSITIONS)), np.int32)
LOGGED = np.array([0.2, -0.4, 0.9, 0.0])
TARGET = np.array([-0.8, 1.1, 0.3, 0.4])


class Orders(NamedTuple):
    """A Plackett–Luce policy with the same logits for everybody."""

    logits: FloatArray
    name: str = "orders"

    def pages(self, logged: LoggedRankings) -> FloatArray:
        """Return (n, R) the logits of each round's candidates, -inf where there is none."""
        return np.tile(self.logits, (len(logged), 1))

    def lotteries(self, logged: LoggedRankings) -> Lotteries:
        return alike(self.pages(logged), logged.items.shape[1], greedy=False)

    def conditional_pmf(self, logged: LoggedRankings) -> FloatArray:
        return self.lotteries(logged).conditional_pmf(logged.items)

    def conditional_probability(self, logged: LoggedRankings) -> FloatArray:
        return self.lotteries(logged).conditional(logged.items)

    def placement_probability(self, logged: LoggedRankings) -> FloatArray:
        positions = logged.items.shape[1]
        places = placement_probabilities(self.logits, positions).T
        return places[logged.items] * logged.placed()[:, :, None]

    def marginal_probability(self, logged: LoggedRankings) -> FloatArray:
        return np.diagonal(self.placement_probability(logged), axis1=1, axis2=2)


def every_ranking(reward: FloatArray) -> LoggedRankings:
    """Return a log with one round for each ranking, with its expected rewards, (24, 3)."""
    policy = Orders(LOGGED)
    blank = LoggedRankings(RANKINGS, np.ones(RANKINGS.shape), reward, ITEMS)
    return LoggedRankings(
        RANKINGS,
        policy.conditional_probability(blank),
        reward,
        ITEMS,
        marginal=policy.marginal_probability(blank),
    )


def chances(inputs: RankingInputs) -> tuple[FloatArray, FloatArray]:
    """Return (24,) the probability of each ranking under the log and under the target."""
    return inputs.logged.prod(axis=1), inputs.target.prod(axis=1)


def random_rankings(seed: int, rounds: int, *, context: bool = False) -> LoggedRankings:
    """Return rankings drawn from the logging policy, with rewards that items and places earn."""
    rng = np.random.default_rng(seed)
    noisy = LOGGED + rng.gumbel(size=(rounds, ITEMS))
    items = np.argsort(-noisy, axis=1)[:, :POSITIONS].astype(np.int32)
    appeal = np.array([0.2, 0.8, 0.4, 0.6])[items] * np.array([0.9, 0.6, 0.3])
    viewers = rng.normal(size=(rounds, 2)).astype(np.float32) if context else None
    reward = (rng.random(items.shape) < appeal).astype(np.float64)
    blank = LoggedRankings(items, np.ones(items.shape), reward, ITEMS)
    policy = Orders(LOGGED)
    return LoggedRankings(
        items,
        policy.conditional_probability(blank),
        reward,
        ITEMS,
        marginal=policy.marginal_probability(blank),
        context=viewers,
    )
