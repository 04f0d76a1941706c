"""Do logged propensities match frequencies? A calibration that needs the chosen action's alone.

Nothing but the propensity p of what was chosen is logged, so that the usual plot, all predicted
probabilities against outcomes, cannot be drawn: a choice is logged the more often the larger its
propensity. But for every item a, over the rounds that could choose it,

    E Σ 1{chosen = a} / p  =  the number of those rounds,

whatever the policy, if the propensities are right and never 0. Divided through, the *harmonic*
mean propensity of the rounds that chose a equals the frequency at which it was chosen, up to
chance. That is what a bin compares: ``predicted`` is the harmonic mean, ``observed`` the frequency,
and the interval is from the spread of Σ 1/p less the number of offers: over viewers where they are
known, each with all of their rounds, as a viewer who sees the same for a while was drawn for once;
over rounds elsewhere.

Cells, an item at a position, are put into bins by their harmonic mean in *one half* of the rounds
(of the viewers) and counted in the *other*, both ways round: a cell must not choose its bin by the
same luck that is then judged. A cell that was never chosen goes to the lowest bin: rare items are
unlikely ones.

Rounds with one action, or with a propensity of 1, tell nothing (the other actions had 0) and are
left out. An item that was on offer but had no chance is found off, rightly: the target may want it.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from bandit.types import FloatArray, IndexArray
from simulator.errors import EstimationError
from simulator.logged import LoggedChoices
from simulator.results import CalibrationBin

LEVEL: Final = 0.95
HALVES_SEED: Final = 20_240_501
CHUNK: Final = 65_536
ROUNDING: Final = 1e-9
"""Relative: less of a spread is none."""
SAME_LOG: Final = 9
"""Digits of ln(propensity) to which cells are told apart: more would be rounding."""


class _Rounds(NamedTuple):
    """Rounds by cell (an item at a position) and by half; arrays of shape (n,) unless told."""

    unit: IndexArray
    """Whose round it is: the viewer's number or, where viewers are not known, the round's own."""
    half: IndexArray
    """0 or 1, the same for all of a unit's rounds."""
    position: IndexArray
    positions: int
    items: int
    candidates: npt.NDArray[np.int32] | None
    """Shape (n, K), as logged; None: every round offers all items."""
    cell: IndexArray
    """Of what was chosen."""
    inverse: FloatArray
    """1 / propensity."""

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return self.items * self.positions


def calibration(logged: LoggedChoices, bins: int = 10) -> list[CalibrationBin]:
    """Return up to ``bins`` bins with about as many choices each, the least likely first.

    ``count`` is the number of choices in a bin; intervals are at 95 %.

    Raises:
        EstimationError: fewer than one bin is asked for.
    """
    if bins < 1:
        raise EstimationError(f"{bins} bins hold nothing", hint="ask for 10 or so")
    telling = (logged.action_counts() > 1) & (logged.propensity < 1)
    rounds = _by_cell(logged if telling.all() else logged.take(np.flatnonzero(telling)))
    if not len(rounds.cell):
        return []
    bin_of = _bins(rounds, bins)
    chosen = bin_of[rounds.half, rounds.cell]
    count = np.bincount(chosen, minlength=bins)
    total = np.bincount(chosen, rounds.inverse, minlength=bins)
    units = int(rounds.unit.max()) + 1
    sums = _offers(rounds, bin_of, chosen, units, bins)
    offers = sums.offers
    squares = np.bincount(chosen, rounds.inverse**2, minlength=bins)
    scale = np.maximum(1.0, np.divide(offers, total, out=np.ones(bins), where=total > 0))
    spread = _spread(sums.variance, scale * squares - sums.squares, sums.squares)
    reach = float(stdtrit(max(units - 1, 1), (1 + LEVEL) / 2))
    found = [
        _bin(int(count[one]), float(total[one]), float(offers[one]), reach * float(spread[one]))
        for one in np.flatnonzero(count).tolist()
    ]
    return sorted(found, key=lambda bin_: bin_.predicted)


def _bin(count: int, total: float, offers: float, reach: float) -> CalibrationBin:
    """Compare Σ 1/p of a bin's choices with the number of its offers, which it is within reach."""
    predicted, observed = count / total, count / offers
    half_width = predicted * reach / offers
    return CalibrationBin(
        predicted=predicted,
        observed=observed,
        low=max(0.0, observed - half_width),
        high=min(1.0, observed + half_width),
        count=count,
    )


def _by_cell(logged: LoggedChoices) -> _Rounds:
    unit = np.arange(len(logged))
    if logged.cluster is not None:
        _, unit = np.unique(logged.cluster, return_inverse=True)
    half = np.random.default_rng(HALVES_SEED).integers(0, 2, int(unit.max(initial=-1)) + 1)[unit]
    position = np.zeros(len(logged), np.intp)
    if logged.position is not None:
        position = logged.position.astype(np.intp)
    positions = int(position.max(initial=0)) + 1
    items = logged.action_count
    if logged.candidates is not None:
        items = int(logged.candidates.max(initial=0)) + 1
    cell = logged.items().astype(np.intp) * positions + position
    inverse = 1 / logged.propensity
    return _Rounds(unit, half, position, positions, items, logged.candidates, cell, inverse)


