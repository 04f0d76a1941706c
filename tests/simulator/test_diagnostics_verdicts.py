"""What weights tell, and every verdict and warning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from bandit.types import BoolArray, FloatArray
from simulator.diagnostics import diagnose, weight_histogram
from simulator.diagnostics.weights import Weights
from simulator.errors import EstimationError
from simulator.logged import LoggedChoices, PropensitySource
from simulator.results import Diagnostics


def mean_weight_p(weight: FloatArray, viewer: npt.NDArray[np.int64] | None = None) -> float:
    return Weights.of(weight, viewer).p_value


def _of(weight: FloatArray, **settings: float) -> Diagnostics:
    return diagnose(weight, target_name="greedy", **settings)  # type: ignore[arg-type]


def _logged(
    propensity: FloatArray, first: BoolArray, source: PropensitySource = "logged"
) -> LoggedChoices:
    action = (~first).astype(np.int32)
    return LoggedChoices(action, np.zeros(len(action)), propensity, 2, propensity_source=source)


def test_figures_are_their_formulas() -> None:
    weight = np.array([0.0, 1.0, 2.0, 1.0])
    found = _of(weight)
    assert found.rounds == 4
    assert found.effective_rounds == pytest.approx(16 / 6)
    assert (found.weight_max, found.weight_mean) == (2.0, 1.0)
    assert found.zero_overlap_share == 0.25


def test_the_mean_weights_test_is_students() -> None:
    weight = np.random.default_rng(1).gamma(2.0, 0.6, 300)
    assert mean_weight_p(weight) == pytest.approx(stats.ttest_1samp(weight, 1.0).pvalue)
    assert mean_weight_p(np.ones(5)) == 1.0
    assert mean_weight_p(np.full(5, 0.5)) == 0.0
    assert mean_weight_p(np.array([0.2])) == 1.0


def test_the_mean_weights_test_takes_viewers_together() -> None:
    cluster = np.repeat(np.arange(50), 20)
    weight = np.random.default_rng(2).gamma(2.0, 0.5, 50)[cluster] + 0.15
    alone, together = mean_weight_p(weight), mean_weight_p(weight, cluster)
    assert alone < 1e-3 < together


def test_good_overlap() -> None:
    found = _of(np.full(5000, 1.0))
    assert found.sound
    assert found.verdict == "good overlap: 5,000 effective rounds of 5,000"
    assert found.warnings == []


def test_no_overlap() -> None:
    found = _of(np.zeros(700))
    assert not found.sound
    assert found.verdict.startswith("no overlap: greedy never chooses what was logged")
    assert found.effective_rounds == 0
    assert found.zero_overlap_share == 1


def test_weights_that_average_too_little() -> None:
    found = _of(np.tile([0.5, 1.0], 2000))
    assert not found.sound
    assert "weights average 0.75 where 1 is expected" in found.verdict
    assert "greedy chooses what the log never tried" in found.verdict


def test_weights_that_average_too_much() -> None:
    found = _of(np.tile([1.0, 2.0], 2000))
    assert not found.sound
    assert "logged propensities are too low" in found.verdict


def test_not_enough_overlap() -> None:
    found = _of(np.append(np.zeros(3663), np.full(37, 100.0)))
    assert not found.sound
    assert found.verdict.startswith("not enough overlap: 37 effective rounds of 3,700; gather more")
    assert "only 1.00% of the rounds count: intervals rest on few" not in found.warnings


def test_few_rounds_of_many_are_warned_of() -> None:
    found = _of(np.append(np.zeros(29_900), np.full(100, 300.0)))
    assert found.sound
    assert found.warnings == ["only 0.33% of the rounds count: intervals rest on few"]


def test_one_round_that_decides() -> None:
    weight = np.append(np.full(1000, 0.94), 60.0)
    found = _of(weight)
    assert not found.sound
    assert found.verdict.startswith("one round decides: it carries 6% of all the weight")


def test_weights_beyond_what_was_said_to_be_possible() -> None:
    weight = np.random.default_rng(4).choice([0.5, 1.5], 1000)
    with pytest.raises(EstimationError, match=r"a weight of 1\.5 was seen, and 1\.2 is said"):
        _of(weight, weight_max_known=1.2)
    assert "none above 1.5 was seen" in _of(weight, weight_max_known=40.0).warnings[0]
    assert _of(weight, weight_max_known=1.5).warnings == []


def test_propensities_that_do_not_match_frequencies_are_told() -> None:
    rng = np.random.default_rng(5)
    first = rng.random(4000) < 0.52
    right = _logged(np.where(first, 0.52, 0.48), first)
    wrong = _logged(np.where(first, 0.7, 0.3), first)
    assert diagnose(np.ones(4000), target_name="t", logged=right).warnings == []
    told = diagnose(np.ones(4000), target_name="t", logged=wrong).warnings
    assert len(told) == 2
    assert told[0].startswith("actions logged at a propensity of about 0.3 were chosen 0.4")


@pytest.mark.parametrize("bad", [np.empty(0), np.array([1.0, -1.0]), np.array([np.nan])])
def test_what_are_no_weights_is_refused(bad: FloatArray) -> None:
    with pytest.raises(EstimationError):
        _of(bad)


def test_a_histogram_holds_every_weight() -> None:
    rng = np.random.default_rng(6)
    for weight in (
        rng.uniform(0.5, 2.0, 1000),
        np.append(np.zeros(50), rng.lognormal(0.0, 3.0, 1000)),
        np.zeros(10),
        np.full(3, 7.0),
    ):
        found = weight_histogram(weight)
        assert len(found.edges) == 31
        assert len(found.counts) == 30
        assert (np.diff(found.edges) > 0).all()
        assert sum(found.counts) == len(weight)
        assert found.edges[0] == 0


def test_a_histogram_of_heavy_weights_widens_geometrically() -> None:
    edges = np.array(weight_histogram(np.geomspace(0.01, 1000.0, 500)).edges[1:])
    assert edges[1:] / edges[:-1] == pytest.approx(np.full(29, (edges[-1] / edges[0]) ** (1 / 29)))
    even = np.array(weight_histogram(np.linspace(0.5, 2.0, 500)).edges)
    assert np.diff(even) == pytest.approx(np.full(30, 2 / 30))


def test_no_histogram_of_nothing() -> None:
    for bad in (np.empty(0), np.array([np.inf]), np.array([-1.0])):
        with pytest.raises(EstimationError):
            weight_histogram(bad)
    with pytest.raises(EstimationError):
        weight_histogram(np.ones(3), bins=1)
