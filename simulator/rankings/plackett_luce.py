"""A Plackett–Luce policy's conditional probabilities, for many rankings at once."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.logged import CodeArray


def conditional_pmf(logits: FloatArray, items: CodeArray) -> FloatArray:
    """Return what would stand at each position, given the items above it.

    Args:
        logits: (n, R), -inf where a round has fewer candidates.
        items: (n, L) indices into the candidates, from the top; -1 past a ranking's end.

    Returns:
        (n, L, R): each round and position sums to 1, or is 0 throughout where nothing is left.
        An item's probability is in proportion to exp(logit) among those not yet placed
        (Plackett, 1975; Luce, 1959).
    """
    rounds = np.arange(len(logits))
    left = np.array(logits, np.float64)
    result = np.zeros((*items.shape, left.shape[1]))
    for position in range(items.shape[1]):
        largest = left.max(axis=1, keepdims=True)
        weights = np.exp(left - np.where(np.isfinite(largest), largest, 0.0))
        total = weights.sum(axis=1, keepdims=True)
        np.divide(weights, total, out=result[:, position], where=total > 0)
        placed = items[:, position] >= 0
        left[rounds[placed], items[placed, position]] = -np.inf
    return result


def conditional_probability(logits: FloatArray, items: CodeArray) -> FloatArray:
    """Return (n, L) the probability of each item placed, given those above; 1 past the end."""
    pmf = conditional_pmf(logits, items)
    chosen = np.take_along_axis(pmf, np.maximum(items, 0)[:, :, None], axis=2)[:, :, 0]
    return np.where(items >= 0, chosen, 1.0)
