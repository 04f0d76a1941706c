"""The rounds and slates that ours and obp are measured on, as .npy files.

What is dense for obp is not kept on disk: both sides make it from the contexts. This module runs
under obp's old NumPy and Python too, so it keeps to what both know.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ACTIONS = 80
POSITIONS = 3
DIMENSIONS = 5
CHUNK = 50_000
SWITCH_AT = 10.0
SHRINKAGE = 10.0


class Work(NamedTuple):
    """How much there is to do."""

    rounds: int
    slates: int
    resamples: int


def write_rounds(folder: Path, work: Work) -> None:
    """Write contexts and what was logged for both targets; one reward in five is 1."""
    rng = np.random.default_rng(20_240_701)
    context = rng.normal(size=(work.rounds, DIMENSIONS))
    position = rng.integers(0, POSITIONS, work.rounds)
    np.save(folder / "context.npy", context)
    np.save(folder / "position.npy", position)
    np.save(folder / "logging.npy", rng.normal(size=(DIMENSIONS, ACTIONS, POSITIONS)) * 0.3)
    np.save(folder / "target.npy", rng.normal(size=(DIMENSIONS, ACTIONS, POSITIONS)) * 0.4)
    np.save(folder / "model.npy", rng.normal(size=(DIMENSIONS, ACTIONS, POSITIONS)) * 0.3)
    np.save(folder / "fixed.npy", rng.dirichlet(np.ones(ACTIONS), POSITIONS))
    pmf = at_position(folder, "logging")
    action = (pmf.cumsum(axis=1) < rng.random((work.rounds, 1))).sum(axis=1).clip(0, ACTIONS - 1)
    rows = np.arange(work.rounds)
    np.save(folder / "softmax_action.npy", action)
    np.save(folder / "softmax_propensity.npy", pmf[rows, action])
    np.save(folder / "fixed_action.npy", rng.integers(0, ACTIONS, work.rounds))
    np.save(folder / "fixed_propensity.npy", np.full(work.rounds, 1 / ACTIONS))
    np.save(folder / "reward.npy", (rng.random(work.rounds) < 0.2).astype(np.float64))


def write_slates(folder: Path, work: Work) -> None:
    """Write slates of three: propensities given those above, of the log and of the target."""
    rng = np.random.default_rng(20_240_702)
    shape = (work.slates, POSITIONS)
    np.save(folder / "slate_logged.npy", rng.uniform(0.2, 0.9, shape))
    np.save(folder / "slate_target.npy", rng.uniform(0.2, 0.9, shape))
    np.save(folder / "slate_reward.npy", (rng.random(shape) < 0.2).astype(np.float64))


def read(folder: Path, name: str) -> Any:
    """Return one array."""
    return np.load(folder / f"{name}.npy", allow_pickle=False)


def softmax(logits: Any) -> Any:
    """Return probabilities over the second axis."""
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    found /= found.sum(axis=1, keepdims=True)
    return found


def at_position(folder: Path, name: str) -> Any:
    """Return (rounds, actions): a policy's pmf at each round's own position, or a model's click."""
    context, position = read(folder, "context"), read(folder, "position")
    weights = read(folder, name)
    found = np.empty((len(context), ACTIONS))
    for first in range(0, len(context), CHUNK):
        part = slice(first, first + CHUNK)
        logits = np.empty((len(position[part]), ACTIONS))
        for place in range(POSITIONS):
            rows = position[part] == place
            logits[rows] = context[part][rows] @ weights[:, :, place]
        found[part] = 1 / (1 + np.exp(2 - logits)) if name == "model" else softmax(logits)
    return found


def everywhere(folder: Path, name: str) -> Any:
    """Return (rounds, actions, positions), as obp wants it."""
    context, weights = read(folder, "context"), read(folder, name)
    found = np.empty((len(context), ACTIONS, POSITIONS))
    for first in range(0, len(context), CHUNK):
        part = slice(first, first + CHUNK)
        for place in range(POSITIONS):
            logits = context[part] @ weights[:, :, place]
            values = 1 / (1 + np.exp(2 - logits)) if name == "model" else softmax(logits)
            found[part, :, place] = values
    return found
