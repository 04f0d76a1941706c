"""Intervals cover as often as they say, over hundreds of repetitions in worlds with known truth.

Seeds are fixed, so that each test gives the same verdict always. At a true coverage of 95 % the
share covered in 1,000 repetitions is within 93 % to 97 % with a probability of 99.6 % (binomial);
conservative intervals and sequences must not be below 95 % at alpha 1e-3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import pytest
from scipy import stats

from bandit.types import FloatArray
from simulator.intervals import (
    Bounds,
    doubly_robust_bounds,
    importance_bounds,
    interval,
    sequence_path,
)
from simulator.terms import Terms

LEVEL: Final = 0.95
BAND: Final = (0.93, 0.97)
REPETITIONS: Final = 1000
ROUNDS: Final = 500
RESAMPLES: Final = 400
ALPHA: Final = 1e-3

LOGGING: Final = np.array([0.5, 0.3, 0.2])
TARGET: Final = np.array([0.2, 0.3, 0.5])
WEIGHTS: Final = TARGET / LOGGING
WEIGHT_MAX: Final = float(WEIGHTS.max())
CLICK: Final = np.array([0.2, 0.35, 0.5])
MODEL: Final = np.array([0.3, 0.3, 0.4])
"""A reward model that is off."""
TRUTH: Final = float(TARGET @ CLICK)


class World(NamedTuple):
    """All repetitions at once, arrays of shape (repetitions, rounds)."""

    weight: FloatArray
    reward: FloatArray
    predicted: FloatArray

    def terms(self, kind: str, repetition: int) -> Terms:
        """Return an estimator's terms."""
        weight, reward = self.weight[repetition], self.reward[repetition]
        if kind == "ips":
            return Terms(weight * reward)
        if kind == "snips":
            return Terms(weight * reward, weight)
        base = np.full(len(weight), float(TARGET @ MODEL))
        residual = weight * (reward - self.predicted[repetition])
        return Terms(residual, weight if kind == "sndr" else None, base)


def _world(seed: int, repetitions: int, rounds: int) -> World:
    rng = np.random.default_rng(seed)
    action = rng.choice(3, (repetitions, rounds), p=LOGGING)
    reward = (rng.random(action.shape) < CLICK[action]).astype(np.float64)
    return World(WEIGHTS[action], reward, MODEL[action])


@pytest.fixture(scope="module")
def world() -> World:
    """Give the repetitions that all intervals share."""
    return _world(20_240_601, REPETITIONS, ROUNDS)


def _covered(world: World, kind: str, method: str, bounds: Bounds | None = None) -> float:
    hits = 0
    for repetition in range(REPETITIONS):
        found = interval(
            method,
            world.terms(kind, repetition),
            level=LEVEL,
            seed=repetition,
            resamples=RESAMPLES,
            bounds=bounds,
        )
        hits += found.low <= TRUTH <= found.high
    return hits / REPETITIONS


@pytest.mark.parametrize("kind", ["ips", "snips", "dr", "sndr"])
@pytest.mark.parametrize("method", ["normal", "bootstrap"])
def test_intervals_for_many_rounds_cover_in_the_band(world: World, kind: str, method: str) -> None:
    assert BAND[0] <= _covered(world, kind, method) <= BAND[1]


@pytest.mark.parametrize("kind", ["ips", "snips", "dr"])
def test_cressie_read_covers_in_the_band(kind: str) -> None:
    """At 4,000 rounds: the point that it adds widens it where rounds are few."""
    world = _world(20_240_602, REPETITIONS, 4000)
    bounds = doubly_robust_bounds(WEIGHT_MAX) if kind == "dr" else importance_bounds(WEIGHT_MAX)
    assert BAND[0] <= _covered(world, kind, "cressie-read", bounds) <= BAND[1]


@pytest.mark.parametrize("method", ["bernstein", "hoeffding", "sequence"])
@pytest.mark.parametrize("kind", ["ips", "dr"])
def test_intervals_for_any_number_of_rounds_cover_at_least(
    world: World, kind: str, method: str
) -> None:
    bounds = doubly_robust_bounds(WEIGHT_MAX) if kind == "dr" else importance_bounds(WEIGHT_MAX)
    assert _covered(world, kind, method, bounds) >= LEVEL


