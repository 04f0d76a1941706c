"""Terms summed up: an estimate and its normal interval from a stream of blocks.

An estimate's value and the variance of its influence follow from the means of base, numerator and
denominator, and from their centred sums of products. Blocks are merged by the update of Chan, Golub
and LeVeque (1979), which does not cancel as plain sums of squares do; summing goes in NumPy's fixed
pairwise order, so that the same blocks in the same order give the same bits, whoever made them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from math import sqrt

import numpy as np

from bandit.types import FloatArray
from simulator.terms import Terms, no_overlap


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What is left of ``count`` terms; the order is base, numerator, denominator."""

    count: int
    mean: FloatArray
    """Shape (3,); a missing base is 0 throughout, a missing denominator 1."""
    products: FloatArray
    """Shape (3, 3): Σ (x - mean x)(y - mean y)."""
    has_denominator: bool
    overlap: bool = True
    """Whether a round has weight, in any of the blocks."""

    @classmethod
    def of(cls, terms: Terms) -> Moments:
        """Sum up the terms of one block."""
        count = len(terms)
        columns = [terms.base, terms.numerator, terms.denominator]
        mean = np.array([0.0, 0.0, 0.0 if terms.denominator is not None else 1.0])
        centred: list[FloatArray | None] = [None, None, None]
        for index, column in enumerate(columns):
            if column is not None and count:
                mean[index] = column.mean()
                centred[index] = column - mean[index]
        products = np.zeros((3, 3))
        for row, one in enumerate(centred):
            for column_index, other in enumerate(centred[: row + 1]):
                if one is not None and other is not None:
                    # Not a matrix product: BLAS may sum in another order with other threads.
                    total = float((one * other).sum())
                    products[row, column_index] = products[column_index, row] = total
        return cls(count, mean, products, terms.denominator is not None, terms.overlap)

    @classmethod
    def total(cls, blocks: Iterable[Moments]) -> Moments:
        """Merge blocks in their order; there must be one at least."""
        return reduce(cls.merge, blocks)

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both together."""
        if not other.count:
            return self
        if not self.count:
            return other
        count = self.count + other.count
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        shift = np.outer(apart, apart) * (self.count * (other.count / count))
        products = self.products + other.products + shift
        overlap = self.overlap or other.overlap
        return Moments(count, mean, products, self.has_denominator, overlap)

    def check_overlap(self) -> None:
        """Check that the log says something of the target, as :meth:`Terms.check_overlap` does.

        Raises:
            NoOverlapError: no round has weight.
        """
        if not self.overlap:
            raise no_overlap(self.count)

    def value(self) -> float:
        """Return the estimate.

        Raises:
            NoOverlapError: there are no rounds, or the denominators sum to zero.
        """
        base, numerator, denominator = self.mean.tolist()
        if self.count == 0 or denominator <= 0:
            raise no_overlap(self.count)
        return float(base + numerator / denominator)

    def standard_error(self) -> float:
        """Return the estimate's standard error: of the mean of its influence values.

        See :meth:`simulator.terms.Terms.influence`; the variance is taken over n - 1.

        Raises:
            NoOverlapError: there are no rounds, or the denominators sum to zero.
        """
        self.value()
        _, numerator, denominator = self.mean
        slopes = np.array([1.0, 1.0 / denominator, -numerator / denominator**2])
        if not self.has_denominator:
            slopes = np.array([1.0, 1.0, 0.0])
        spread = float(slopes @ self.products @ slopes)
        if self.count < 2:
            return float("inf")
        return sqrt(max(0.0, spread) / (self.count - 1) / self.count)
