"""Intervals against the numbers of vw-estimators, to 1e-9 where the method is the same.

``tests/peers/vw_estimators.py`` tells how the numbers were made. Where ours differ on purpose:

- normal: ours has Student's quantile, the peer the normal one; the spread is the same.
- Cressie–Read: the peer's quantile is of F(1, n), ours of F(1, n - 1), as published; at a level at
  which the two quantiles are one, the ends are the same.
- Cressie–Read of unbounded weights: the peer adds a point of weight 0 or infinity; ours tries those
  in between as well, and takes the cheapest for the budget. Both hold the tight one's ends, nearly.
- Clopper–Pearson: the peer applies it to weighted rewards, divided by the largest weight *seen*,
  which guarantees nothing; ours refuses. Of clicks they are the same.
- sequence: the peer bounds from below alone, w r for one end and w (1 - r) for the other, so that
  no largest weight is needed; ours bets within the range of the terms, and is the tighter for it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bandit.types import FloatArray
from simulator.errors import NotApplicableError
from simulator.intervals import Bounds, importance_bounds, interval
from simulator.terms import Terms

GOLDEN = Path(__file__).parents[1] / "peers" / "vw_estimators.json"
CLOSE = 1e-9
ASKED = [(case, alpha) for case in range(4) for alpha in range(2)]
WEIGHTED = [(case, alpha) for case in range(3) for alpha in range(2)]


@cache
def golden() -> Any:
    return json.loads(GOLDEN.read_text())


def told(case: int, name: str, alpha: int) -> tuple[float, float]:
    low, high = golden()["cases"][case][name][alpha]
    return low, high


def level_of(alpha: int) -> float:
    return 1 - float(golden()["alphas"][alpha])


def weights_of(case: int) -> tuple[FloatArray, Terms, Bounds]:
    """Return weights, weighted rewards, and their range."""
    rounds = golden()["cases"][case]["rounds"]
    weight = np.array(rounds["target"]) / np.array(rounds["logged"])
    bounds = importance_bounds(rounds["weight_max"])
    return weight, Terms(weight * np.array(rounds["reward"])), bounds


@pytest.mark.parametrize(("case", "alpha"), ASKED)
def test_normal_has_the_peers_spread(case: int, alpha: int) -> None:
    _, terms, _ = weights_of(case)
    level = level_of(alpha)
    found = interval("normal", terms, level=level)
    centre, reach = (found.low + found.high) / 2, (found.high - found.low) / 2
    tail = (1 + level) / 2
    reach *= stats.norm.ppf(tail) / stats.t.ppf(tail, len(terms) - 1)
    theirs = told(case, "gaussian", alpha)
    assert (centre - reach, centre + reach) == pytest.approx(theirs, abs=CLOSE)


@pytest.mark.parametrize("alpha", range(2))
def test_clopper_pearson_of_clicks_is_the_peers(alpha: int) -> None:
    _, terms, _ = weights_of(3)
    found = interval("clopper-pearson", terms, level=level_of(alpha))
    assert (found.low, found.high) == pytest.approx(told(3, "clopper-pearson", alpha), abs=CLOSE)


def test_clopper_pearson_of_weighted_clicks_is_refused() -> None:
    with pytest.raises(NotApplicableError):
        interval("clopper-pearson", weights_of(0)[1])


@pytest.mark.parametrize(("case", "alpha"), WEIGHTED)
def test_cressie_read_is_the_peers(case: int, alpha: int) -> None:
    weight, terms, bounds = weights_of(case)
    weighted = Terms(terms.numerator, weight)
    theirs = told(case, "cressie-read", alpha)
    rounds, level = len(terms), level_of(alpha)
    same_quantile = float(stats.f.cdf(stats.f.ppf(level, 1, rounds), 1, rounds - 1))
    found = interval("cressie-read", weighted, level=same_quantile, bounds=bounds)
    assert (found.low, found.high) == pytest.approx(theirs, abs=CLOSE)
    plain = interval("cressie-read", weighted, level=level, bounds=bounds)
    assert (plain.low, plain.high) == pytest.approx(theirs, abs=(theirs[1] - theirs[0]) / rounds)


@pytest.mark.parametrize(("case", "alpha"), ASKED)
def test_the_sequence_is_tighter_than_the_peers(case: int, alpha: int) -> None:
    _, terms, bounds = weights_of(case)
    low, high = told(case, "sequence", alpha)
    found = interval("sequence", terms, level=level_of(alpha), bounds=bounds)
    assert found.high - found.low < high - low
    assert max(low, found.low) < min(high, found.high)
