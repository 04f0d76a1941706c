"""Logged choices in files, whose policies' true values are formulas."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bandit.types import FloatArray

ACTIONS = 5
KINDS = 3
CHANCES: FloatArray = np.array(
    [[0.1, 0.2, 0.5, 0.3, 0.2], [0.4, 0.1, 0.1, 0.3, 0.2], [0.2, 0.2, 0.3, 0.1, 0.5]]
)
"""Shape (KINDS, ACTIONS): of a reward of 1."""


class Columns(NamedTuple):
    """n rounds."""

    kind: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    propensity: np.ndarray
    viewer: np.ndarray
    position: np.ndarray


def draw(rounds: int, seed: int = 1) -> Columns:
    """Draw rounds of a logging policy that prefers its first actions, by kind of viewer."""
    random = np.random.default_rng(seed)
    viewer = random.integers(0, rounds // 4, rounds)
    kind = viewer % KINDS
    logits = np.array([1.0, 0.5, 0.0, -0.5, -1.0])
    pmf = np.exp(logits) / np.exp(logits).sum()
    action = random.choice(ACTIONS, rounds, p=pmf)
    reward = (random.random(rounds) < CHANCES[kind, action]).astype(np.float64)
    return Columns(kind, action, reward, pmf[action], viewer, np.arange(rounds) % 2)


def write(path: Path, columns: Columns, **changes: np.ndarray | None) -> Path:
    """Write rounds as NPZ; a change of None leaves its column out."""
    held: dict[str, np.ndarray | None] = {
        "action": columns.action.astype(np.int32),
        "reward": columns.reward,
        "propensity": columns.propensity,
        "viewer": columns.viewer,
        "segment": np.array([f"kind {kind}" for kind in columns.kind]),
        "position": columns.position.astype(np.int32),
        "context": np.eye(KINDS, dtype=np.float32)[columns.kind],
        "item_features": np.eye(ACTIONS, dtype=np.float32),
        **changes,
    }
    given: dict[str, Any] = {name: values for name, values in held.items() if values is not None}
    np.savez(path, **given)
    return path
