"""One linear model of all items, over the products of context and item features.

With c the context and a an item's features, both with a constant, the reward is taken to be
``θ · (c ⊗ a)``: main effects and all crosses. The state is one precision matrix of (D·F)² float64
numbers. Where D·F is above a limit, item features are cut to as many principal components as fit,
since what can be told of items is known beforehand.

All is done on the two factors: a batch's moments are summed up by item first, and variances are
``aᵀ M_c a``, where M_c contracts the covariance with c on both sides.

A draw of θ is the same for all items of a round, so that their scores move together. For the
probability that one is the best that is heeded by centring: scores less their set's mean are ranked
alike, and what the items have in common is gone. Their variances, times K/(K - 1), are those of
independent scores with the same differences: exactly so for two items, and for any number whose
beliefs are alike.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bandit.types import Float32Array
from simulator.errors import SimulationError
from simulator.pages import Codes
from simulator.policies.models import Asked, Observed, Problem, by_item, gathered
from simulator.policies.posterior import Beliefs, Contest, Prior
from simulator.policies.quadratic import inverse, product, products, weights, with_constant

_SHARED_BY: Final = 16
"""Where a round's sets are among so many times as many, all are worked out for all rounds."""
_TABLE_MAX: Final = 50_000_000


class SharedPosterior:
    """Ridge regression on crosses; ``crosses_max`` bounds how many there are."""

    def __init__(self, prior: Prior, *, crosses_max: int = 1024) -> None:
        self._prior = prior
        self._crosses_max = crosses_max

    def start(self, problem: Problem) -> None:
        """Begin with the prior.

        Raises:
            SimulationError: contexts alone are wider than the crosses may be.
        """
        width = problem.contexts + 1
        most = self._crosses_max // width - 1
        if most < 1:
            raise SimulationError(
                f"contexts of {problem.contexts} features leave no room for items' features",
                hint=f"set crosses_max to {2 * width} or more",
            )
        self._items = with_constant(_components(problem.items, most))
        self._item_products = products(self._items)
        self._widths = (width, self._items.shape[1])
        crosses = width * self._items.shape[1]
        self._precision = np.eye(crosses) / self._prior.variance
        self._moment = np.zeros(crosses)
        self._solve()

    def learn(self, observed: Observed) -> None:
        """Add up moments by item, cross them with the items' features, and solve."""
        order, items, starts = by_item(observed.items)
        if not len(items):
            return
        contexts = with_constant(observed.asked.contexts[order]).astype(np.float64)
        ends = np.append(starts[1:], len(order))
        grams = np.stack(
            [
                contexts[start:end].T @ contexts[start:end]
                for start, end in zip(starts, ends, strict=True)
            ]
        )
        rewarded = np.add.reduceat(contexts * observed.rewards[order][:, None], starts, axis=0)
        features = self._items[items].astype(np.float64)
        squares = features[:, :, None] * features[:, None, :]
        crossed = np.tensordot(grams, squares, axes=(0, 0)).transpose(0, 2, 1, 3)
        noise = self._prior.noise
        self._precision += crossed.reshape(self._precision.shape) / noise
        self._moment += (rewarded.T @ features).ravel() / noise
        self._solve()

    def _solve(self) -> None:
        self._covariance = inverse(self._precision)
        self._theta = self._covariance @ self._moment
        self._root: Float32Array | None = None
        self._pairs: Float32Array | None = None

    def _roots(self) -> Float32Array:
        """Return the covariance's Cholesky factor, worked out when draws are first wanted."""
        if self._root is None:
            self._root = np.linalg.cholesky(self._covariance).astype(np.float32)
        return self._root

    def _pair_weights(self) -> Float32Array:
        """Return (the context's pairs, the item's pairs) the weights of their products.

        Worked out when variances are first wanted.
        """
        if self._pairs is None:
            width, wide = self._widths
            # (context, item, context, item) → the context's pairs × the item's pairs
            by_pairs = self._covariance.reshape(width, wide, width, wide).transpose(0, 2, 1, 3)
            halves = (by_pairs + by_pairs.transpose(0, 1, 3, 2)) / 2
            first, second = np.triu_indices(width)
            twice = np.where(first < second, 2.0, 1.0)[:, None]
            self._pairs = (weights(halves[first, second]) * twice).astype(np.float32)
        return self._pairs

    def beliefs(self, asked: Asked) -> Beliefs:
        """Return what is believed of every item."""
        contexts = with_constant(asked.contexts)
        forms = product(products(contexts), self._pair_weights())
        variances = product(forms, self._item_products.T)
        deviations = np.sqrt(np.maximum(variances, np.float32(0.0)))
        return Beliefs(self._means(contexts), deviations)

    def _means(self, contexts: Float32Array) -> Float32Array:
        theta = self._theta.reshape(self._widths).astype(np.float32)
        return product(product(contexts, theta), self._items.T)

    def draw(
        self, asked: Asked, sets: Codes, rng: np.random.Generator, scale: float
    ) -> Float32Array:
        """Draw weights for each round, and score all items by them."""
        contexts = with_constant(asked.contexts)
        noise = rng.standard_normal((len(contexts), len(self._theta)), dtype=np.float32)
        drawn = self._theta.astype(np.float32) + np.float32(scale) * product(noise, self._roots().T)
        tastes = np.einsum("md,mdf->mf", contexts, drawn.reshape(-1, *self._widths))
        return np.asarray(gathered(product(tastes, self._items.T), sets), np.float32)

    def contest(self, asked: Asked, sets: Codes) -> Contest:
        """Return independent Gaussians, by centring; see the head of this module."""
        means = gathered(self._means(with_constant(asked.contexts)), sets).astype(np.float64)
        there = sets >= 0
        counts = np.maximum(there.sum(axis=-1, keepdims=True), 1)
        forms = product(products(with_constant(asked.contexts)), self._pair_weights())
        variances = self._centred_variances(forms, sets).reshape(means.shape)
        variances = np.maximum(variances, 0.0) * (counts / np.maximum(counts - 1, 1))
        return Contest(means, np.where(there, np.sqrt(variances), 0.0))

    def _centred_variances(self, forms: Float32Array, sets: Codes) -> Float32Array:
        """Return (m, sets a round, K) variances of scores less their set's mean."""
        width = sets.shape[-1]
        distinct, which = np.unique(sets.reshape(-1, width), axis=0, return_inverse=True)
        which = which.reshape(len(sets), -1)
        centred = products(_centred(self._items, distinct)).reshape(len(distinct), width, -1)
        shared = len(distinct) <= _SHARED_BY * which.shape[1]
        if shared and len(forms) * distinct.size <= _TABLE_MAX:
            table = product(forms, centred.reshape(distinct.size, -1).T)
            every = np.arange(len(forms))[:, None]
            found: Float32Array = table.reshape(len(forms), -1, width)[every, which]
            return found
        own = np.broadcast_to(which, (len(forms), which.shape[1]))
        return np.asarray(np.einsum("mskp,mp->msk", centred[own], forms), np.float32)


def _centred(items: Float32Array, sets: Codes) -> Float32Array:
    """Return (sets · K, F) features less the mean of their set's, 0 for gaps."""
    there = (sets >= 0)[:, :, None]
    features = np.where(there, items[np.maximum(sets, 0)], np.float32(0.0))
    means = features.sum(axis=1, keepdims=True) / np.maximum(there.sum(axis=1, keepdims=True), 1)
    centred = np.where(there, features - means, 0.0)
    return np.asarray(centred.reshape(-1, items.shape[1]), np.float32)


def _components(features: Float32Array, most: int) -> Float32Array:
    """Return features as they are, or their ``most`` principal components where they are more."""
    if features.shape[1] <= most:
        return features
    centred = features.astype(np.float64) - features.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(centred @ axes[:most].T, np.float32)
