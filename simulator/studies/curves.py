"""From the traces of runs to curves over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from bandit.types import FloatArray, IndexArray
from simulator.errors import SimulationError
from simulator.results import CurvePoint, SimulatedPolicy
from simulator.studies.over_seeds import band, seed_interval


class Traced(Protocol):
    """What came of one run, by batch; shapes (batches,)."""

    @property
    def pages(self) -> FloatArray:
        """Pages of each batch."""
        ...

    @property
    def counted(self) -> FloatArray:
        """Pages of each batch that rewards are means over: of a log, the rounds accepted."""
        ...

    @property
    def reward(self) -> FloatArray:
        """Reward of each batch, summed over its pages."""
        ...

    @property
    def expected(self) -> FloatArray:
        """What each batch would have earned on average; empty where nobody knows."""
        ...

    @property
    def took_s(self) -> float:
        """Seconds of the whole run."""
        ...


class _Cumulated(NamedTuple):
    """Sums over all batches so far; shapes (seeds, batches)."""

    reward: FloatArray
    counted: FloatArray
    regret: FloatArray | None


def simulated_policy(
    name: str,
    traces: Sequence[Traced],
    oracle: Sequence[Traced] | None,
    *,
    points: int,
    level: float,
) -> SimulatedPolicy:
    """Sum up one policy's runs, one a seed, beside the oracle's on the same seeds.

    Raises:
        SimulationError: a run has no page that rewards are means over.
    """
    sums = _cumulated(traces, oracle)
    if (sums.counted[:, -1] == 0).any():
        raise SimulationError(
            f"no round of the log was accepted for {name}",
            hint="replay more --pages, or judge it by `marquee-sim evaluate`",
        )
    pages = np.cumsum(traces[0].pages)
    by_seed = sums.reward[:, -1] / sums.counted[:, -1]
    lost = None if sums.regret is None else sums.regret[:, -1]
    whole = bool((sums.counted[:, -1] == pages[-1]).all())
    return SimulatedPolicy(
        policy=name,
        curve=_curve(pages, sums, points, level),
        final_reward=seed_interval(by_seed, level),
        final_reward_mean=float(by_seed.mean()),
        final_regret_mean=None if lost is None else float(lost.mean()),
        final_regret=None if lost is None else seed_interval(lost, level),
        pages_per_second=float(pages[-1] * len(traces) / sum(found.took_s for found in traces)),
        by_seed=by_seed.tolist(),
        accepted=None if whole else sums.counted[:, -1].astype(int).tolist(),
    )


def _cumulated(traces: Sequence[Traced], oracle: Sequence[Traced] | None) -> _Cumulated:
    regret = None
    if oracle is not None:
        regret = np.stack(
            [
                np.cumsum(best.expected - found.expected)
                for best, found in zip(oracle, traces, strict=True)
            ]
        )
    return _Cumulated(
        np.cumsum(np.stack([found.reward for found in traces]), axis=1),
        np.cumsum(np.stack([found.counted for found in traces]), axis=1),
        regret,
    )


def _curve(pages: FloatArray, sums: _Cumulated, points: int, level: float) -> list[CurvePoint]:
    ends = _filled(point_batches(len(pages), points), sums.counted)
    earned, counted = (
        np.diff(each[:, ends], axis=1, prepend=0.0) for each in (sums.reward, sums.counted)
    )
    rewards = band(earned / counted, level)
    regrets = None if sums.regret is None else band(sums.regret[:, ends], level)
    return [
        CurvePoint(
            pages=int(pages[end]),
            reward=float(rewards.mean[place]),
            reward_low=float(rewards.low[place]),
            reward_high=float(rewards.high[place]),
            regret=None if regrets is None else float(regrets.mean[place]),
            regret_low=None if regrets is None else float(regrets.low[place]),
            regret_high=None if regrets is None else float(regrets.high[place]),
        )
        for place, end in enumerate(ends)
    ]


def _filled(ends: IndexArray, counted: FloatArray) -> list[int]:
    """Return those batches since whose predecessor every seed counted a page; the last is kept."""
    kept: list[int] = []
    for end in ends.tolist():
        before = counted[:, kept[-1]] if kept else 0.0
        if (counted[:, end] > before).all():
            kept.append(end)
    kept[-1] = int(ends[-1])
    return kept


def point_batches(batches: int, points: int) -> IndexArray:
    """Return the batches, counted from 0, after which a curve has a point: evenly spread."""
    count = min(points, batches)
    ends = np.ceil(np.arange(1, count + 1) * (batches / count))
    return np.asarray(ends, np.intp) - 1
