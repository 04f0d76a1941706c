"""Do logged propensities match frequencies? A calibration that needs the chosen action's alone.

Nothing but the propensity p of what was chosen is logged, so that the usual plot, all predicted
probabilities against outcomes, cannot be drawn: a choice is logged the more often the larger its
propensity. But for every item a, over the rounds that could choose it,

    E Σ 1{chosen = a} / p  =  the number of those rounds,

whatever the policy, if the propensities are right and never 0. Divided through, the *harmonic*
mean propensity of the rounds that chose a equals the frequency at which it was chosen, up to
chance. That is what a bin compares: ``predicted`` is the harmonic mean, ``observed`` the frequency,
and the interval is from the spread of Σ 1/p over rounds.

Cells, an item at a position, are put into bins by their harmonic mean in *one half* of the rounds
and counted in the *other*, both ways round: a cell must not choose its bin by the same luck that
is then judged. A cell that was never chosen goes to the lowest bin: rare items are unlikely ones.

Rounds with one action, or with a propensity of 1, tell nothing (the other actions had 0) and are
left out. An item that was on offer but had no chance is found off, rightly: the target may want it.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from bandit.types import BoolArray, FloatArray, IndexArray
from simulator.errors import EstimationError
from simulator.logged import LoggedChoices
from simulator.results import CalibrationBin

LEVEL: Final = 0.95
HALVES_SEED: Final = 20_240_501
CHUNK: Final = 65_536
SAME_LOG: Final = 9
"""Digits of ln(propensity) to which cells are told apart: more would be rounding."""


class _Rounds(NamedTuple):
    """Rounds by cell (an item at a position) and by half; arrays of shape (n,) unless told."""

    half: IndexArray
    """0 or 1."""
    cell: IndexArray
    """Of what was chosen."""
    inverse: FloatArray
    """1 / propensity."""
    offered: npt.NDArray[np.int64]
    """Shape (2, cells): rounds of each half that could choose the cell's item there."""


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
    bin_of = _bins(rounds, bins)
    chosen = bin_of[rounds.half, rounds.cell]
    offers = np.bincount(bin_of.ravel(), weights=rounds.offered.ravel(), minlength=bins)
    found = []
    for number in np.unique(chosen).tolist():
        members = chosen == number
        found.append(_bin(members, float(offers[number]), rounds.inverse))
    return sorted(found, key=lambda bin_: bin_.predicted)


def _bin(members: BoolArray, offers: float, inverse: FloatArray) -> CalibrationBin:
    """Compare Σ 1/p of a bin's choices with the number of its offers.

    The variance of Σ 1/p about its expectation is at most n times that of a round's 1/p (0 where
    another bin was chosen), and just that where all rounds offer alike.
    """
    count, total = int(members.sum()), float(inverse[members].sum())
    squares = float((inverse[members] ** 2).sum())
    spread = math.sqrt(max(0.0, squares - offers * offers / len(inverse)))
    predicted, observed = count / total, count / offers
    half_width = float(ndtri((1 + LEVEL) / 2)) * predicted * spread / offers
    return CalibrationBin(
        predicted=predicted,
        observed=observed,
        low=max(0.0, observed - half_width),
        high=min(1.0, observed + half_width),
        count=count,
    )


def _by_cell(logged: LoggedChoices) -> _Rounds:
    half = np.random.default_rng(HALVES_SEED).integers(0, 2, len(logged))
    position = np.zeros(len(logged), np.intp) if logged.position is None else logged.position
    positions = int(position.max(initial=0)) + 1
    if logged.candidates is None:
        items = logged.action_count
        rounds = np.zeros((2, positions), np.int64)
        np.add.at(rounds, (half, position), 1)
        offered = np.tile(rounds, (1, items))
    else:
        items = int(logged.candidates.max(initial=0)) + 1
        offered = np.zeros((2, items * positions), np.int64)
        for first in range(0, len(logged), CHUNK):
            part = slice(first, first + CHUNK)
            candidates = logged.candidates[part].astype(np.intp)
            cells = candidates * positions + position[part, None]
            cells += (half[part] * items * positions)[:, None]
            offered += np.bincount(cells[candidates >= 0], minlength=2 * items * positions).reshape(
                2, -1
            )
    cell = logged.items().astype(np.intp) * positions + position
    return _Rounds(half, cell, 1 / logged.propensity, offered)


def _bins(rounds: _Rounds, bins: int) -> IndexArray:
    """Return (2, cells): each cell's bin in each half, by its choices in the other half."""
    cells = rounds.offered.shape[1]
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