def _spread(by_unit: FloatArray, by_round: FloatArray, squares: FloatArray) -> FloatArray:
    """Return (bins,) spreads: of what was seen, and not below what rounds of their own would have.

    A likely choice that all of a few viewers drew shows no spread at all, by luck. What it must
    have follows from 1/p, by round, and from how much more units spread than their rounds would,
    one by one, in the other bins: by the middle one, which few bins of little luck do not move.
    """
    telling = (by_round > ROUNDING * squares) & np.isfinite(by_unit)
    more = float(np.median(by_unit[telling] / by_round[telling])) if telling.any() else 1.0
    return np.sqrt(np.maximum(by_unit, max(1.0, more) * np.maximum(by_round, 0.0)))


class _Offers(NamedTuple):
    """By bin, arrays of shape (bins,)."""

    offers: FloatArray
    squares: FloatArray
    """The sum of squares of rounds' offers."""
    variance: FloatArray
    """Of Σ 1/p less the offers, by what units are off."""


def _offers(
    rounds: _Rounds, bin_of: IndexArray, chosen: IndexArray, units: int, bins: int
) -> _Offers:
    """Return what was on offer by bin, and the spread of Σ 1/p about it.

    What a unit is off, Σ 1/p of its choices in a bin less its offers there, is 0 in expectation.
    """
    offers, squares = np.zeros(bins), np.zeros(bins)
    off = np.zeros((units, bins))
    everywhere = _offers_everywhere(bin_of, rounds, bins)
    for first in range(0, len(rounds.cell), CHUNK):
        part = slice(first, first + CHUNK)
        half, position = rounds.half[part], rounds.position[part]
        if rounds.candidates is None:
            offered = everywhere[half, position]
        else:
            candidates = rounds.candidates[part].astype(np.intp)
            cells = np.maximum(candidates, 0) * rounds.positions + position[:, None]
            offered = _offers_among(candidates, cells, half, bin_of, bins)
        offers += offered.sum(axis=0)
        squares += (offered * offered).sum(axis=0)
        among, unit = np.unique(rounds.unit[part], return_inverse=True)
        place = unit * bins + chosen[part]
        weight = np.bincount(place, rounds.inverse[part], len(among) * bins)
        off[among] += weight.reshape(-1, bins)
        for one in range(bins):
            off[among, one] -= np.bincount(unit, offered[:, one], len(among))
    centred = off - off.mean(axis=0)
    variance = (centred * centred).sum(axis=0) * (units / max(units - 1, 1))
    return _Offers(offers, squares, variance if units > 1 else np.full(bins, math.inf))


def _offers_everywhere(bin_of: IndexArray, rounds: _Rounds, bins: int) -> FloatArray:
    """Return (2, positions, bins): what rounds of each half offer where all items are on offer."""
    offered = np.zeros((2, rounds.positions, bins))
    place = np.broadcast_to(np.arange(rounds.cells) % rounds.positions, bin_of.shape)
    np.add.at(offered, (np.array([[0], [1]]), place, bin_of), 1.0)
    return offered


def _offers_among(
    candidates: IndexArray, cells: IndexArray, half: IndexArray, bin_of: IndexArray, bins: int
) -> FloatArray:
    """Return (m, bins): how many of each round's candidates, (m, K) as cells, are in each bin."""
    place = bin_of[half[:, None], cells] + np.arange(len(cells))[:, None] * bins
    counts = np.bincount(place[candidates >= 0], minlength=len(cells) * bins)
    return counts.reshape(-1, bins).astype(np.float64)


def _bins(rounds: _Rounds, bins: int) -> IndexArray:
    """Return (2, cells): each cell's bin in each half, by its choices in the other half."""
    cells = rounds.cells
    bin_of = np.zeros((2, cells), np.intp)
    for half in (0, 1):
        members = rounds.half == half
        cell, inverse = rounds.cell[members], rounds.inverse[members]
        if not len(cell):
            continue
        total = np.bincount(cell, weights=inverse, minlength=cells)
        count = np.bincount(cell, minlength=cells)
        with np.errstate(divide="ignore", invalid="ignore"):
            likely = np.where(count > 0, np.round(np.log(count / total), SAME_LOG), -np.inf)
        # by the middle rank of its choices, so that cells alike in likelihood share a bin
        _, place = np.unique(likely, return_inverse=True)
        choices = np.bincount(place, weights=count)
        middle = (np.cumsum(choices) - choices / 2) / len(cell)
        bin_of[1 - half] = np.minimum((middle * bins).astype(np.intp), bins - 1)[place]
    return bin_of
