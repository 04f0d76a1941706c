"""Calibration from the chosen action's propensity alone: right logs pass, wrong ones are found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bandit.types import FloatArray
from simulator.diagnostics import calibration
from simulator.errors import EstimationError
from simulator.logged import LoggedChoices
from simulator.results import CalibrationBin

ACTIONS = 6


def _log(
    rng: np.random.Generator,
    rounds: int,
    *,
    positions: int = 1,
    subsets: bool = False,
    told: float = 1.0,
) -> LoggedChoices:
    """Log a contextual softmax policy that tells its propensities to the power ``told``."""
    logits = rng.normal(size=(positions, ACTIONS)) * 1.5
    position = rng.integers(0, positions, rounds).astype(np.int32)
    score = logits[position] + rng.normal(size=(rounds, 1)) * rng.normal(size=ACTIONS) * 0.5
    candidates = None
    if subsets:
        order = rng.random((rounds, ACTIONS)).argsort(axis=1).astype(np.int32)
        candidates = np.full((rounds, ACTIONS), -1, np.int32)
        size = rng.integers(2, ACTIONS + 1, rounds)
        within = np.arange(ACTIONS) < size[:, None]
        candidates[within] = order[within]
        score = np.where(within, np.take_along_axis(score, order, axis=1), -np.inf)
    pmf = np.exp(score - score.max(axis=1, keepdims=True))
    pmf /= pmf.sum(axis=1, keepdims=True)
    action = (pmf.cumsum(axis=1) < rng.random((rounds, 1))).sum(axis=1).clip(0, ACTIONS - 1)
    propensity: FloatArray = pmf[np.arange(rounds), action] ** told
    return LoggedChoices(
        action.astype(np.int32),
        np.zeros(rounds),
        propensity,
        ACTIONS,
        candidates=candidates,
        position=position if positions > 1 else None,
    )


def _covers(found: CalibrationBin) -> bool:
    return found.low <= found.predicted <= found.high


@pytest.mark.parametrize(("positions", "subsets"), [(1, False), (3, False), (1, True), (3, True)])
def test_bins_of_right_propensities_cover_at_their_level(positions: int, subsets: bool) -> None:
    """Binomial test at alpha 1e-3 that no fewer than 95 % of bins cover, over 60 logs."""
    rng = np.random.default_rng(11)
    covered = [
        _covers(found)
        for _ in range(60)
        for found in calibration(_log(rng, 3000, positions=positions, subsets=subsets))
    ]
    assert len(covered) > 200
    assert stats.binomtest(sum(covered), len(covered), 0.95, "less").pvalue > 1e-3
    assert sum(covered) < len(covered)


@pytest.mark.parametrize("told", [0.8, 1.25])
def test_wrong_propensities_are_found(told: float) -> None:
    found = calibration(_log(np.random.default_rng(12), 20_000, told=told))
    off = [not _covers(one) for one in found]
    assert sum(off) > len(off) / 2
    for one in found:
        if not _covers(one):
            assert (one.predicted > one.observed) == (told < 1)


def test_every_telling_choice_is_counted_once() -> None:
    logged = _log(np.random.default_rng(13), 5000, positions=2, subsets=True)
    found = calibration(logged)
    assert sum(one.count for one in found) == 5000
    assert [one.predicted for one in found] == sorted(one.predicted for one in found)
    assert len(found) <= 10


def test_a_uniform_log_is_one_bin_at_its_propensity() -> None:
    rng = np.random.default_rng(14)
    action = rng.integers(0, 80, 40_000).astype(np.int32)
    found = calibration(LoggedChoices(action, np.zeros(40_000), np.full(40_000, 1 / 80), 80))
    assert len(found) == 1
    assert found[0].predicted == pytest.approx(1 / 80)
    assert found[0].observed == pytest.approx(1 / 80)


def test_rounds_that_tell_nothing_are_left_out() -> None:
    sure = LoggedChoices(np.zeros(50, np.int32), np.zeros(50), np.ones(50), 3)
    assert calibration(sure) == []
    alone = LoggedChoices(
        np.zeros(50, np.int32),
        np.zeros(50),
        np.full(50, 0.5),
        2,
        candidates=np.tile(np.array([4, -1], np.int32), (50, 1)),
    )
    assert calibration(alone) == []


def test_items_are_told_apart_by_their_codes_and_positions() -> None:
    """Each position has its own propensities: pooled over positions they would not match."""
    rng = np.random.default_rng(15)
    rounds = 20_000
    position = rng.integers(0, 2, rounds).astype(np.int32)
    likely = np.where(position == 0, 0.9, 0.1)
    action = (rng.random(rounds) >= likely).astype(np.int32)
    propensity = np.where(action == 0, likely, 1 - likely)
    found = calibration(LoggedChoices(action, np.zeros(rounds), propensity, 2, position=position))
    assert [round(one.predicted, 6) for one in found] == [0.1, 0.9]
    assert all(_covers(one) for one in found)


def test_no_bins_are_refused() -> None:
    with pytest.raises(EstimationError):
        calibration(_log(np.random.default_rng(1), 10), bins=0)
