"""From the traces of runs to curves over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from bandit.types import FloatArray, IndexArray
from simulator.results import CurvePoint, SimulatedPolicy
from simulator.studies.over_seeds import band, seed_interval


class Traced(Protocol):
    """What came of one run, by batch; shapes (batches,)."""

    @property
    def pages(self) -> FloatArray:
        """Pages of each batch."""
        ...

    @property
    def reward(self) -> FloatArray:
        """Reward of each batch, summed over its pages."""
        ...

    @property
    def expected(self) -> FloatArray:
        """What each batch would have earned on average."""
        ...

    @property
    def took_s(self) -> float:
        """Seconds of the whole run."""
        ...


def simulated_policy(
    name: str, traces: Sequence[Traced], oracle: Sequence[Traced], *, points: int, level: float
) -> SimulatedPolicy:
    """Sum up one policy's runs, one a seed, beside the oracle's on the same seeds."""
    regret = np.stack(
        [
            np.cumsum(best.expected - found.expected)
            for best, found in zip(oracle, traces, strict=True)
        ]
    )
    reward = np.cumsum(np.stack([found.reward for found in traces]), axis=1)
    pages = np.cumsum(traces[0].pages)
    by_seed = reward[:, -1] / pages[-1]
    return SimulatedPolicy(
        policy=name,
        curve=_curve(pages, reward, regret, points, level),
        final_reward=seed_interval(by_seed, level),
        final_reward_mean=float(by_seed.mean()),
        final_regret_mean=float(regret[:, -1].mean()),
        final_regret=seed_interval(regret[:, -1], level),
        pages_per_second=float(pages[-1] * len(traces) / sum(found.took_s for found in traces)),
        by_seed=by_seed.tolist(),
    )


def _curve(
    pages: FloatArray, reward: FloatArray, regret: FloatArray, points: int, level: float
) -> list[CurvePoint]:
    """Return the points; ``reward`` and ``regret`` are cumulated, of shape (seeds, batches)."""
    ends = point_batches(len(pages), points)
    since = np.diff(reward[:, ends], axis=1, prepend=0.0) / np.diff(pages[ends], prepend=0.0)
    rewards, regrets = band(since, level), band(regret[:, ends], level)
    return [
        CurvePoint(
            pages=int(pages[end]),
            reward=float(rewards.mean[place]),
            reward_low=float(rewards.low[place]),
            reward_high=float(rewards.high[place]),
            regret=float(regrets.mean[place]),
            regret_low=float(regrets.low[place]),
            regret_high=float(regrets.high[place]),
        )
        for place, end in enumerate(ends)
    ]


def point_batches(batches: int, points: int) -> IndexArray:
    """Return the batches, counted from 0, after which a curve has a point: evenly spread."""
    count = min(points, batches)
    ends = np.ceil(np.arange(1, count + 1) * (batches / count))
    return np.asarray(ends, np.intp) - 1