def test_clopper_pearson_covers_at_least() -> None:
    """At 40 rounds, for on-policy clicks and for clicks among replay's matches."""
    rng = np.random.default_rng(7)
    clicks = (rng.random((REPETITIONS, 40)) < 0.1).astype(np.float64)
    match = (rng.random((REPETITIONS, 40)) < 0.5).astype(np.float64)
    match[:, 0] = 1.0
    for terms in (
        [Terms(row) for row in clicks],
        [Terms(row * kept, kept) for row, kept in zip(clicks, match, strict=True)],
    ):
        found = [interval("clopper-pearson", one) for one in terms]
        assert sum(one.low <= 0.1 <= one.high for one in found) >= LEVEL * REPETITIONS


@pytest.mark.parametrize("method", ["normal", "bootstrap"])
def test_clustered_intervals_cover_in_the_band(method: str) -> None:
    """300 viewers of 1 to 8 rounds, whose clicks hang together; plain intervals do not cover."""
    rng = np.random.default_rng(8)
    hits, plain_hits = 0, 0
    for repetition in range(REPETITIONS):
        viewer = np.repeat(np.arange(300, dtype=np.int64), rng.integers(1, 9, 300))
        taste = rng.beta(1.0, 1.0, 300)[viewer]
        weight = rng.choice(WEIGHTS, len(viewer), p=LOGGING)
        reward = (rng.random(len(viewer)) < taste).astype(np.float64)
        terms = Terms(weight * reward, weight)
        found = interval(method, terms, cluster=viewer, seed=repetition, resamples=RESAMPLES)
        plain = interval("normal", terms)
        hits += found.low <= 0.5 <= found.high
        plain_hits += plain.low <= 0.5 <= plain.high
    assert BAND[0] <= hits / REPETITIONS <= BAND[1]
    assert plain_hits / REPETITIONS < BAND[0]


def _times_left(
    draw: Callable[[np.random.Generator], FloatArray], truth: float, weight_max: float, runs: int
) -> int:
    rng = np.random.default_rng(9)
    left = 0
    for _ in range(runs):
        terms = Terms(draw(rng))
        path = sequence_path(terms, bounds=importance_bounds(weight_max), level=LEVEL, grid=24)
        left += not bool(((path.low <= truth) & (truth <= path.high)).all())
    return left


def test_sequences_hold_at_every_moment_at_once() -> None:
    """The share of runs in which the truth is ever left, looking after each, is at most 5 %."""

    def draw(rng: np.random.Generator) -> FloatArray:
        action = rng.choice(3, 400, p=LOGGING)
        return np.asarray(WEIGHTS[action] * (rng.random(400) < CLICK[action]))

    left = _times_left(draw, TRUTH, WEIGHT_MAX, REPETITIONS)
    assert stats.binomtest(left, REPETITIONS, 1 - LEVEL, "greater").pvalue > ALPHA


@pytest.mark.parametrize("click", [0.05, 0.5])
def test_sequences_of_rare_heavy_terms_hold_at_every_moment_at_once(click: float) -> None:
    """A weight of 30 in one round out of 30: most of what can be earned is far from the mean."""

    def draw(rng: np.random.Generator) -> FloatArray:
        return np.where(rng.random(600) < click / 30, 30.0, 0.0)

    assert stats.binomtest(_times_left(draw, click, 30.0, 300), 300, 0.05, "greater").pvalue > ALPHA


def test_a_normal_interval_looked_at_after_each_round_does_not_hold() -> None:
    """What sequences are for: peeking at normal intervals loses the truth far too often."""
    world = _world(10, 400, 400)
    terms = world.weight * world.reward
    counts = np.arange(1, 401)
    mean = terms.cumsum(axis=1) / counts
    variance = np.maximum(0.0, (terms**2).cumsum(axis=1) / counts - mean**2)
    reach = stats.norm.ppf(0.975) * np.sqrt(variance / counts)
    left = (np.abs(mean - TRUTH) > reach)[:, 30:].any(axis=1)
    assert left.mean() > 0.2
