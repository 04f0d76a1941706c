"""Thompson's probabilities: a closed form, seeded Monte Carlo, and SciPy's integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special

from bandit.exploration import Thompson, best_of_gaussians
from bandit.exploration.best_of_gaussians import ERROR_MAX, probability_of_best
from bandit.types import FloatArray


def posteriors(
    seed: int, titles: int, candidates: int, decades: float
) -> tuple[FloatArray, FloatArray]:
    """Return (N, K) means and deviations, the latter spread over so many powers of ten."""
    rng = np.random.default_rng(seed)
    means = rng.normal(0.3, 0.05, (titles, candidates))
    return means, 0.05 * 10.0 ** rng.uniform(-decades, 0.0, (titles, candidates))


def integral(means: FloatArray, deviations: FloatArray, candidate: int) -> float:
    """Return the probability that the candidate is the greatest, by adaptive integration."""
    others = np.arange(len(means)) != candidate

    def density(z: float) -> float:
        x = means[candidate] + deviations[candidate] * z
        below = special.ndtr((x - means[others]) / deviations[others]).prod()
        return float(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) * below)

    kinks = np.clip((means[others] - means[candidate]) / deviations[candidate], -8.0, 8.0)
    return float(integrate.quad(density, -8.0, 8.0, points=np.sort(kinks), limit=400)[0])


def test_the_table_is_the_logarithm_of_the_normal_distribution_function() -> None:
    z = np.linspace(-best_of_gaussians.TAIL, 12.0, 40_001)
    np.testing.assert_allclose(best_of_gaussians._log_cdf(z), special.log_ndtr(z), atol=1e-5)


@pytest.mark.parametrize("decades", [0.0, 1.0, 3.0, 8.0])
def test_two_candidates_match_the_closed_form(decades: float) -> None:
    means, deviations = posteriors(1, 500, 2, decades)
    exact = special.ndtr((means[:, 0] - means[:, 1]) / np.hypot(*deviations.T))
    found = probability_of_best(means, deviations)
    assert np.abs(found[:, 0] - exact).max() < ERROR_MAX
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("decades", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("candidates", [3, 6, 16])
def test_probabilities_match_adaptive_integration(candidates: int, decades: float) -> None:
    means, deviations = posteriors(2, 8, candidates, decades)
    found = probability_of_best(means, deviations)
    exact = [
        [integral(means[title], deviations[title], candidate) for candidate in range(candidates)]
        for title in range(len(means))
    ]
    assert np.abs(found - exact).max() < ERROR_MAX


@pytest.mark.parametrize("candidates", [8, 64])
def test_probabilities_match_monte_carlo(candidates: int) -> None:
    means, deviations = posteriors(3, 1, candidates, 1.0)
    draws = 200_000
    drawn = np.random.default_rng(4).normal(means, deviations, (draws, candidates))
    frequencies = np.bincount(drawn.argmax(axis=1), minlength=candidates) / draws
    found = probability_of_best(means, deviations)[0]
    # Five standard errors of a frequency: alpha below 1e-6 each, with the seed fixed.
    sampling_error = 5.0 * np.sqrt(found * (1.0 - found) / draws) + 5.0 / draws
    assert (np.abs(frequencies - found) < ERROR_MAX + sampling_error).all()


def test_point_masses() -> None:
    means = np.array([[0.5, 0.2, 0.4], [0.3, 0.3, 0.1], [0.5, 0.5, 0.4]])
    deviations = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.2, 0.0]])
    expected = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]
    np.testing.assert_allclose(
        probability_of_best(means, deviations), expected, rtol=0, atol=ERROR_MAX
    )


def test_a_point_mass_among_gaussians_wins_when_all_others_stay_below_it() -> None:
    means = np.array([[0.35, 0.3, 0.2, 0.1]])
    deviations = np.array([[0.0, 0.05, 0.1, 0.3]])
    below = special.ndtr((means[0, 0] - means[0, 1:]) / deviations[0, 1:]).prod()
    found = probability_of_best(means, deviations)
    assert abs(found[0, 0] - below) < ERROR_MAX


def test_a_page_too_large_for_one_block_is_done_in_several() -> None:
    means, deviations = posteriors(5, 700, 8, 1.0)
    assert means.size * best_of_gaussians.GRID > 2 * best_of_gaussians.BLOCK
    halves = [probability_of_best(means[half::2], deviations[half::2]) for half in (0, 1)]
    whole = probability_of_best(means, deviations)
    np.testing.assert_allclose(whole[0::2], halves[0], atol=1e-12)
    np.testing.assert_allclose(whole[1::2], halves[1], atol=1e-12)


def test_scale_widens_the_posterior() -> None:
    scores, spreads = posteriors(6, 20, 5, 1.0)
    everything = np.ones(scores.shape, dtype=np.bool_)
    doubled = Thompson(scale=2.0, min_probability=0.0).pmf(scores, everything, spreads)
    given_twice = Thompson(scale=1.0, min_probability=0.0).pmf(scores, everything, 2.0 * spreads)
    np.testing.assert_allclose(doubled, given_twice, atol=1e-12)
    narrow = Thompson(scale=0.1, min_probability=0.0).pmf(scores, everything, spreads)
    assert (narrow.max(axis=1) >= doubled.max(axis=1) - ERROR_MAX).all()
