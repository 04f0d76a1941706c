"""What array models believe, against the plain formulas; and what they draw, against their pmf."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.errors import SimulationError
from simulator.policies.best_of_betas import probability_of_best
from simulator.policies.disjoint import DisjointPosterior
from simulator.policies.linear import LinThompson, LinUCB
from simulator.policies.models import Asked, Model, Observed, Problem, gathered
from simulator.policies.popularity import Popularity
from simulator.policies.posterior import Posterior, Prior
from simulator.policies.segment import SegmentThompson
from simulator.policies.shared import SharedPosterior

PRIOR = Prior(variance=0.5, noise=0.2)
ITEMS, CONTEXTS, FEATURES, SEGMENTS = 5, 3, 2, 2
SETS = np.array([[[0, 1, 2], [3, 4, -1]]], np.int32)


def problem() -> Problem:
    rng = np.random.default_rng(3)
    return Problem(rng.normal(size=(ITEMS, FEATURES)).astype(np.float32), CONTEXTS, SEGMENTS)


def observed(count: int = 60, seed: int = 4) -> Observed:
    rng = np.random.default_rng(seed)
    asked = Asked(
        rng.normal(size=(count, CONTEXTS)).astype(np.float32),
        rng.integers(0, SEGMENTS, count).astype(np.int32),
    )
    items = rng.integers(0, ITEMS - 1, count).astype(np.int32)
    return Observed(asked, items, rng.random(count))


def asked(count: int = 4) -> Asked:
    return observed(count, 9).asked


def with_one(vector: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[float]:
    return [1.0, *vector.tolist()]


def crossed(seen: Observed, number: int, item: int, *, shared: bool) -> list[float]:
    """Return the features of one display as the naive loop has them."""
    context = with_one(seen.asked.contexts[number])
    if not shared:
        return context
    features = with_one(problem().items[item])
    return [one * other for one in context for other in features]


@pytest.mark.parametrize("shared", [False, True])
def test_posteriors_are_ridge_regression(shared: bool) -> None:
    posterior: Posterior = SharedPosterior(PRIOR) if shared else DisjointPosterior(PRIOR)
    posterior.start(problem())
    for seed in (4, 5):
        posterior.learn(observed(seed=seed))
    found = posterior.beliefs(asked())
    for item in range(ITEMS):
        rows, rewards = [], []
        for seed in (4, 5):
            seen = observed(seed=seed)
            for number, shown in enumerate(seen.items.tolist()):
                if shared or shown == item:
                    rows.append(crossed(seen, number, shown, shared=shared))
                    rewards.append(seen.rewards[number])
        width = (CONTEXTS + 1) * (FEATURES + 1 if shared else 1)
        design = np.array(rows).reshape(-1, width)
        covariance = np.linalg.inv(np.eye(width) / PRIOR.variance + design.T @ design / PRIOR.noise)
        theta = covariance @ design.T @ np.array(rewards) / PRIOR.noise
        for number in range(4):
            here = Observed(asked(), np.zeros(4, np.int32), np.zeros(4))
            x = np.array(crossed(here, number, item, shared=shared))
            assert found.means[number, item] == pytest.approx(x @ theta, abs=1e-4)
            deviation = np.sqrt(x @ covariance @ x)
            assert found.deviations[number, item] == pytest.approx(deviation, rel=1e-3)


def learned(model: Model) -> Model:
    model.start(problem())
    model.learn(observed())
    return model


def test_lin_ucb_serves_the_upper_end() -> None:
    posterior = DisjointPosterior(PRIOR)
    model = learned(LinUCB(posterior, alpha=2.0))
    means, deviations = posterior.beliefs(asked())
    scores = model.scores(asked(), SETS, np.random.default_rng(0))
    np.testing.assert_allclose(scores, gathered(means + 2 * deviations, SETS), rtol=1e-6)
    pmf = model.pmf(asked(), SETS)
    np.testing.assert_array_equal(pmf.argmax(axis=-1), scores.argmax(axis=-1))
    np.testing.assert_array_equal(pmf.sum(axis=-1), 1)


DRAWS = 40_000
TOLERANCE = 4.5 * np.sqrt(0.25 / DRAWS)
"""Of a frequency; alpha 1e-5 a comparison."""


def frequencies(model: Model, one: Asked, sets: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
                ) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:  # fmt: skip
    many = Asked(np.repeat(one.contexts, DRAWS, axis=0), np.repeat(one.segments, DRAWS))
    best = model.scores(many, sets, np.random.default_rng(7)).argmax(axis=-1)
    return np.asarray((best[..., None] == np.arange(sets.shape[-1])).mean(axis=0))


@pytest.mark.parametrize("name", ["disjoint", "shared of two", "segments"])
def test_the_probability_of_a_draw_to_be_best_is_its_frequency(name: str) -> None:
    models: dict[str, Model] = {
        "disjoint": LinThompson(DisjointPosterior(PRIOR), scale=1.0),
        "shared of two": LinThompson(SharedPosterior(PRIOR), scale=1.0),
        "segments": SegmentThompson(successes=1, failures=2),
    }
    # Draws of a shared model move together, which two of them alone bring out exactly.
    sets = np.array([[[0, 1], [3, 4]]], np.int32) if name == "shared of two" else SETS
    model = learned(models[name])
    one = asked().take(slice(0, 1))
    pmf = model.pmf(one, sets)
    np.testing.assert_allclose(pmf[0], frequencies(model, one, sets), atol=TOLERANCE + 0.002)
    np.testing.assert_allclose(pmf.sum(axis=-1), 1, atol=1e-9)
    assert (pmf[np.broadcast_to(sets < 0, pmf.shape)] == 0).all()


def test_of_several_shared_items_it_is_close() -> None:
    model = learned(LinThompson(SharedPosterior(PRIOR), scale=1.0))
    one = asked().take(slice(0, 1))
    gap = np.abs(model.pmf(one, SETS)[0] - frequencies(model, one, SETS))
    assert gap.max() < 0.1


def test_the_best_of_betas_is_exact_where_it_is_known() -> None:
    ones = np.ones((3, 4))
    eligible = np.array([[True] * 4, [True, True, False, False], [True, False, False, False]])
    found = probability_of_best(ones, ones, eligible)
    np.testing.assert_allclose(found, eligible / eligible.sum(axis=1, keepdims=True), atol=1e-9)
    # Beta(a, 1) is a power of a uniform: the best of two has odds a : b.
    found = probability_of_best(np.array([[3.0, 1.0]]), np.ones((1, 2)), np.ones((1, 2), bool))
    np.testing.assert_allclose(found, [[0.75, 0.25]], atol=1e-4)


def test_narrow_betas_are_seen() -> None:
    successes, failures = np.array([[9_000.0, 9_200.0, 1.0]]), np.array([[1_000.0, 800.0, 99.0]])
    found = probability_of_best(successes, failures, np.ones((1, 3), bool))
    np.testing.assert_allclose(found, [[0, 1, 0]], atol=1e-5)


def test_popularity_is_the_mean_reward_drawn_to_the_prior() -> None:
    seen = observed()
    model = Popularity(strength=4, prior=0.3)
    learned(model)
    for item in range(ITEMS):
        rewards = seen.rewards[seen.items == item]
        expected = (rewards.sum() + 4 * 0.3) / (len(rewards) + 4)
        assert model.means()[item] == pytest.approx(expected)
    overall = Popularity(strength=4)
    learned(overall)
    assert overall.means()[ITEMS - 1] == pytest.approx(seen.rewards.mean())
    softened = Popularity(strength=4, prior=0.3, temperature=0.1)
    learned(softened)
    weights = np.exp(model.means()[:3] / 0.1)
    found = softened.pmf(asked(1), SETS)[0, 0]
    np.testing.assert_allclose(found, weights / weights.sum())


def test_segments_are_learned_apart() -> None:
    model = SegmentThompson(successes=1, failures=1)
    model.start(problem())
    segments = np.array([0, 0, 1], np.int32)
    contexts = np.zeros((3, CONTEXTS), np.float32)
    items = np.array([2, 2, 0], np.int32)
    model.learn(Observed(Asked(contexts, segments), items, np.array([1.0, 0.5, 0.0])))
    found, _ = model.pmf(Asked(contexts[:2], segments[1:]), SETS)[:, 0]
    assert found[2] > found[0] == pytest.approx(found[1])
    with pytest.raises(SimulationError, match="between 0 and 1"):
        model.learn(Observed(Asked(contexts, segments), items, np.array([1.0, 0.5, 2.0])))


def test_what_does_not_fit_into_memory_or_crosses_is_refused() -> None:
    wide = Problem(np.zeros((1_000_000, 2), np.float32), 100, 1)
    with pytest.raises(SimulationError, match="too much memory"):
        DisjointPosterior(PRIOR).start(wide)
    with pytest.raises(SimulationError, match="no room"):
        SharedPosterior(PRIOR, crosses_max=150).start(wide)


def test_item_features_are_cut_to_what_tells_them_apart() -> None:
    rng = np.random.default_rng(0)
    told = rng.normal(size=(40, 1))
    features = np.concatenate([told, 2 * told, -told], axis=1).astype(np.float32)
    posterior = SharedPosterior(PRIOR, crosses_max=2)
    posterior.start(Problem(features, 0, 1))
    items = np.arange(40, dtype=np.int32)
    everybody = Asked(np.zeros((40, 0), np.float32), np.zeros(40, np.int32))
    for _ in range(200):
        posterior.learn(Observed(everybody, items, told[:, 0]))
    means = posterior.beliefs(everybody.take(slice(0, 1))).means
    np.testing.assert_allclose(means[0], told[:, 0], atol=1e-3)
